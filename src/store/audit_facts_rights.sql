-- compare_rights_with_log
WITH stored AS (
    SELECT item.type, item.key, item.code, user_group.code AS group_code,
           CASE level WHEN 1 THEN 'view' WHEN 3 THEN 'edit' WHEN 7 THEN 'own' WHEN 8 THEN 'execute' WHEN 11 THEN 'execute_and_edit' END AS level
      FROM access_right
      JOIN item ON item.tenant_id = $1 AND item.id = item_id
      JOIN user_group ON user_group.tenant_id = $1 AND user_group.id = group_id
     WHERE access_right.tenant_id = $1),
last_word AS (
    SELECT DISTINCT ON (item_type, item_key, group_code) item_type AS type, item_key AS key, item_code AS code, group_code, level
      FROM audit CROSS JOIN LATERAL jsonb_each_text(after::jsonb) AS given (group_code, level)
     WHERE tenant_id = $1 AND kind = 'access_right.changed'
     ORDER BY item_type, item_key, group_code, revision DESC, part DESC),
logged AS (
    SELECT * FROM last_word WHERE level <> 'none'),
compared AS MATERIALIZED (
    SELECT format('the level of user group `%s` on %s:%s', coalesce(stored.group_code, logged.group_code),
                  coalesce(logged.type, stored.type), coalesce(logged.code, stored.code)) AS name,
           logged.level AS logged, stored.level AS stored,
           logged.level IS DISTINCT FROM stored.level AS differs
      FROM stored
      FULL JOIN logged ON logged.type = stored.type AND logged.key = stored.key AND logged.group_code = stored.group_code)
