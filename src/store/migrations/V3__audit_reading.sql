-- What reading the audit log needs: filters that an index serves, and a way to
-- take a person's name out without breaking the chain.

ALTER TABLE audit ADD COLUMN item_key text COLLATE "C", ADD COLUMN subject_key text COLLATE "C",
                  ADD COLUMN erased boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN audit.item_key IS 'item_code folded, to be found by; not part of the hash.';
COMMENT ON COLUMN audit.subject_key IS 'subject_code folded, to be found by; not part of the hash.';
COMMENT ON COLUMN audit.erased IS 'Whether a person''s name was taken out: row_hash is that of the row before, and its text cannot be verified any more.';

ALTER TABLE audit DISABLE TRIGGER USER;
UPDATE audit SET item_key = lower(item_code), subject_key = lower(subject_code);
ALTER TABLE audit ENABLE TRIGGER USER;

CREATE INDEX audit_by_actor ON audit (tenant_id, actor, revision, part);
CREATE INDEX audit_by_item ON audit (tenant_id, item_type, item_key, revision, part);
CREATE INDEX audit_by_subject ON audit (tenant_id, subject_type, subject_key, revision, part);
CREATE INDEX audit_by_time ON audit (tenant_id, time);

CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Only erase_name says so, and only the owner may update at all.
    IF TG_OP = 'UPDATE' AND coalesce(current_setting('pim_authz.erase', true), '') <> '' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'table % is insert-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION erase_name(tenant_code text, subject text) RETURNS bigint
    LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    type   text := split_part(subject, ':', 1);
    name   text := substr(subject, length(split_part(subject, ':', 1)) + 2);
    -- Drawn, so that nobody can find the name by trying names.
    other  text := 'erased-' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 12);
    rows   bigint;
BEGIN
    -- With those of the same code that were deleted.
    IF NOT EXISTS (SELECT FROM tenant WHERE lower(code) = lower(tenant_code)) THEN
        RAISE EXCEPTION 'tenant % does not exist', tenant_code;
    END IF;
    IF name = '' OR type NOT IN ('user', 'app', 'connection') THEN
        RAISE EXCEPTION '% is no subject; write user:CODE', subject;
    END IF;
    PERFORM set_config('pim_authz.door', 'erase', true), set_config('pim_authz.erase', 'on', true);
    UPDATE audit
       SET actor = CASE WHEN lower(actor) = lower(subject) THEN type || ':' || other ELSE actor END,
           subject_code = CASE WHEN subject_type = type AND lower(subject_code) = lower(name) THEN other ELSE subject_code END,
           subject_key = CASE WHEN subject_type = type AND lower(subject_code) = lower(name) THEN other ELSE subject_key END,
           idempotency_key = CASE WHEN position(lower(name) IN lower(idempotency_key)) > 0 THEN other ELSE idempotency_key END,
           nonce = '00000000-0000-0000-0000-000000000000',
           erased = true
     WHERE tenant_id IN (SELECT id FROM tenant WHERE lower(code) = lower(tenant_code))
       AND (lower(actor) = lower(subject) OR (subject_type = type AND lower(subject_code) = lower(name)));
    GET DIAGNOSTICS rows = ROW_COUNT;
    PERFORM set_config('pim_authz.door', '', true), set_config('pim_authz.erase', '', true);
    RETURN rows;
END $$;
COMMENT ON FUNCTION erase_name(text, text) IS 'Takes a person''s name, given as user:CODE, out of the audit log of a tenant and tells from how many rows (docs/audit.md). For the owner of the schema alone.';
REVOKE EXECUTE ON FUNCTION erase_name(text, text) FROM PUBLIC;
