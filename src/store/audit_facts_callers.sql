-- compare_callers_with_log
WITH stored (type, key, code, words) AS (
    SELECT 'caller', key, name,
           jsonb_build_object('all_tenants', all_tenants, 'rights', to_jsonb(rights),
                              'tenants', to_jsonb(ARRAY(SELECT held.code FROM caller_tenant AS held
                                                         WHERE held.tenant_id = $1 AND held.caller_id = caller.id)),
                              'subject_alternative_names', to_jsonb(ARRAY(SELECT held.name FROM caller_subject_alternative_name AS held
                                                                           WHERE held.tenant_id = $1 AND held.caller_id = caller.id)),
                              'oidc_identities', to_jsonb(ARRAY(SELECT jsonb_build_object('issuer', held.issuer, 'subject', held.subject)
                                                                  FROM caller_oidc_identity AS held
                                                                 WHERE held.tenant_id = $1 AND held.caller_id = caller.id)))
      FROM caller WHERE tenant_id = $1
     UNION ALL
    SELECT 'caller_key', lower(held.id), held.id,
           jsonb_build_object('caller', caller.name, 'sha256', encode(held.hash, 'hex'),
                              'valid_for_us', (extract(epoch FROM held.expires_at - held.created_at) * 1000000)::bigint)
      FROM caller_key AS held
      LEFT JOIN caller ON caller.tenant_id = $1 AND caller.id = held.caller_id
     WHERE held.tenant_id = $1),
logged AS (
    SELECT DISTINCT ON (item_type, item_key) item_type AS type, item_key AS key, item_code AS code, after::jsonb AS words
      FROM audit
     WHERE tenant_id = $1 AND item_type IN ('caller', 'caller_key')
     ORDER BY item_type, item_key, revision DESC, part DESC),
-- Lists have no order.
ordered AS MATERIALIZED (
    SELECT is_logged, type, key, code,
           (SELECT coalesce(jsonb_object_agg(name, CASE WHEN jsonb_typeof(value) = 'array'
                                                        THEN (SELECT coalesce(jsonb_agg(part ORDER BY part), '[]') FROM jsonb_array_elements(value) AS part)
                                                        ELSE value END), '{}')
              FROM jsonb_each(words) AS each (name, value)) || jsonb_build_object('code', code) AS words
      FROM (SELECT false AS is_logged, type, key, code, words FROM stored
             UNION ALL
            SELECT true, type, key, code, words FROM logged WHERE words IS NOT NULL) AS every),
compared AS MATERIALIZED (
    SELECT coalesce(logged.type || ':' || logged.code, stored.type || ':' || stored.code) AS name,
           logged.words AS logged, stored.words AS stored, logged.words IS DISTINCT FROM stored.words AS differs
      FROM (SELECT * FROM ordered WHERE NOT is_logged) AS stored
      FULL JOIN (SELECT * FROM ordered WHERE is_logged) AS logged ON logged.type = stored.type AND logged.key = stored.key)
