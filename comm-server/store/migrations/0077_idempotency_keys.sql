-- Keys of repeated requests (Idempotency-Key) with their answers; status is null while the first request runs. Rows live 24 hours.
CREATE TABLE idempotency_keys (
    tenant       TEXT   NOT NULL,
    caller       TEXT   NOT NULL,
    key_text     TEXT   NOT NULL,
    fingerprint  TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    status       BIGINT,
    headers      TEXT   NOT NULL DEFAULT '',
    body         TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, caller, key_text)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_ms);
