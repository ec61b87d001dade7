-- compare_entities_with_log
WITH stored (type, key, code, words) AS (
    SELECT 'tenant', key, code, jsonb_build_object('edition', edition)
      FROM tenant WHERE id = $1
     UNION ALL
    SELECT 'user_group', key, code, jsonb_build_object('label', label, 'private', private)
      FROM user_group WHERE tenant_id = $1
     UNION ALL
    SELECT 'role', key, code,
           jsonb_build_object('label', label, 'audience', audience,
                              'permissions', to_jsonb(ARRAY(SELECT permission FROM role_permission
                                                             WHERE tenant_id = $1 AND role_id = role.id)))
      FROM role WHERE tenant_id = $1
     UNION ALL
    SELECT subject.type, subject.key, subject.code,
           jsonb_build_object('enabled', enabled, 'roles', to_jsonb(held.roles), 'groups', to_jsonb(held.groups))
      FROM subject
     CROSS JOIN LATERAL (
           SELECT ARRAY(SELECT role.code FROM subject_role AS holds JOIN role ON role.tenant_id = $1 AND role.id = holds.role_id
                         WHERE holds.tenant_id = $1 AND holds.subject_id = subject.id) AS roles,
                  ARRAY(SELECT user_group.code FROM membership AS holds JOIN user_group ON user_group.tenant_id = $1 AND user_group.id = holds.group_id
                         WHERE holds.tenant_id = $1 AND holds.subject_id = subject.id) AS groups) AS held
     WHERE subject.tenant_id = $1 AND subject.type <> 'app'
     UNION ALL
    -- An app is enabled, holds no role and is in its own group alone: what else
    -- is stored stands in no row of the log.
    SELECT subject.type, subject.key, subject.code,
           jsonb_build_object('group', coalesce(own.code, ''), 'later_channels', app.later_channels, 'permissions_passed', app.permissions_passed,
                              'scopes', to_jsonb(ARRAY(SELECT scope FROM app_scope WHERE tenant_id = $1 AND subject_id = subject.id)),
                              'selections', coalesce(chosen.selections, '[]'::jsonb))
           || CASE WHEN enabled THEN '{}'::jsonb ELSE '{"enabled": false}' END
           || CASE WHEN EXISTS (SELECT FROM subject_role WHERE tenant_id = $1 AND subject_id = subject.id) THEN '{"roles": true}'::jsonb ELSE '{}'::jsonb END
           || CASE WHEN ARRAY(SELECT group_id FROM membership WHERE tenant_id = $1 AND subject_id = subject.id) = ARRAY[app.group_id] THEN '{}'::jsonb
                   ELSE '{"other_groups": true}' END
      FROM subject
      LEFT JOIN app ON app.tenant_id = $1 AND app.subject_id = subject.id
      LEFT JOIN user_group AS own ON own.tenant_id = $1 AND own.id = app.group_id
     CROSS JOIN LATERAL (
           SELECT jsonb_agg(jsonb_build_object('axis', axis, 'all', item_id IS NULL, 'code', item.code,
                                               'level', CASE level WHEN 1 THEN 'view' WHEN 3 THEN 'edit' WHEN 7 THEN 'own' END)) AS selections
             FROM app_selection LEFT JOIN item ON item.tenant_id = $1 AND item.id = item_id
            WHERE app_selection.tenant_id = $1 AND subject_id = subject.id) AS chosen
     WHERE subject.tenant_id = $1 AND subject.type = 'app'
     UNION ALL
    SELECT item.type, item.key, item.code,
           CASE item.type
                WHEN 'category' THEN jsonb_build_object('parent', parent.code)
                WHEN 'channel' THEN jsonb_build_object('tree', tree.code, 'locales', to_jsonb(ARRAY(
                     SELECT locale.code FROM channel_locale AS uses JOIN item AS locale ON locale.tenant_id = $1 AND locale.id = uses.locale_id
                      WHERE uses.tenant_id = $1 AND uses.channel_id = item.id)))
                ELSE '{}'::jsonb END
      FROM item
      LEFT JOIN item AS parent ON parent.tenant_id = $1 AND parent.id = item.parent_id
      LEFT JOIN item AS tree ON tree.tenant_id = $1 AND tree.id = item.tree_id
     WHERE item.tenant_id = $1
     UNION ALL
    SELECT 'attribute', attribute.key, attribute.code,
           jsonb_build_object('group', item.code, 'scopable', scopable, 'localizable', localizable)
      FROM attribute LEFT JOIN item ON item.tenant_id = $1 AND item.id = group_id
     WHERE attribute.tenant_id = $1
     UNION ALL
    SELECT 'grid_view', grid_view.key, grid_view.code,
           jsonb_build_object('attribute_groups', to_jsonb(ARRAY(
                     SELECT item.code FROM grid_view_group AS uses JOIN item ON item.tenant_id = $1 AND item.id = uses.group_id
                      WHERE uses.tenant_id = $1 AND uses.grid_view_id = grid_view.id)))
      FROM grid_view WHERE tenant_id = $1),
