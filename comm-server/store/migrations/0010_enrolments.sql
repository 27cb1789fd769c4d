-- One-time enrolment tokens that were used, and what was issued for them. A token is taken by the insert: whoever comes
-- second with another key finds it taken. With the same key (an answer that got lost) the same certificate is given.
CREATE TABLE enrolments (
    tenant        TEXT   NOT NULL,
    token_sha256  TEXT   NOT NULL,
    gateway       TEXT   NOT NULL,
    key_sha256    TEXT   NOT NULL,
    taken_ms      BIGINT NOT NULL,
    certificate   TEXT,
    serial        TEXT,
    PRIMARY KEY (tenant, token_sha256)
);
