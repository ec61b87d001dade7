-- What makes an installation one of its own among all that share a PostgreSQL:
-- the role that its servers work as. And what that role alone cannot do: change
-- facts past the audit log.

CREATE TABLE installation (
    id             smallint NOT NULL CONSTRAINT installation_pk PRIMARY KEY CONSTRAINT installation_single CHECK (id = 1),
    runtime_role   text,
    oldest_program integer NOT NULL
);
COMMENT ON TABLE installation IS 'This installation; one row.';
COMMENT ON COLUMN installation.id IS 'Always 1.';
COMMENT ON COLUMN installation.runtime_role IS 'The role that servers work as; empty: as whoever they log in as; null: not chosen yet.';
COMMENT ON COLUMN installation.oldest_program IS 'Programs may use this schema that know at least this version of it.';
INSERT INTO installation VALUES (1, NULL, 7);

-- A row for each tenant whose facts a transaction changed, until it commits. It
-- never outlives its transaction, so nothing is lost with it in a crash.
CREATE UNLOGGED TABLE written (
    transaction xid8 NOT NULL,
    tenant_id   integer NOT NULL,
    CONSTRAINT written_pk PRIMARY KEY (transaction, tenant_id)
) WITH (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE written IS 'Tenants whose facts the transactions that run have changed: each needs audit rows when it commits.';
COMMENT ON COLUMN written.transaction IS 'The transaction.';
COMMENT ON COLUMN written.tenant_id IS 'The tenant.';

-- Inside a function of the owner current_user is the owner: whoever has its
-- rights may change facts by hand (`pim-authz maintenance begin`).
CREATE FUNCTION is_owner() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pim_authz, pg_temp
    AS $$ SELECT pg_has_role((CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END)::name, current_user, 'USAGE') $$;
COMMENT ON FUNCTION is_owner() IS 'Whether a statement is run with the rights of the owner of the schema.';

CREATE FUNCTION mark_written() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pim_authz, pg_temp AS $$
BEGIN
    IF NOT is_owner() THEN
        INSERT INTO written (transaction, tenant_id)
        SELECT DISTINCT pg_current_xact_id(), tenant_id FROM changed
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION mark_written() IS 'Notes the tenants of rows that were added or removed.';

CREATE FUNCTION mark_rewritten() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pim_authz, pg_temp AS $$
BEGIN
    IF NOT is_owner() THEN
        INSERT INTO written (transaction, tenant_id)
        SELECT DISTINCT pg_current_xact_id(), tenant_id
          FROM (SELECT tenant_id FROM changed UNION SELECT tenant_id FROM became) AS touched
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION mark_rewritten() IS 'Notes the tenants of rows that were altered, before and after.';

CREATE FUNCTION mark_tenant_written() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pim_authz, pg_temp AS $$
BEGIN
    IF NOT is_owner() THEN
        INSERT INTO written (transaction, tenant_id)
        SELECT pg_current_xact_id(), id FROM changed
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION mark_tenant_written() IS 'The same of tenants themselves.';

CREATE FUNCTION require_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pim_authz, pg_temp AS $$
DECLARE
    at bigint := (SELECT revision FROM tenant WHERE id = NEW.tenant_id);
BEGIN
    -- The first row of a write made by this transaction, at the revision after
    -- the last one.
    IF NOT EXISTS (SELECT FROM audit
                    WHERE tenant_id = NEW.tenant_id AND revision = at AND part = 1 AND xmin = pg_current_xact_id()::xid)
       OR at > 1 AND NOT EXISTS (SELECT FROM audit WHERE tenant_id = NEW.tenant_id AND revision = at - 1 AND part = 1) THEN
        RAISE EXCEPTION 'facts of tenant number % were changed, but not written to the audit log at its next revision', NEW.tenant_id
              USING ERRCODE = 'insufficient_privilege',
                    HINT = 'change them by RPC or by `pim-authz import`; by hand only as the owner of the schema, between `pim-authz maintenance begin` and `end`';
    END IF;
    DELETE FROM written WHERE transaction = NEW.transaction AND tenant_id = NEW.tenant_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION require_audit() IS 'Refuses to commit changes of facts that are not in the audit log.';
CREATE CONSTRAINT TRIGGER written_is_audited AFTER INSERT ON written
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_audit();

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['user_group', 'role', 'role_permission', 'subject', 'subject_role', 'membership', 'item', 'channel_locale',
        'attribute', 'grid_view', 'grid_view_group', 'product', 'product_category', 'access_right', 'app', 'app_scope', 'app_selection'] LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_written()',
                       name || '_inserted', name);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_written()',
                       name || '_deleted', name);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS changed NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION mark_rewritten()',
                       name || '_updated', name);
    END LOOP;
END $$;
CREATE TRIGGER tenant_inserted AFTER INSERT ON tenant REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_tenant_written();
CREATE TRIGGER tenant_deleted AFTER DELETE ON tenant REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_tenant_written();
-- Its number never changes.
CREATE TRIGGER tenant_updated AFTER UPDATE ON tenant REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_tenant_written();
