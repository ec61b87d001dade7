-- refuse_unknown_parents
UPDATE staged_product AS s
   SET state = 1, issue = 'parent_unknown'
 WHERE s.state = 0 AND s.parent_key IS NOT NULL
   AND NOT EXISTS (SELECT FROM staged_product AS m WHERE m.model AND m.state = 0 AND m.key = s.parent_key)
   AND NOT EXISTS (SELECT FROM product AS p WHERE p.tenant_id = $1 AND p.model AND p.key = s.parent_key)
