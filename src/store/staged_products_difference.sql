-- compare_products
WITH stored AS MATERIALIZED (
    SELECT s.model, s.line, p.id, p.code, p.parent_id
      FROM staged_product AS s
      JOIN product AS p ON p.tenant_id = $1::integer AND p.model = s.model AND p.key = s.key
     WHERE s.state = 0),
held AS MATERIALIZED (
    SELECT stored.id, array_agg(c.category_id ORDER BY c.category_id) AS categories
      FROM stored
      JOIN product_category AS c ON c.tenant_id = $1 AND c.product_id = stored.id
     GROUP BY stored.id),
paired AS (
    SELECT s.line, s.model, coalesce(stored.code, s.code) AS code, s.key, stored.id, s.parent_given, s.parent_key,
           stored.parent_id AS old_parent, above.key AS old_parent_key,
           CASE WHEN stored.id IS NOT NULL AND s.categories IS NOT NULL
                THEN coalesce(held.categories, '{}') END AS old_categories,
           CASE WHEN s.categories IS NOT NULL
                THEN ARRAY(SELECT ($3::integer[])[number + 1]
                             FROM unnest(coalesce(s.resolved, s.categories)) AS number ORDER BY 1) END AS new_categories
      FROM staged_product AS s
      LEFT JOIN stored ON stored.model = s.model AND stored.line = s.line
      LEFT JOIN held ON held.id = stored.id
      LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = stored.parent_id
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
