-- The second factor of a user (comm_server_core::second_factor): 0 until it was confirmed by a code.
ALTER TABLE users ADD COLUMN has_second_factor BIGINT NOT NULL DEFAULT 0;

-- The secret of a user's authenticator; confirmed_ms is null until a code of it was seen, last_step the time step of the
-- newest code that was used.
CREATE TABLE totp_secrets (
    tenant        TEXT   NOT NULL,
    user_name     TEXT   NOT NULL,
    secret        TEXT   NOT NULL,
    last_step     BIGINT NOT NULL,
    created_ms    BIGINT NOT NULL,
    confirmed_ms  BIGINT,
    PRIMARY KEY (tenant, user_name)
);

-- Recovery codes that were not used yet; only their hash is kept.
CREATE TABLE recovery_codes (
    tenant      TEXT   NOT NULL,
    user_name   TEXT   NOT NULL,
    code_hash   TEXT   NOT NULL,
    created_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_name, code_hash)
);

-- How far a login is: 'code' awaits the code, 'enroll' must set up a second factor first, 'open' is a whole session.
ALTER TABLE sessions ADD COLUMN stage TEXT NOT NULL DEFAULT 'open';
