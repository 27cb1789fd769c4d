-- When a row changed last, by the server's clock: other systems read what is new.
ALTER TABLE devices ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
UPDATE devices SET updated_ms = COALESCE(read_ms, first_seen_ms);
ALTER TABLE calls ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
UPDATE calls SET updated_ms = CASE WHEN cleared_ms > received_ms THEN cleared_ms ELSE received_ms END;
CREATE INDEX calls_updated ON calls (tenant, updated_ms);
