-- load_rights
WITH t AS MATERIALIZED (SELECT id, edition, revision FROM tenant WHERE key = $1),
g AS MATERIALIZED (
    SELECT user_group.id, user_group.code, user_group.private
      FROM t JOIN user_group ON user_group.tenant_id = t.id AND user_group.id = ANY ($3)),
held AS MATERIALIZED (
    SELECT access_right.group_id, access_right.item_id, access_right.level
      FROM t CROSS JOIN g
      JOIN access_right ON access_right.tenant_id = t.id AND access_right.group_id = g.id)
SELECT 'as_of' AS fact, 0 AS a, 0 AS b, seq AS n, epoch::text AS s, NULL::text AS u, pg_is_in_recovery() AS x, false AS y FROM head
 UNION ALL
SELECT 'pending', 0, 0, 0, key, NULL, false, false
  FROM intent CROSS JOIN unnest(intent.keys) AS key
 WHERE key = '*' OR key = $2 OR starts_with(key, $2 || '/')
 UNION ALL
SELECT 'tenant', id, 0, revision, edition, NULL, false, false FROM t
 UNION ALL
SELECT 'group', id, 0, 0, code, NULL, private, false FROM g
 UNION ALL
SELECT 'right', group_id, item_id, level, NULL, NULL, false, false FROM held
 UNION ALL
SELECT 'highest', held.group_id, 0, bit_or(held.level), NULL, item.type, false, false
  FROM t JOIN item ON item.tenant_id = t.id AND item.space IN ('channel', 'locale')
  JOIN held ON held.item_id = item.id
 GROUP BY held.group_id, item.type
