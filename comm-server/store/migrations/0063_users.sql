-- Who a user is, and since when the account is disabled; null while it isn't.
ALTER TABLE users ADD COLUMN full_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN mail TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN disabled_ms BIGINT;
ALTER TABLE users ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE INDEX users_customer ON users (tenant, scope_customer, name);

-- One-time links by which a user chooses a password; only their hash is kept.
CREATE TABLE invitations (
    tenant      TEXT   NOT NULL,
    token_hash  TEXT   NOT NULL,
    user_name   TEXT   NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, token_hash)
);
CREATE INDEX invitations_user ON invitations (tenant, user_name);

-- From where a session was begun, and by what.
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN agent TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_user ON sessions (tenant, user_name);
