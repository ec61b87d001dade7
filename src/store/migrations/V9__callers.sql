-- Who may call: callers, what they may do, and their credentials. They belong to
-- the installation. A row of table `tenant` stands for it, with a code that no
-- request can name, so that their writes have a revision and an audit log like
-- those of a tenant.

SELECT set_config('pim_authz.door', 'migration', true);
INSERT INTO tenant (id, code, key, edition) OVERRIDING SYSTEM VALUE VALUES (-1, '', '', 'community');
COMMENT ON TABLE tenant IS 'One PIM each (rules 1.1). Its row lock puts the writes of the tenant in order. The row with the empty code is no tenant: it stands for the installation, which callers belong to.';

CREATE TABLE caller (
    tenant_id   integer NOT NULL CONSTRAINT caller_tenant REFERENCES tenant,
    id          integer NOT NULL,
    name        text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    all_tenants boolean NOT NULL,
    rights      text[] NOT NULL CONSTRAINT caller_rights_known CHECK (rights <@ ARRAY['check', 'list', 'administer', 'audit', 'operate']),
    CONSTRAINT caller_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT caller_name_unique UNIQUE (tenant_id, key)
);
COMMENT ON TABLE caller IS 'Who may call this service (docs/callers.md).';
COMMENT ON COLUMN caller.tenant_id IS 'The row of table tenant that stands for the installation.';
COMMENT ON COLUMN caller.id IS 'Its number; immutable.';
COMMENT ON COLUMN caller.name IS 'The name as first written.';
COMMENT ON COLUMN caller.key IS 'The name folded.';
COMMENT ON COLUMN caller.all_tenants IS 'Whether it may name every tenant, later ones included.';
COMMENT ON COLUMN caller.rights IS 'What it may call: check, list, administer, audit, operate.';

CREATE TABLE caller_tenant (
    tenant_id integer NOT NULL,
    caller_id integer NOT NULL,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    CONSTRAINT caller_tenant_pk PRIMARY KEY (tenant_id, caller_id, key),
    CONSTRAINT caller_tenant_caller FOREIGN KEY (tenant_id, caller_id) REFERENCES caller
);
COMMENT ON TABLE caller_tenant IS 'The tenants that a caller may name; they need not exist.';
COMMENT ON COLUMN caller_tenant.tenant_id IS 'The row of table tenant that stands for the installation.';
COMMENT ON COLUMN caller_tenant.caller_id IS 'The caller.';
COMMENT ON COLUMN caller_tenant.code IS 'The code of the tenant as it was written.';
COMMENT ON COLUMN caller_tenant.key IS 'The code folded.';

CREATE TABLE caller_subject_alternative_name (
    tenant_id integer NOT NULL,
    caller_id integer NOT NULL,
    name      text COLLATE "C" NOT NULL,
    CONSTRAINT caller_subject_alternative_name_pk PRIMARY KEY (tenant_id, name),
    CONSTRAINT caller_subject_alternative_name_caller FOREIGN KEY (tenant_id, caller_id) REFERENCES caller
);
CREATE INDEX caller_subject_alternative_name_by_caller ON caller_subject_alternative_name (tenant_id, caller_id);
COMMENT ON TABLE caller_subject_alternative_name IS 'The subject alternative names of client certificates that a caller is recognized by; one caller each.';
COMMENT ON COLUMN caller_subject_alternative_name.tenant_id IS 'The row of table tenant that stands for the installation.';
COMMENT ON COLUMN caller_subject_alternative_name.caller_id IS 'The caller.';
COMMENT ON COLUMN caller_subject_alternative_name.name IS 'The name, compared exactly.';

