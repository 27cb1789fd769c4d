-- Why a device waits (a name of the wire's WaitReason) and what its panel shows; '' where nothing was reported.
ALTER TABLE rollout_devices ADD COLUMN waiting_for TEXT NOT NULL DEFAULT '';
ALTER TABLE rollout_devices ADD COLUMN panel TEXT NOT NULL DEFAULT '';
-- 1 while a step only follows from the end of the gateway's command or staging: the device's own report replaces it.
ALTER TABLE rollout_devices ADD COLUMN presumed BIGINT NOT NULL DEFAULT 0;
-- The roll-out whose failed devices are ordered again.
ALTER TABLE rollouts ADD COLUMN retry_of TEXT;
CREATE INDEX rollouts_state ON rollouts (tenant, state);
