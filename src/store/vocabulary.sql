-- load_vocabulary
WITH t AS MATERIALIZED (SELECT id, edition, revision FROM tenant WHERE key = $1)
SELECT 'as_of' AS fact, 0 AS a, 0 AS b, seq AS n, epoch::text AS s, NULL::text AS u, pg_is_in_recovery() AS x, false AS y FROM head
 UNION ALL
SELECT 'pending', 0, 0, 0, key, NULL, false, false
  FROM intent CROSS JOIN unnest(intent.keys) AS key
 WHERE key = '*' OR key = $2 OR starts_with(key, $2 || '/')
 UNION ALL
SELECT 'tenant', id, 0, revision, edition, NULL, false, false FROM t
 UNION ALL
SELECT 'group_id', user_group.id, 0, 0, NULL, NULL, false, false
  FROM t JOIN user_group ON user_group.tenant_id = t.id
 UNION ALL
SELECT 'item', item.id, item.parent_id, 0, item.code, item.type, false, false
  FROM t JOIN item ON item.tenant_id = t.id
 UNION ALL
(SELECT 'first', item.id, 0, 0, NULL, NULL, false, false
   FROM t JOIN item ON item.tenant_id = t.id AND item.space = 'channel' ORDER BY item.key LIMIT 1)
 UNION ALL
(SELECT 'first', item.id, 0, 0, NULL, NULL, false, false
   FROM t JOIN item ON item.tenant_id = t.id AND item.space = 'locale' ORDER BY item.key LIMIT 1)
 UNION ALL
SELECT 'attribute', group_id, 0, 0, code, NULL, scopable, localizable
  FROM t JOIN attribute ON attribute.tenant_id = t.id
 UNION ALL
SELECT 'grid_view', grid_view.id, 0, 0, code, NULL, false, false
  FROM t JOIN grid_view ON grid_view.tenant_id = t.id
 UNION ALL
SELECT 'grid_view_group', grid_view_id, group_id, 0, NULL, NULL, false, false
  FROM t JOIN grid_view_group ON grid_view_group.tenant_id = t.id
