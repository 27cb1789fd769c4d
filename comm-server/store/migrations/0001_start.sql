-- One set of SQL for SQLite and PostgreSQL. Every primary key begins with the tenant; no table-wide sequences.
-- Times are milliseconds since 1970-01-01T00:00:00Z; documents are JSON in TEXT; flags are 0 or 1.

CREATE TABLE tenants (
    tenant       TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL
);

CREATE TABLE gateways (
    tenant            TEXT   NOT NULL,
    gateway           TEXT   NOT NULL,
    customer          TEXT   NOT NULL DEFAULT '',
    site              TEXT   NOT NULL DEFAULT '',
    version           TEXT   NOT NULL DEFAULT '',
    spool             TEXT   NOT NULL DEFAULT '',
    devices           BIGINT NOT NULL DEFAULT 0,
    devices_offline   BIGINT NOT NULL DEFAULT 0,
    uptime_s          BIGINT NOT NULL DEFAULT 0,
    first_seen_ms     BIGINT NOT NULL,
    last_poll_ms      BIGINT,
    next_poll_s       BIGINT NOT NULL,
    meters_due_ms     BIGINT,
    PRIMARY KEY (tenant, gateway)
);
CREATE INDEX gateways_meters_due ON gateways (meters_due_ms);

CREATE TABLE lanes (
    tenant        TEXT   NOT NULL,
    gateway       TEXT   NOT NULL,
    lane          TEXT   NOT NULL,
    acknowledged  BIGINT NOT NULL,
    made          BIGINT NOT NULL,
    PRIMARY KEY (tenant, gateway, lane)
);

-- Every report as it was accepted: what proves that nothing is missing.
CREATE TABLE reports (
    tenant       TEXT   NOT NULL,
    gateway      TEXT   NOT NULL,
    lane         TEXT   NOT NULL,
    seq          BIGINT NOT NULL,
    at_ms        BIGINT NOT NULL,
    received_ms  BIGINT NOT NULL,
    kind         TEXT   NOT NULL,
    device       TEXT,
    body         TEXT   NOT NULL,
    PRIMARY KEY (tenant, gateway, lane, seq)
);
CREATE INDEX reports_received ON reports (received_ms);

CREATE TABLE quarantine (
    tenant       TEXT   NOT NULL,
    gateway      TEXT   NOT NULL,
    lane         TEXT   NOT NULL,
    seq          BIGINT NOT NULL,
    received_ms  BIGINT NOT NULL,
    reason       TEXT   NOT NULL,
    body         TEXT   NOT NULL,
    PRIMARY KEY (tenant, gateway, lane, seq)
);

CREATE TABLE devices (
    tenant         TEXT   NOT NULL,
    gateway        TEXT   NOT NULL,
    device         TEXT   NOT NULL,
    vendor         TEXT   NOT NULL DEFAULT '',
    model          TEXT   NOT NULL DEFAULT '',
    serial         TEXT   NOT NULL DEFAULT '',
    name           TEXT   NOT NULL DEFAULT '',
    mac            TEXT   NOT NULL DEFAULT '',
    address        TEXT   NOT NULL DEFAULT '',
    firmware       TEXT   NOT NULL DEFAULT '',
    offline        BIGINT NOT NULL DEFAULT 0,
    reading        TEXT,
    read_ms        BIGINT,
    total          BIGINT,
    total_ms       BIGINT,
    first_seen_ms  BIGINT NOT NULL,
    PRIMARY KEY (tenant, gateway, device)
);
CREATE INDEX devices_model ON devices (tenant, vendor, model);

CREATE TABLE counters (
    tenant   TEXT   NOT NULL,
    gateway  TEXT   NOT NULL,
    device   TEXT   NOT NULL,
    counter  TEXT   NOT NULL,
    read_ms  BIGINT NOT NULL,
    value    BIGINT NOT NULL,
    oid      TEXT   NOT NULL,
    raw      BIGINT NOT NULL,
    unit     TEXT   NOT NULL DEFAULT '',
    PRIMARY KEY (tenant, gateway, device, counter, read_ms)
);

