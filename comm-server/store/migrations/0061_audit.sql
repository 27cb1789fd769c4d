-- What a change replaced and what it left, JSON; null where an entry is no change of something that is kept.
ALTER TABLE audit ADD COLUMN before_json TEXT;
ALTER TABLE audit ADD COLUMN after_json TEXT;
