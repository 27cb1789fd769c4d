-- Tenants (dealers) that a provider keeps: since when one is disabled (null while it isn't), and the version of its row.
ALTER TABLE tenants ADD COLUMN disabled_ms BIGINT;
ALTER TABLE tenants ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX tenants_name ON tenants (name);

-- A gateway is known by its certificate, and a person by the login name, before anybody knows the tenant: both are
-- unique over the whole server. So is the token of an invitation.
CREATE UNIQUE INDEX gateways_id ON gateways (gateway);
CREATE UNIQUE INDEX users_login ON users (name);
CREATE UNIQUE INDEX invitations_hash ON invitations (token_hash);