-- A call is known by the report that raised it.
CREATE TABLE calls (
    tenant        TEXT   NOT NULL,
    gateway       TEXT   NOT NULL,
    raised_lane   TEXT   NOT NULL,
    raised_seq    BIGINT NOT NULL,
    device        TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    subject       TEXT   NOT NULL,
    detail        TEXT   NOT NULL,
    raised_ms     BIGINT NOT NULL,
    received_ms   BIGINT NOT NULL,
    is_open       BIGINT NOT NULL,
    cleared_lane  TEXT,
    cleared_seq   BIGINT,
    cleared_ms    BIGINT,
    cleared_detail TEXT,
    PRIMARY KEY (tenant, gateway, raised_lane, raised_seq)
);
CREATE INDEX calls_open ON calls (tenant, is_open, raised_ms);
CREATE INDEX calls_open_of_gateway ON calls (tenant, gateway, is_open, kind);
CREATE INDEX calls_device ON calls (tenant, gateway, device, raised_ms);

CREATE TABLE commands (
    tenant        TEXT   NOT NULL,
    gateway       TEXT   NOT NULL,
    command       TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    rollout       TEXT,
    created_by    TEXT   NOT NULL,
    created_ms    BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    state         TEXT   NOT NULL,
    delivered_ms  BIGINT,
    answered_ms   BIGINT,
    detail        TEXT   NOT NULL DEFAULT '',
    result        TEXT,
    PRIMARY KEY (tenant, gateway, command)
);
CREATE INDEX commands_state ON commands (tenant, gateway, state, created_ms);
CREATE INDEX commands_expiry ON commands (state, expires_ms);
CREATE INDEX commands_rollout ON commands (tenant, rollout);

CREATE TABLE rollouts (
    tenant         TEXT   NOT NULL,
    rollout        TEXT   NOT NULL,
    vendor         TEXT   NOT NULL,
    model          TEXT   NOT NULL,
    version        TEXT   NOT NULL,
    target         TEXT   NOT NULL,
    not_before_ms  BIGINT NOT NULL,
    created_by     TEXT   NOT NULL,
    created_ms     BIGINT NOT NULL,
    state          TEXT   NOT NULL,
    PRIMARY KEY (tenant, rollout)
);

-- A row for each device; the row with an empty device is the gateway's staging.
CREATE TABLE rollout_devices (
    tenant          TEXT   NOT NULL,
    rollout         TEXT   NOT NULL,
    gateway         TEXT   NOT NULL,
    device          TEXT   NOT NULL,
    step            TEXT   NOT NULL,
    detail          TEXT   NOT NULL DEFAULT '',
    version_before  TEXT   NOT NULL DEFAULT '',
    version_now     TEXT   NOT NULL DEFAULT '',
    updated_ms      BIGINT NOT NULL,
    PRIMARY KEY (tenant, rollout, gateway, device)
);

CREATE TABLE users (
    tenant           TEXT   NOT NULL,
    name             TEXT   NOT NULL,
    role             TEXT   NOT NULL,
    password_hash    TEXT   NOT NULL,
    must_change      BIGINT NOT NULL,
    failures         BIGINT NOT NULL DEFAULT 0,
    locked_until_ms  BIGINT,
    created_ms       BIGINT NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE sessions (
    token_hash  TEXT   NOT NULL PRIMARY KEY,
    tenant      TEXT   NOT NULL,
    user_name   TEXT   NOT NULL,
    csrf        TEXT   NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL
);

CREATE TABLE audit (
    tenant  TEXT   NOT NULL,
    entry   TEXT   NOT NULL,
    at_ms   BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    what    TEXT   NOT NULL,
    detail  TEXT   NOT NULL,
    PRIMARY KEY (tenant, entry)
);