last_word AS (
    SELECT DISTINCT ON (type, key) type, key, code, after::jsonb AS words, erased
      FROM audit
     CROSS JOIN LATERAL (SELECT coalesce(item_type, subject_type) AS type, coalesce(item_key, subject_key) AS key,
                                coalesce(item_code, subject_code) AS code) AS named
     WHERE tenant_id = $1 AND type NOT IN ('product', 'product_model')
       AND kind IN (type || '.created', type || '.changed', type || '.removed')
     ORDER BY type, key, revision DESC, part DESC),
logged AS (
    SELECT type, key, code, words, erased FROM last_word
     UNION ALL
    -- It comes with the tenant, without a row of its own.
    SELECT 'user_group', 'all', 'All', '{"label": "", "private": false}'::jsonb, false
     WHERE NOT EXISTS (SELECT FROM last_word WHERE type = 'user_group' AND key = 'all')),
-- Lists have no order.
ordered AS MATERIALIZED (
    SELECT is_logged, type, key, code, erased,
           (SELECT coalesce(jsonb_object_agg(name, CASE WHEN jsonb_typeof(value) = 'array'
                                                        THEN (SELECT coalesce(jsonb_agg(part ORDER BY part), '[]') FROM jsonb_array_elements(value) AS part)
                                                        ELSE value END), '{}')
              FROM jsonb_each(words) AS each (name, value)) AS words
      FROM (SELECT false AS is_logged, type, key, code, words, false AS erased FROM stored
             UNION ALL
            SELECT true, type, key, code, words, erased FROM logged WHERE words IS NOT NULL) AS every),
compared AS MATERIALIZED (
    SELECT coalesce(logged.type || ':' || logged.code, stored.type || ':' || stored.code) AS name,
           -- A code that is spelled otherwise is shown beside the rest.
           logged.words || CASE WHEN logged.code <> stored.code THEN jsonb_build_object('code', logged.code) ELSE '{}'::jsonb END AS logged,
           stored.words || CASE WHEN logged.code <> stored.code THEN jsonb_build_object('code', stored.code) ELSE '{}'::jsonb END AS stored,
           CASE WHEN logged.words IS NULL
                -- The rows of a person whose name was erased are under another name.
                THEN NOT EXISTS (SELECT FROM ordered AS erased
                                  WHERE erased.erased AND erased.type = stored.type AND erased.words = stored.words)
                WHEN stored.words IS NULL THEN NOT logged.erased
                -- Rows of before version 6 do not have it.
                WHEN stored.words ? 'permissions_passed' AND NOT logged.words ? 'permissions_passed'
                THEN logged.words <> stored.words - 'permissions_passed' OR logged.code <> stored.code
                ELSE logged.words <> stored.words OR logged.code <> stored.code END AS differs
      FROM (SELECT * FROM ordered WHERE NOT is_logged) AS stored
      FULL JOIN (SELECT * FROM ordered WHERE is_logged) AS logged ON logged.type = stored.type AND logged.key = stored.key)
