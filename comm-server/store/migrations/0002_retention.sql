-- When a gateway's old rows were last let go; each gateway has its turn once a day, at whichever server comes first.
ALTER TABLE gateways ADD COLUMN tidied_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX gateways_tidied ON gateways (tidied_ms);
