-- Old entries are let go by their time.
CREATE INDEX audit_by_time ON audit (at_ms);
