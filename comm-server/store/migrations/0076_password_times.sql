-- When the password was set; null for one that was set before this was kept, or that is still to be chosen.
ALTER TABLE users ADD COLUMN password_ms BIGINT;
