-- The chain of a tenant's audit: number and hash of an entry, null until it is sealed (comm_server_core::audit).
ALTER TABLE audit ADD COLUMN number BIGINT;
ALTER TABLE audit ADD COLUMN hash TEXT;
CREATE INDEX audit_unsealed ON audit (tenant, entry) WHERE number IS NULL;
CREATE UNIQUE INDEX audit_numbers ON audit (tenant, number) WHERE number IS NOT NULL;

-- The ends of each chain: its newest entry, the oldest one that is kept and the hash before that.
CREATE TABLE audit_heads (
    tenant          TEXT   NOT NULL PRIMARY KEY,
    number          BIGINT NOT NULL,
    hash            TEXT   NOT NULL,
    first_number    BIGINT NOT NULL,
    first_previous  TEXT   NOT NULL
);
