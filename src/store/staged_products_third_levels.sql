-- refuse_third_levels
WITH child_model AS MATERIALIZED (
    SELECT key, parent_key, line
      FROM staged_product
     WHERE model AND state = 0 AND parent_key IS NOT NULL
     UNION ALL
    SELECT p.key, above.key, NULL
      FROM product AS p
      JOIN product AS above ON above.tenant_id = p.tenant_id AND above.id = p.parent_id
     WHERE p.tenant_id = $1 AND p.model
       AND NOT EXISTS (SELECT FROM staged_product AS m
                        WHERE m.model AND m.state = 0 AND m.parent_given AND m.key = p.key)),
too_deep AS MATERIALIZED (
    SELECT DISTINCT coalesce(below.line, above.line) AS line
      FROM child_model AS below
      JOIN child_model AS above ON above.key = below.parent_key)
UPDATE staged_product AS s
   SET state = 1, issue = 'third_level'
  FROM too_deep
 WHERE s.model AND s.state = 0 AND s.line = too_deep.line
