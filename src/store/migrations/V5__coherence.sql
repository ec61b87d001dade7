-- What servers need that answer from memory: who the primary is, which write of
-- a group made which revision, and a pass for changing facts by hand.

CREATE FUNCTION primary_fingerprint() RETURNS text
    LANGUAGE sql STABLE
    AS $$ SELECT CASE WHEN pg_is_in_recovery() THEN 'standby'
                 ELSE (SELECT system_identifier FROM pg_control_system())::text
                      || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
                      || '/' || extract(epoch FROM pg_postmaster_start_time())::text END $$;
COMMENT ON FUNCTION primary_fingerprint() IS 'Tells this primary from any other and from itself before a restart: system identifier, timeline, start of the postmaster.';

ALTER TABLE lease ADD COLUMN length_ms integer NOT NULL DEFAULT 60000;
COMMENT ON COLUMN lease.length_ms IS 'How long it runs after a renewal, in milliseconds; writers wait for so long.';
ALTER TABLE head ADD COLUMN longest_lease_ms integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN head.longest_lease_ms IS 'The longest lease that there ever was, in milliseconds: what the first write of an epoch waits for.';

ALTER TABLE commit_log ADD COLUMN member integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN commit_log.member IS 'Which write of a group that was announced together.';

ALTER TABLE ack SET (fillfactor = 30, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
ALTER TABLE intent SET (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

CREATE OR REPLACE FUNCTION require_door() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    pass text := coalesce(current_setting('pim_authz.door', true), '');
BEGIN
    IF pass = '' THEN
        RAISE EXCEPTION 'table % is written by pim-authz alone', TG_TABLE_NAME
              USING ERRCODE = 'insufficient_privilege',
                    HINT = 'change it by RPC or by `pim-authz import`; by hand only between `pim-authz maintenance begin` and `end`';
    END IF;
    IF starts_with(pass, 'maintenance/') THEN
        -- Locked, so that the maintenance cannot end before this transaction.
        PERFORM FROM intent WHERE seq::text = substr(pass, 13) AND keys = ARRAY['*'] FOR KEY SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the maintenance `%` is over', pass
                  USING ERRCODE = 'insufficient_privilege',
                        HINT = 'begin another one: `pim-authz maintenance begin`';
        END IF;
    END IF;
    RETURN NULL;
END $$;
