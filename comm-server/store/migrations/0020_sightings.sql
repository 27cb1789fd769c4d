-- A device may be seen by several gateways; it counts once.
CREATE INDEX devices_by_id ON devices (tenant, device, gateway);
