-- Since when the gateway's spool has the life that it has: what was open before may be gone without its end being told.
ALTER TABLE gateways ADD COLUMN spool_since_ms BIGINT NOT NULL DEFAULT 0;
