-- Readings of counters are append-only and name the report that brought them: its lane and number; the gateway they name
-- already. Null for rows from before.
ALTER TABLE counters ADD COLUMN lane TEXT;
ALTER TABLE counters ADD COLUMN seq BIGINT;
