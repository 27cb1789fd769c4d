-- Things under contract; site is '' while nobody has assigned it.
CREATE TABLE assets (
    tenant      TEXT   NOT NULL,
    asset       TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    erp_key     TEXT   NOT NULL DEFAULT '',
    site        TEXT   NOT NULL DEFAULT '',
    notes       TEXT   NOT NULL DEFAULT '',
    version     BIGINT NOT NULL,
    created_ms  BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    retired_ms  BIGINT,
    PRIMARY KEY (tenant, asset)
);
CREATE UNIQUE INDEX assets_erp_key ON assets (tenant, erp_key) WHERE erp_key <> '';
CREATE INDEX assets_name ON assets (tenant, name, asset);
CREATE INDEX assets_site ON assets (tenant, site, name);

-- Which device stands under an asset, from a time on until before another; to_ms is null while it does.
CREATE TABLE placements (
    tenant   TEXT   NOT NULL,
    asset    TEXT   NOT NULL,
    device   TEXT   NOT NULL,
    from_ms  BIGINT NOT NULL,
    to_ms    BIGINT,
    PRIMARY KEY (tenant, asset, from_ms, device)
);
CREATE INDEX placements_device ON placements (tenant, device, from_ms);
CREATE UNIQUE INDEX placements_of_asset ON placements (tenant, asset) WHERE to_ms IS NULL;
CREATE UNIQUE INDEX placements_of_device ON placements (tenant, device) WHERE to_ms IS NULL;

-- A device that was replaced by another, and why.
CREATE TABLE swaps (
    tenant       TEXT   NOT NULL,
    swap         TEXT   NOT NULL,
    asset        TEXT   NOT NULL,
    at_ms        BIGINT NOT NULL,
    old_device   TEXT   NOT NULL,
    new_device   TEXT   NOT NULL,
    reason       TEXT   NOT NULL DEFAULT '',
    created_by   TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    is_complete  BIGINT NOT NULL,
    PRIMARY KEY (tenant, swap)
);
CREATE INDEX swaps_asset ON swaps (tenant, asset, at_ms);
CREATE INDEX swaps_incomplete ON swaps (tenant, swap) WHERE is_complete = 0;

-- The evidence of a swap: of each counter the last reading of the old device and the first one of the new. Retention keeps
-- the readings that are named here.
CREATE TABLE swap_readings (
    tenant   TEXT   NOT NULL,
    swap     TEXT   NOT NULL,
    side     TEXT   NOT NULL,
    counter  TEXT   NOT NULL,
    gateway  TEXT   NOT NULL,
    device   TEXT   NOT NULL,
    read_ms  BIGINT NOT NULL,
    value    BIGINT NOT NULL,
    oid      TEXT   NOT NULL,
    raw      BIGINT NOT NULL,
    lane     TEXT,
    seq      BIGINT,
    PRIMARY KEY (tenant, swap, side, counter)
);
CREATE INDEX swap_readings_named ON swap_readings (tenant, gateway, device, counter, read_ms);
