-- PostgreSQL parsed and planned the functions that a small write calls anew for each
-- call: a function in SQL that is not inlined keeps no plan. They return what they
-- returned.

-- Inlined into the functions that call it, which run as the owner: inside them
-- current_user is the owner.
CREATE OR REPLACE FUNCTION is_owner() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT pg_has_role((CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END)::name, current_user, 'USAGE') $$;
COMMENT ON FUNCTION is_owner() IS 'Called by a function that runs as the owner of the schema: whether the statement is run with the owner''s rights.';

CREATE OR REPLACE FUNCTION primary_fingerprint() RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$ BEGIN
        IF pg_is_in_recovery() THEN
            RETURN 'standby';
        END IF;
        RETURN (SELECT system_identifier FROM pg_control_system())::text
               || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
               || '/' || extract(epoch FROM pg_postmaster_start_time())::text
               || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text
               || '/' || 'pim_authz.head'::regclass::oid::text;
    END $$;

CREATE OR REPLACE FUNCTION require_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pim_authz, pg_temp AS $$
BEGIN
    -- The first row of a write made by this transaction, at the revision after
    -- the last one.
    PERFORM FROM tenant AS t JOIN audit AS a ON a.tenant_id = t.id AND a.revision = t.revision AND a.part = 1
      WHERE t.id = NEW.tenant_id
        AND a.xmin = pg_current_xact_id()::xid
        AND (t.revision <= 1 OR EXISTS (SELECT FROM audit AS before
                                         WHERE before.tenant_id = t.id AND before.revision = t.revision - 1 AND before.part = 1));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'facts of tenant number % were changed, but not written to the audit log at its next revision', NEW.tenant_id
              USING ERRCODE = 'insufficient_privilege',
                    HINT = 'change them by RPC or by `pim-authz import`; by hand only as the owner of the schema, between `pim-authz maintenance begin` and `end`';
    END IF;
    DELETE FROM written WHERE transaction = NEW.transaction AND tenant_id = NEW.tenant_id;
    RETURN NULL;
END $$;
