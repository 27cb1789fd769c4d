-- Tokens of programs; only their hash is kept. A token that is revoked or expired stays for the audit's sake.
CREATE TABLE api_tokens (
    tenant          TEXT   NOT NULL,
    token           TEXT   NOT NULL,
    name            TEXT   NOT NULL,
    token_hash      TEXT   NOT NULL,
    role            TEXT   NOT NULL,
    scope_customer  TEXT   NOT NULL DEFAULT '',
    scope_site      TEXT   NOT NULL DEFAULT '',
    networks        TEXT   NOT NULL DEFAULT '',
    created_by      TEXT   NOT NULL,
    created_ms      BIGINT NOT NULL,
    expires_ms      BIGINT NOT NULL,
    used_ms         BIGINT,
    revoked_ms      BIGINT,
    PRIMARY KEY (tenant, token)
);
CREATE UNIQUE INDEX api_tokens_hash ON api_tokens (token_hash);
CREATE UNIQUE INDEX api_tokens_name ON api_tokens (tenant, name);
