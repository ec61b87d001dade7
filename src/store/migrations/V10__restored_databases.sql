-- A database that was restored, or put in the place of another, is another primary
-- too, although PostgreSQL itself ran on: what servers keep of the one before must
-- not be answered.

CREATE OR REPLACE FUNCTION primary_fingerprint() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
                 ELSE (SELECT system_identifier FROM pg_control_system())::text
                      || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
                      || '/' || extract(epoch FROM pg_postmaster_start_time())::text
                      || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text
                      || '/' || 'pim_authz.head'::regclass::oid::text END $$;
COMMENT ON FUNCTION primary_fingerprint() IS 'Tells this primary from any other and from itself before a restart or a restore: system identifier, timeline, start of the postmaster, database, table.';
