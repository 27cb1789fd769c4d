-- Why a gateway can store nothing at present, as it said with its last poll; '' while it can.
ALTER TABLE gateways ADD COLUMN storage_problem TEXT NOT NULL DEFAULT '';
