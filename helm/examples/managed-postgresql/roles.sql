-- The database and its logins, for psql as an administrator of the server:
--
--   psql "$ADMINISTRATOR_URL" -v owner_password=… -v server_password=… -f roles.sql
--
-- `authz_owner` migrates; servers log in as `authz_server` and run as `pim_authz_servers`, which may write facts and only append
-- to the audit log. Because this role already exists, the owner need not be able to create roles (migration.runtimeRole).
\set ON_ERROR_STOP on
CREATE ROLE authz_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE pim_authz_servers NOLOGIN;
CREATE ROLE authz_server LOGIN PASSWORD :'server_password' IN ROLE pim_authz_servers;
-- An administrator that is not a superuser, as in managed databases, may assign a database only to a role that it is a member of.
GRANT authz_owner TO CURRENT_USER;
CREATE DATABASE authz OWNER authz_owner;
REVOKE CONNECT ON DATABASE authz FROM PUBLIC;
GRANT CONNECT ON DATABASE authz TO authz_owner, pim_authz_servers;
