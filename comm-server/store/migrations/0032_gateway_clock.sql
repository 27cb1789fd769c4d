-- How far the gateway's clock was ahead of the server's at its last poll, seconds; 0 within the tolerance.
ALTER TABLE gateways ADD COLUMN clock_ahead_s BIGINT NOT NULL DEFAULT 0;
