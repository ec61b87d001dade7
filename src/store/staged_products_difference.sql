-- compare_products
WITH paired AS (
    SELECT s.line, s.model, coalesce(p.code, s.code) AS code, s.key, p.id, s.parent_given, s.parent_key,
           p.parent_id AS old_parent, above.key AS old_parent_key,
           CASE WHEN p.id IS NOT NULL AND s.categories IS NOT NULL
                THEN ARRAY(SELECT category_id FROM product_category
                            WHERE tenant_id = $1::integer AND product_id = p.id ORDER BY category_id) END AS old_categories,
           CASE WHEN s.categories IS NOT NULL
                THEN ARRAY(SELECT ($3::integer[])[number + 1] FROM unnest(coalesce(s.resolved, s.categories)) AS number ORDER BY 1) END AS new_categories
      FROM staged_product AS s
      LEFT JOIN product AS p ON p.tenant_id = $1 AND p.model = s.model AND p.key = s.key
      LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = p.parent_id
     WHERE s.state = 0),
different AS (
    SELECT *
      FROM paired
     WHERE id IS NULL
        OR (parent_given AND parent_key IS DISTINCT FROM old_parent_key)
        OR new_categories IS DISTINCT FROM old_categories)
INSERT INTO changed_product (line, model, code, key, is_new, id, parent_given, parent_key, old_parent, new_parent,
                             old_categories, new_categories)
SELECT line, model, code, key, id IS NULL,
       coalesce(id, $2::integer + (row_number() OVER (PARTITION BY id IS NULL ORDER BY model DESC, line))::integer),
       parent_given, parent_key, old_parent, CASE WHEN NOT parent_given THEN old_parent END,
       old_categories, new_categories
  FROM different
