-- The tree of a tenant: customer, site, gateway. What is edited counts its versions, so that nobody overwrites unseen.
CREATE TABLE customers (
    tenant      TEXT   NOT NULL,
    customer    TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    erp_key     TEXT   NOT NULL DEFAULT '',
    version     BIGINT NOT NULL,
    created_ms  BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, customer)
);
CREATE UNIQUE INDEX customers_name ON customers (tenant, name);
CREATE UNIQUE INDEX customers_erp_key ON customers (tenant, erp_key) WHERE erp_key <> '';

CREATE TABLE sites (
    tenant      TEXT   NOT NULL,
    site        TEXT   NOT NULL,
    customer    TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    erp_key     TEXT   NOT NULL DEFAULT '',
    address     TEXT   NOT NULL DEFAULT '',
    version     BIGINT NOT NULL,
    created_ms  BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, site)
);
CREATE UNIQUE INDEX sites_name ON sites (tenant, customer, name);
CREATE UNIQUE INDEX sites_erp_key ON sites (tenant, erp_key) WHERE erp_key <> '';

-- Never changed: an edited address is a new row, and what was sent to the old one still names it.
CREATE TABLE addresses (
    tenant       TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    street       TEXT   NOT NULL,
    postal_code  TEXT   NOT NULL,
    city         TEXT   NOT NULL,
    region       TEXT   NOT NULL,
    country      TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    PRIMARY KEY (tenant, address)
);

-- A value of a floor of the tree; node is '' for the tenant itself.
CREATE TABLE settings (
    tenant      TEXT   NOT NULL,
    level       TEXT   NOT NULL,
    node        TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    value       TEXT   NOT NULL,
    updated_ms  BIGINT NOT NULL,
    updated_by  TEXT   NOT NULL,
    PRIMARY KEY (tenant, level, node, name)
);

-- Where a gateway is; '' while nobody has assigned it. No version of this program ever wrote the two texts before.
ALTER TABLE gateways ADD COLUMN customer_id TEXT NOT NULL DEFAULT '';
ALTER TABLE gateways ADD COLUMN site_id TEXT NOT NULL DEFAULT '';
ALTER TABLE gateways DROP COLUMN customer;
ALTER TABLE gateways DROP COLUMN site;
-- The poll interval that the settings above it give; null for the server's own.
ALTER TABLE gateways ADD COLUMN poll_interval_s BIGINT;
CREATE INDEX gateways_customer ON gateways (tenant, customer_id, gateway);
CREATE INDEX gateways_site ON gateways (tenant, site_id, gateway);

-- The part of the tree that a user reaches; '' for all of it.
ALTER TABLE users ADD COLUMN scope_customer TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN scope_site TEXT NOT NULL DEFAULT '';
