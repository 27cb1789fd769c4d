-- When somebody last changed something through a session: until a replica surely has it, that session reads the primary.
ALTER TABLE sessions ADD COLUMN changed_ms BIGINT NOT NULL DEFAULT 0;
