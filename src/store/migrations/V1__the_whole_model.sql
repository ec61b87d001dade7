-- The whole model. Every table of a tenant's facts has a key that begins with
-- the tenant, so that tenants can be spread over databases later. Codes are
-- stored twice: `code` as first written, `key` folded (rules 1.5), compared and
-- sorted by bytes. Small numbers inside a tenant stand for codes everywhere
-- else; they are given out by counters of the tenant's row and never reused.
--
-- Facts are changed by the door for writes alone: a statement trigger refuses
-- everyone who did not announce the change first.

CREATE FUNCTION require_door() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('pim_authz.door', true), '') = '' THEN
        RAISE EXCEPTION 'table % is written by pim-authz alone', TG_TABLE_NAME
              USING ERRCODE = 'insufficient_privilege',
                    HINT = 'change it by RPC, or by `pim-authz import`';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION require_door() IS 'Refuses statements outside an announced write, which sets pim_authz.door for its transaction.';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is insert-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION refuse_change() IS 'Keeps the audit log as it was written.';

CREATE FUNCTION fold_hash(state bytea, row_hash bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT sha256(coalesce(state, ''::bytea) || coalesce(row_hash, ''::bytea)) $$;
COMMENT ON FUNCTION fold_hash(bytea, bytea) IS 'One link of the audit chain: sha256(state || row hash).';

CREATE AGGREGATE chain_hash(bytea) (SFUNC = fold_hash, STYPE = bytea, INITCOND = '');
COMMENT ON AGGREGATE chain_hash(bytea) IS 'The hash of row hashes in the order given; constant memory at any number of rows.';

CREATE TABLE tenant (
    id             integer GENERATED ALWAYS AS IDENTITY CONSTRAINT tenant_pk PRIMARY KEY,
    code           text COLLATE "C" NOT NULL,
    key            text COLLATE "C" NOT NULL CONSTRAINT tenant_key_unique UNIQUE,
    edition        text NOT NULL CONSTRAINT tenant_edition_known CHECK (edition IN ('community', 'growth', 'enterprise')),
    revision       bigint NOT NULL DEFAULT 0,
    last_id        integer NOT NULL DEFAULT 0,
    last_product_id integer NOT NULL DEFAULT 0,
    audit_hash     bytea NOT NULL DEFAULT ''
) WITH (fillfactor = 50);
COMMENT ON TABLE tenant IS 'One PIM each (rules 1.1). Its row lock puts the writes of the tenant in order.';
COMMENT ON COLUMN tenant.id IS 'Stands for the tenant in every other table; immutable.';
COMMENT ON COLUMN tenant.code IS 'The code as first written.';
COMMENT ON COLUMN tenant.key IS 'The code folded; unique.';
COMMENT ON COLUMN tenant.edition IS 'community, growth or enterprise.';
COMMENT ON COLUMN tenant.revision IS 'Count of committed writes, without gaps, in commit order.';
COMMENT ON COLUMN tenant.last_id IS 'The last number given to a group, role, subject, item, attribute or grid view.';
COMMENT ON COLUMN tenant.last_product_id IS 'The last number given to a product or model.';
COMMENT ON COLUMN tenant.audit_hash IS 'The hash of the last write, which the next one is chained to; empty before the first.';

CREATE TABLE user_group (
    tenant_id integer NOT NULL CONSTRAINT user_group_tenant REFERENCES tenant,
    id        integer NOT NULL,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    label     text NOT NULL DEFAULT '',
    private   boolean NOT NULL DEFAULT false,
    CONSTRAINT user_group_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT user_group_key_unique UNIQUE (tenant_id, key)
);
COMMENT ON TABLE user_group IS 'Groups of subjects; they hold the access rights (rules 1.3).';
COMMENT ON COLUMN user_group.tenant_id IS 'The tenant.';
COMMENT ON COLUMN user_group.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN user_group.code IS 'The code as first written; `All` is there in every tenant (rules 1.4).';
COMMENT ON COLUMN user_group.key IS 'The code folded.';
COMMENT ON COLUMN user_group.label IS 'What people call it; empty: the code.';
COMMENT ON COLUMN user_group.private IS 'Whether it is an app''s own, `app:<code>` (rules 1.4).';

CREATE TABLE role (
    tenant_id integer NOT NULL CONSTRAINT role_tenant REFERENCES tenant,
    id        integer NOT NULL,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    label     text NOT NULL DEFAULT '',
    audience  text NOT NULL CONSTRAINT role_audience_known CHECK (audience IN ('user', 'connection')),
    CONSTRAINT role_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT role_key_unique UNIQUE (tenant_id, key)
);
COMMENT ON TABLE role IS 'Sets of permissions (rules 1.3).';
COMMENT ON COLUMN role.tenant_id IS 'The tenant.';
COMMENT ON COLUMN role.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN role.code IS 'The code as first written.';
COMMENT ON COLUMN role.key IS 'The code folded.';
COMMENT ON COLUMN role.label IS 'What people call it.';
COMMENT ON COLUMN role.audience IS 'Who can hold it: user or connection (rules 2.5).';

CREATE TABLE role_permission (
    tenant_id  integer NOT NULL,
    role_id    integer NOT NULL,
    permission text COLLATE "C" NOT NULL,
    CONSTRAINT role_permission_pk PRIMARY KEY (tenant_id, role_id, permission),
    CONSTRAINT role_permission_role FOREIGN KEY (tenant_id, role_id) REFERENCES role
);
COMMENT ON TABLE role_permission IS 'What a role grants, as granted: without what it implies (rules 2.3).';
COMMENT ON COLUMN role_permission.tenant_id IS 'The tenant.';
COMMENT ON COLUMN role_permission.role_id IS 'The role.';
COMMENT ON COLUMN role_permission.permission IS 'A code of the catalogue (rules 2.1).';

CREATE TABLE subject (
    tenant_id integer NOT NULL CONSTRAINT subject_tenant REFERENCES tenant,
    id        integer NOT NULL,
    type      text COLLATE "C" NOT NULL CONSTRAINT subject_type_known CHECK (type IN ('user', 'app', 'connection')),
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    enabled   boolean NOT NULL DEFAULT true,
    CONSTRAINT subject_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT subject_key_unique UNIQUE (tenant_id, type, key)
);
COMMENT ON TABLE subject IS 'Users, connected apps and connections (rules 1.2).';
COMMENT ON COLUMN subject.tenant_id IS 'The tenant.';
COMMENT ON COLUMN subject.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN subject.type IS 'user, app or connection: three code spaces; immutable.';
COMMENT ON COLUMN subject.code IS 'The code as first written.';
COMMENT ON COLUMN subject.key IS 'The code folded.';
COMMENT ON COLUMN subject.enabled IS 'Whether it may do anything at all (rules 1.6).';

CREATE TABLE subject_role (
    tenant_id  integer NOT NULL,
    subject_id integer NOT NULL,
    role_id    integer NOT NULL,
    CONSTRAINT subject_role_pk PRIMARY KEY (tenant_id, subject_id, role_id),
    CONSTRAINT subject_role_subject FOREIGN KEY (tenant_id, subject_id) REFERENCES subject,
    CONSTRAINT subject_role_role FOREIGN KEY (tenant_id, role_id) REFERENCES role
);
CREATE INDEX subject_role_by_role ON subject_role (tenant_id, role_id, subject_id);
COMMENT ON TABLE subject_role IS 'Which roles a user or connection holds; an app holds none (rules 1.3).';
COMMENT ON COLUMN subject_role.tenant_id IS 'The tenant.';
COMMENT ON COLUMN subject_role.subject_id IS 'The holder.';
COMMENT ON COLUMN subject_role.role_id IS 'The role.';

CREATE TABLE membership (
    tenant_id  integer NOT NULL,
    subject_id integer NOT NULL,
    group_id   integer NOT NULL,
    CONSTRAINT membership_pk PRIMARY KEY (tenant_id, subject_id, group_id),
    CONSTRAINT membership_subject FOREIGN KEY (tenant_id, subject_id) REFERENCES subject,
    CONSTRAINT membership_group FOREIGN KEY (tenant_id, group_id) REFERENCES user_group
);
CREATE INDEX membership_by_group ON membership (tenant_id, group_id, subject_id);
COMMENT ON TABLE membership IS 'Which groups a subject is in; a user''s membership of `All` is a row like any other (rules 1.4).';
COMMENT ON COLUMN membership.tenant_id IS 'The tenant.';
COMMENT ON COLUMN membership.subject_id IS 'The member.';
COMMENT ON COLUMN membership.group_id IS 'The group.';

CREATE TABLE item (
    tenant_id integer NOT NULL CONSTRAINT item_tenant REFERENCES tenant,
    id        integer NOT NULL,
    type      text COLLATE "C" NOT NULL CONSTRAINT item_type_known CHECK (type IN
              ('category', 'channel', 'locale', 'attribute_group', 'asset_family', 'reference_entity', 'import_profile', 'export_profile')),
    space     text COLLATE "C" NOT NULL GENERATED ALWAYS AS
              (CASE WHEN type IN ('import_profile', 'export_profile') THEN 'profile' ELSE type END) STORED,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    parent_id integer,
    tree_id   integer,
    CONSTRAINT item_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT item_key_unique UNIQUE (tenant_id, space, key),
    CONSTRAINT item_parent FOREIGN KEY (tenant_id, parent_id) REFERENCES item,
    CONSTRAINT item_tree FOREIGN KEY (tenant_id, tree_id) REFERENCES item,
    CONSTRAINT item_parent_of_category CHECK (parent_id IS NULL OR type = 'category'),
    CONSTRAINT item_tree_of_channel CHECK (tree_id IS NULL OR type = 'channel')
);
CREATE INDEX item_by_parent ON item (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON TABLE item IS 'Everything that access rights are given on (api.md, Item).';
COMMENT ON COLUMN item.tenant_id IS 'The tenant.';
COMMENT ON COLUMN item.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN item.type IS 'What it is; immutable.';
COMMENT ON COLUMN item.space IS 'Its code space: the type, or `profile` for both kinds of profiles (rules 9).';
COMMENT ON COLUMN item.code IS 'The code as first written.';
COMMENT ON COLUMN item.key IS 'The code folded.';
COMMENT ON COLUMN item.parent_id IS 'The category above a category; null: the root of a tree.';
COMMENT ON COLUMN item.tree_id IS 'The tree of a channel; decides nothing (rules 4.5).';

CREATE TABLE channel_locale (
    tenant_id  integer NOT NULL,
    channel_id integer NOT NULL,
    locale_id  integer NOT NULL,
    CONSTRAINT channel_locale_pk PRIMARY KEY (tenant_id, channel_id, locale_id),
    CONSTRAINT channel_locale_channel FOREIGN KEY (tenant_id, channel_id) REFERENCES item,
    CONSTRAINT channel_locale_locale FOREIGN KEY (tenant_id, locale_id) REFERENCES item
);
COMMENT ON TABLE channel_locale IS 'Which locales a channel uses; decides nothing (rules 4.5).';
COMMENT ON COLUMN channel_locale.tenant_id IS 'The tenant.';
COMMENT ON COLUMN channel_locale.channel_id IS 'The channel.';
COMMENT ON COLUMN channel_locale.locale_id IS 'The locale.';

CREATE TABLE attribute (
    tenant_id   integer NOT NULL CONSTRAINT attribute_tenant REFERENCES tenant,
    id          integer NOT NULL,
    code        text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    group_id    integer NOT NULL,
    scopable    boolean NOT NULL,
    localizable boolean NOT NULL,
    CONSTRAINT attribute_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT attribute_key_unique UNIQUE (tenant_id, key),
    CONSTRAINT attribute_group FOREIGN KEY (tenant_id, group_id) REFERENCES item
);
CREATE INDEX attribute_by_group ON attribute (tenant_id, group_id);
COMMENT ON TABLE attribute IS 'Attributes of products (rules 4.4).';
COMMENT ON COLUMN attribute.tenant_id IS 'The tenant.';
COMMENT ON COLUMN attribute.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN attribute.code IS 'The code as first written.';
COMMENT ON COLUMN attribute.key IS 'The code folded.';
COMMENT ON COLUMN attribute.group_id IS 'Its attribute group, an item.';
COMMENT ON COLUMN attribute.scopable IS 'Whether its values are specific to a channel.';
COMMENT ON COLUMN attribute.localizable IS 'Whether its values are specific to a locale.';

CREATE TABLE grid_view (
    tenant_id integer NOT NULL CONSTRAINT grid_view_tenant REFERENCES tenant,
    id        integer NOT NULL,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    CONSTRAINT grid_view_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT grid_view_key_unique UNIQUE (tenant_id, key)
);
COMMENT ON TABLE grid_view IS 'Saved views of the product grid (rules 4.10).';
COMMENT ON COLUMN grid_view.tenant_id IS 'The tenant.';
COMMENT ON COLUMN grid_view.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN grid_view.code IS 'The code as first written.';
COMMENT ON COLUMN grid_view.key IS 'The code folded.';

CREATE TABLE grid_view_group (
    tenant_id    integer NOT NULL,
    grid_view_id integer NOT NULL,
    group_id     integer NOT NULL,
    CONSTRAINT grid_view_group_pk PRIMARY KEY (tenant_id, grid_view_id, group_id),
    CONSTRAINT grid_view_group_view FOREIGN KEY (tenant_id, grid_view_id) REFERENCES grid_view,
    CONSTRAINT grid_view_group_group FOREIGN KEY (tenant_id, group_id) REFERENCES item
);
COMMENT ON TABLE grid_view_group IS 'The attribute groups that a grid view uses as columns or filters.';
COMMENT ON COLUMN grid_view_group.tenant_id IS 'The tenant.';
COMMENT ON COLUMN grid_view_group.grid_view_id IS 'The view.';
COMMENT ON COLUMN grid_view_group.group_id IS 'The attribute group, an item.';

CREATE TABLE product (
    tenant_id integer NOT NULL,
    id        integer NOT NULL,
    parent_id integer,
    model     boolean NOT NULL,
    code      text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    CONSTRAINT product_pk PRIMARY KEY (tenant_id, id),
    CONSTRAINT product_key_unique UNIQUE (tenant_id, model, key)
);
CREATE INDEX product_by_parent ON product (tenant_id, parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON TABLE product IS 'Products and product models. Without foreign keys: at 10 million rows their triggers cost more than the rows, and the door for writes checks every reference.';
COMMENT ON COLUMN product.tenant_id IS 'The tenant.';
COMMENT ON COLUMN product.id IS 'Its number inside the tenant; immutable.';
COMMENT ON COLUMN product.parent_id IS 'The model above it, a product of this table; at most two levels of models.';
COMMENT ON COLUMN product.model IS 'Whether it is a product model; models have a code space of their own (rules 1.5); immutable.';
COMMENT ON COLUMN product.code IS 'The code as first written.';
COMMENT ON COLUMN product.key IS 'The code folded.';

CREATE TABLE product_category (
    tenant_id   integer NOT NULL,
    product_id  integer NOT NULL,
    category_id integer NOT NULL,
    CONSTRAINT product_category_pk PRIMARY KEY (tenant_id, product_id, category_id)
);
CREATE INDEX product_category_by_category ON product_category (tenant_id, category_id, product_id);
COMMENT ON TABLE product_category IS 'The categories of a product''s or model''s own; those of its ancestors count too (rules 4.2). Without foreign keys, as product.';
COMMENT ON COLUMN product_category.tenant_id IS 'The tenant.';
COMMENT ON COLUMN product_category.product_id IS 'The product or model.';
COMMENT ON COLUMN product_category.category_id IS 'The category, an item.';

CREATE TABLE access_right (
    tenant_id integer NOT NULL,
    group_id  integer NOT NULL,
    item_id   integer NOT NULL,
    level     smallint NOT NULL CONSTRAINT access_right_level_known CHECK (level IN (1, 3, 7, 8, 11)),
    CONSTRAINT access_right_pk PRIMARY KEY (tenant_id, group_id, item_id) INCLUDE (level),
    CONSTRAINT access_right_group FOREIGN KEY (tenant_id, group_id) REFERENCES user_group,
    CONSTRAINT access_right_item FOREIGN KEY (tenant_id, item_id) REFERENCES item
);
CREATE INDEX access_right_by_item ON access_right (tenant_id, item_id, group_id) INCLUDE (level);
COMMENT ON TABLE access_right IS 'What a user group may do with an item (rules 3.1); no row: nothing.';
COMMENT ON COLUMN access_right.tenant_id IS 'The tenant.';
COMMENT ON COLUMN access_right.group_id IS 'The user group.';
COMMENT ON COLUMN access_right.item_id IS 'The item.';
COMMENT ON COLUMN access_right.level IS 'Abilities as bits, so that the most permissive is their union: view 1, edit 3, own 7; profiles: execute 8, edit 3, both 11.';

CREATE TABLE app (
    tenant_id      integer NOT NULL,
    subject_id     integer NOT NULL,
    group_id       integer NOT NULL,
    connected_by   text NOT NULL DEFAULT '',
    connected_at   timestamptz NOT NULL DEFAULT now(),
    later_channels boolean NOT NULL DEFAULT true,
    CONSTRAINT app_pk PRIMARY KEY (tenant_id, subject_id),
    CONSTRAINT app_subject FOREIGN KEY (tenant_id, subject_id) REFERENCES subject,
    CONSTRAINT app_group FOREIGN KEY (tenant_id, group_id) REFERENCES user_group
);
COMMENT ON TABLE app IS 'Connected apps (rules 5).';
COMMENT ON COLUMN app.tenant_id IS 'The tenant.';
COMMENT ON COLUMN app.subject_id IS 'The app as a subject.';
COMMENT ON COLUMN app.group_id IS 'Its private group, `app:<code>`.';
COMMENT ON COLUMN app.connected_by IS 'The user who connected it, as `user:julia`; empty: not known.';
COMMENT ON COLUMN app.connected_at IS 'When it was connected.';
COMMENT ON COLUMN app.later_channels IS 'Whether it gets `edit` on channels made later (rules 5.7).';

CREATE TABLE app_scope (
    tenant_id  integer NOT NULL,
    subject_id integer NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    CONSTRAINT app_scope_pk PRIMARY KEY (tenant_id, subject_id, scope),
    CONSTRAINT app_scope_app FOREIGN KEY (tenant_id, subject_id) REFERENCES app
);
COMMENT ON TABLE app_scope IS 'The scopes granted to an app, as granted (rules 5.3).';
COMMENT ON COLUMN app_scope.tenant_id IS 'The tenant.';
COMMENT ON COLUMN app_scope.subject_id IS 'The app.';
COMMENT ON COLUMN app_scope.scope IS 'A scope of the catalogue.';

CREATE TABLE app_selection (
    tenant_id  integer NOT NULL,
    subject_id integer NOT NULL,
    axis       text COLLATE "C" NOT NULL CONSTRAINT app_selection_axis_known CHECK (axis IN ('tree', 'locale', 'attribute_group')),
    level      smallint NOT NULL CONSTRAINT app_selection_level_known CHECK (level IN (1, 3, 7)),
    item_id    integer,
    CONSTRAINT app_selection_unique UNIQUE (tenant_id, subject_id, axis, level, item_id),
    CONSTRAINT app_selection_app FOREIGN KEY (tenant_id, subject_id) REFERENCES app,
    CONSTRAINT app_selection_item FOREIGN KEY (tenant_id, item_id) REFERENCES item
);
COMMENT ON TABLE app_selection IS 'What was chosen in the permissions step (rules 5.6).';
COMMENT ON COLUMN app_selection.tenant_id IS 'The tenant.';
COMMENT ON COLUMN app_selection.subject_id IS 'The app.';
COMMENT ON COLUMN app_selection.axis IS 'tree, locale or attribute_group.';
COMMENT ON COLUMN app_selection.level IS 'The level chosen, as in access_right.';
COMMENT ON COLUMN app_selection.item_id IS 'The tree''s root, locale or group; null: `all`, later ones included.';

CREATE TABLE app_request (
    tenant_id  integer NOT NULL CONSTRAINT app_request_tenant REFERENCES tenant,
    id         uuid NOT NULL,
    app_code   text COLLATE "C" NOT NULL,
    actor      text NOT NULL,
    state      jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT app_request_pk PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE app_request IS 'Connections of apps that are under way (rules 5.1).';
COMMENT ON COLUMN app_request.tenant_id IS 'The tenant.';
COMMENT ON COLUMN app_request.id IS 'The request.';
COMMENT ON COLUMN app_request.app_code IS 'The app that is to be connected.';
COMMENT ON COLUMN app_request.actor IS 'The user who connects it.';
COMMENT ON COLUMN app_request.state IS 'The steps done and what was chosen.';
COMMENT ON COLUMN app_request.expires_at IS 'From then on it does not exist.';

CREATE TABLE audit (
    tenant_id       integer NOT NULL,
    revision        bigint NOT NULL,
    part            integer NOT NULL,
    last            boolean NOT NULL,
    time            timestamptz NOT NULL DEFAULT transaction_timestamp(),
    actor           text NOT NULL,
    request_id      text NOT NULL,
    idempotency_key text NOT NULL,
    kind            text NOT NULL,
    item_type       text COLLATE "C",
    item_code       text COLLATE "C",
    subject_type    text COLLATE "C",
    subject_code    text COLLATE "C",
    before          text,
    after           text,
    nonce           uuid NOT NULL,
    row_hash        bytea NOT NULL,
    hash            bytea,
    CONSTRAINT audit_pk PRIMARY KEY (tenant_id, revision, part)
);
COMMENT ON TABLE audit IS 'What changed, a row each, written in the transaction of the change; insert-only.';
COMMENT ON COLUMN audit.tenant_id IS 'The tenant.';
COMMENT ON COLUMN audit.revision IS 'The tenant''s revision that the write made.';
COMMENT ON COLUMN audit.part IS 'The place of the row in its write, from 1.';
COMMENT ON COLUMN audit.last IS 'Whether it is the last row of its write.';
COMMENT ON COLUMN audit.time IS 'When the write was made, by the database''s clock.';
COMMENT ON COLUMN audit.actor IS 'Who asked, as `user:julia`.';
COMMENT ON COLUMN audit.request_id IS 'The request that asked.';
COMMENT ON COLUMN audit.idempotency_key IS 'The key of the request; empty: none.';
COMMENT ON COLUMN audit.kind IS 'What was done: `product.created`, `access_right.changed` …';
COMMENT ON COLUMN audit.item_type IS 'What it was done to, unless a subject.';
COMMENT ON COLUMN audit.item_code IS 'Its code.';
COMMENT ON COLUMN audit.subject_type IS 'The subject it was done to.';
COMMENT ON COLUMN audit.subject_code IS 'Its code.';
COMMENT ON COLUMN audit.before IS 'JSON of the state before; null: it was not there.';
COMMENT ON COLUMN audit.after IS 'JSON of the state after; null: it is gone.';
COMMENT ON COLUMN audit.nonce IS 'Random, part of row_hash, so that an erased name cannot be guessed from it.';
COMMENT ON COLUMN audit.row_hash IS 'What audit_row_hash gives for the row.';
COMMENT ON COLUMN audit.hash IS 'On the last row: sha256(hash of the write before || chain_hash of the row hashes).';

CREATE FUNCTION audit_row_hash(revision bigint, part integer, "time" timestamptz, actor text, request_id text, idempotency_key text, kind text,
    item_type text, item_code text, subject_type text, subject_code text, before text, after text, nonce uuid) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT sha256(convert_to(jsonb_build_array(revision, part, extract(epoch FROM "time"), actor, request_id, idempotency_key, kind,
                 item_type, item_code, subject_type, subject_code, before, after, nonce)::text, 'UTF8')) $$;
COMMENT ON FUNCTION audit_row_hash(bigint, integer, timestamptz, text, text, text, text, text, text, text, text, text, text, uuid)
    IS 'The hash of one audit row: sha256 of the UTF-8 text of a JSON array of its columns, in this order, the time as seconds since 1970.';

CREATE TABLE idempotency (
    tenant_id    integer NOT NULL CONSTRAINT idempotency_tenant REFERENCES tenant,
    key          text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    answer       bytea NOT NULL,
    revision     bigint NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT transaction_timestamp(),
    CONSTRAINT idempotency_pk PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
COMMENT ON TABLE idempotency IS 'The answers of writes that had a key, kept for 24 hours or more.';
COMMENT ON COLUMN idempotency.tenant_id IS 'The tenant.';
COMMENT ON COLUMN idempotency.key IS 'The caller''s key; at most 128 bytes.';
COMMENT ON COLUMN idempotency.request_hash IS 'sha256 of the request, to tell a retry from another request.';
COMMENT ON COLUMN idempotency.answer IS 'The answer, an encoded message of the contract.';
COMMENT ON COLUMN idempotency.revision IS 'The revision that the write made.';
COMMENT ON COLUMN idempotency.created_at IS 'When the write was made.';

CREATE TABLE head (
    id          smallint NOT NULL CONSTRAINT head_pk PRIMARY KEY CONSTRAINT head_single CHECK (id = 1),
    seq         bigint NOT NULL,
    epoch       bigint NOT NULL,
    fingerprint text NOT NULL,
    armed       boolean NOT NULL,
    log_floor   bigint NOT NULL
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE head IS 'The place of the coherence protocol; one row.';
COMMENT ON COLUMN head.id IS 'Always 1.';
COMMENT ON COLUMN head.seq IS 'The last number given to an announcement.';
COMMENT ON COLUMN head.epoch IS 'Counts the changes of primary.';
COMMENT ON COLUMN head.fingerprint IS 'The primary that the epoch is of; empty before the first lease.';
COMMENT ON COLUMN head.armed IS 'Whether a full waiting time has passed in this epoch.';
COMMENT ON COLUMN head.log_floor IS 'Announcements up to here are gone from the log.';
INSERT INTO head VALUES (1, 0, 0, '', false, 0);

CREATE TABLE invalidation (
    seq  bigint NOT NULL CONSTRAINT invalidation_pk PRIMARY KEY,
    keys text[] NOT NULL
);
COMMENT ON TABLE invalidation IS 'Announced changes, append-only.';
COMMENT ON COLUMN invalidation.seq IS 'The number of the announcement.';
COMMENT ON COLUMN invalidation.keys IS 'What may change: `tenant/5`, `tenant/5/products` …';

CREATE TABLE intent (
    seq    bigint NOT NULL,
    member integer NOT NULL,
    keys   text[] NOT NULL,
    writer uuid NOT NULL,
    beat   bigint NOT NULL DEFAULT 0,
    CONSTRAINT intent_pk PRIMARY KEY (seq, member)
) WITH (fillfactor = 50);
COMMENT ON TABLE intent IS 'Announced changes that are not committed yet; whoever deletes one keeps it from committing.';
COMMENT ON COLUMN intent.seq IS 'The number of the announcement.';
COMMENT ON COLUMN intent.member IS 'Which write of a group that was announced together.';
COMMENT ON COLUMN intent.keys IS 'What this write may change.';
COMMENT ON COLUMN intent.writer IS 'The server that writes.';
COMMENT ON COLUMN intent.beat IS 'Raised by the writer while it lives.';

CREATE TABLE lease (
    id       uuid NOT NULL CONSTRAINT lease_pk PRIMARY KEY,
    renew_no bigint NOT NULL
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE lease IS 'Servers that may answer from memory.';
COMMENT ON COLUMN lease.id IS 'The server''s number, new at each start.';
COMMENT ON COLUMN lease.renew_no IS 'Counts its renewals.';

CREATE TABLE ack (
    id    uuid NOT NULL CONSTRAINT ack_pk PRIMARY KEY,
    acked bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE ack IS 'How far each server has applied the announcements.';
COMMENT ON COLUMN ack.id IS 'The server''s lease.';
COMMENT ON COLUMN ack.acked IS 'The last announcement that it has applied.';

CREATE TABLE commit_log (
    n         bigint NOT NULL,
    tenant_id integer NOT NULL,
    revision  bigint NOT NULL,
    CONSTRAINT commit_log_pk PRIMARY KEY (n, tenant_id, revision)
);
COMMENT ON TABLE commit_log IS 'Which revisions each announcement made; servers learn them from here.';
COMMENT ON COLUMN commit_log.n IS 'The number of the announcement.';
COMMENT ON COLUMN commit_log.tenant_id IS 'The tenant.';
COMMENT ON COLUMN commit_log.revision IS 'The tenant''s revision that was committed.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenant', 'user_group', 'role', 'role_permission', 'subject', 'subject_role', 'membership', 'item',
        'channel_locale', 'attribute', 'grid_view', 'grid_view_group', 'product', 'product_category', 'access_right', 'app',
        'app_scope', 'app_selection', 'app_request', 'audit', 'idempotency', 'commit_log'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION require_door()',
                       name || '_door', name);
    END LOOP;
END $$;
CREATE TRIGGER audit_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
