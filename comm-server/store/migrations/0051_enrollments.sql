-- The spelling of RFC 7030.
ALTER TABLE enrolments RENAME TO enrollments;
