-- list_left_out
WITH left_out AS MATERIALIZED (
    SELECT model, key
      FROM staged_product
     GROUP BY model, key
    HAVING bool_or(state IN (1, 3)) AND NOT bool_or(state = 0))
SELECT p.model, p.code
  FROM left_out
  JOIN product AS p ON p.tenant_id = $1 AND p.model = left_out.model AND p.key = left_out.key
 ORDER BY p.model DESC, p.key
 LIMIT $2
