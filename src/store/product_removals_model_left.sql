-- find_model_left
WITH child AS (
    SELECT p.id, p.parent_id AS parent FROM product AS p
     WHERE p.tenant_id = $1 AND p.parent_id IS NOT NULL
       AND NOT EXISTS (SELECT FROM changed_product AS c WHERE c.id = p.id)
     UNION ALL
    SELECT id, new_parent FROM changed_product)
SELECT removed.code, count(*) AS children
  FROM removed_product AS removed
  JOIN child ON child.parent = removed.id
 WHERE removed.model AND NOT EXISTS (SELECT FROM removed_product AS r WHERE r.id = child.id)
 GROUP BY removed.id, removed.code
 ORDER BY removed.id
 LIMIT 1