CREATE TABLE caller_oidc_identity (
    tenant_id integer NOT NULL,
    caller_id integer NOT NULL,
    issuer    text COLLATE "C" NOT NULL,
    subject   text COLLATE "C" NOT NULL,
    CONSTRAINT caller_oidc_identity_pk PRIMARY KEY (tenant_id, issuer, subject),
    CONSTRAINT caller_oidc_identity_caller FOREIGN KEY (tenant_id, caller_id) REFERENCES caller
);
CREATE INDEX caller_oidc_identity_by_caller ON caller_oidc_identity (tenant_id, caller_id);
COMMENT ON TABLE caller_oidc_identity IS 'The identities of OIDC tokens that a caller is recognized by; one caller each.';
COMMENT ON COLUMN caller_oidc_identity.tenant_id IS 'The row of table tenant that stands for the installation.';
COMMENT ON COLUMN caller_oidc_identity.caller_id IS 'The caller.';
COMMENT ON COLUMN caller_oidc_identity.issuer IS 'The claim iss, compared exactly.';
COMMENT ON COLUMN caller_oidc_identity.subject IS 'The claim sub, compared exactly.';

CREATE TABLE caller_key (
    tenant_id  integer NOT NULL,
    id         text COLLATE "C" NOT NULL,
    caller_id  integer NOT NULL,
    hash       bytea NOT NULL CONSTRAINT caller_key_hash_whole CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT transaction_timestamp(),
    expires_at timestamptz,
    CONSTRAINT caller_key_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT caller_key_caller FOREIGN KEY (tenant_id, caller_id) REFERENCES caller
);
CREATE INDEX caller_key_by_caller ON caller_key (tenant_id, caller_id);
COMMENT ON TABLE caller_key IS 'The keys of callers, without their secrets.';
COMMENT ON COLUMN caller_key.tenant_id IS 'The row of table tenant that stands for the installation.';
COMMENT ON COLUMN caller_key.id IS 'The second part of the key, pimauthz_ID_SECRET; immutable.';
COMMENT ON COLUMN caller_key.caller_id IS 'The caller; immutable.';
COMMENT ON COLUMN caller_key.hash IS 'sha256 of the third part, 256 random bits and a checksum.';
COMMENT ON COLUMN caller_key.created_at IS 'When it was created.';
COMMENT ON COLUMN caller_key.expires_at IS 'From when on it is refused; null: it does not expire.';

ALTER TABLE audit ADD COLUMN caller text NOT NULL DEFAULT '';
COMMENT ON COLUMN audit.caller IS 'The caller whose credentials the write came with; empty: it came without. Part of row_hash.';

CREATE FUNCTION audit_row_hash(revision bigint, part integer, "time" timestamptz, actor text, request_id text, idempotency_key text, kind text,
    item_type text, item_code text, subject_type text, subject_code text, before text, after text, nonce uuid, caller text) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT sha256(convert_to((jsonb_build_array(revision, part, extract(epoch FROM "time"), actor, request_id, idempotency_key, kind,
                 item_type, item_code, subject_type, subject_code, before, after, nonce)
                 || CASE WHEN caller = '' THEN '[]'::jsonb ELSE jsonb_build_array(2, caller) END)::text, 'UTF8')) $$;
COMMENT ON FUNCTION audit_row_hash(bigint, integer, timestamptz, text, text, text, text, text, text, text, text, text, text, uuid, text)
    IS 'The hash of one audit row. Version 2, of a row with a caller: as version 1, the function of fourteen arguments, with the number 2 and the caller at the end of the array. A row without one has the hash of version 1.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['caller', 'caller_tenant', 'caller_subject_alternative_name', 'caller_oidc_identity', 'caller_key'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION require_door()',
                       name || '_door', name);
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %I REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_written()',
                       name || '_inserted', name);
        EXECUTE format('CREATE TRIGGER %I AFTER DELETE ON %I REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION mark_written()',
                       name || '_deleted', name);
        EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %I REFERENCING OLD TABLE AS changed NEW TABLE AS became FOR EACH STATEMENT EXECUTE FUNCTION mark_rewritten()',
                       name || '_updated', name);
    END LOOP;
END $$;
