-- Wrong passwords of an account by where they came from (comm_server_core::logins::Source); '' is the whole account.
CREATE TABLE login_failures (
    tenant     TEXT   NOT NULL,
    user_name  TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    failures   BIGINT NOT NULL,
    last_ms    BIGINT NOT NULL,
    PRIMARY KEY (tenant, user_name, source)
);

-- From where they came wasn't kept: they count for the account.
INSERT INTO login_failures (tenant, user_name, source, failures, last_ms)
    SELECT tenant, name, '', 5, locked_until_ms - 900000 FROM users WHERE locked_until_ms IS NOT NULL;

ALTER TABLE users DROP COLUMN failures;
ALTER TABLE users DROP COLUMN locked_until_ms;

-- Keys that servers of one database share.
CREATE TABLE server_keys (
    name        TEXT   NOT NULL PRIMARY KEY,
    secret      TEXT   NOT NULL,
    created_ms  BIGINT NOT NULL
);
