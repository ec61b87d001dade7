-- read_reached
-- Each product with those above it, as they are and as they would be.
WITH reached AS MATERIALIZED (
    SELECT id FROM reached_product LIMIT $2),
old_line AS (
    SELECT p.id, p.id AS member FROM reached JOIN product AS p ON p.tenant_id = $1 AND p.id = reached.id
     UNION ALL
    SELECT p.id, p.parent_id FROM reached JOIN product AS p ON p.tenant_id = $1 AND p.id = reached.id
     WHERE p.parent_id IS NOT NULL
     UNION ALL
    SELECT p.id, above.parent_id
      FROM reached
      JOIN product AS p ON p.tenant_id = $1 AND p.id = reached.id
      JOIN product AS above ON above.tenant_id = $1 AND above.id = p.parent_id
     WHERE above.parent_id IS NOT NULL),
new_parent AS (
    SELECT reached.id, CASE WHEN c.id IS NULL THEN p.parent_id ELSE c.new_parent END AS parent
      FROM reached
      LEFT JOIN product AS p ON p.tenant_id = $1 AND p.id = reached.id
      LEFT JOIN changed_product AS c ON c.id = reached.id),
new_line AS (
    SELECT id, id AS member FROM new_parent
     UNION ALL
    SELECT id, parent FROM new_parent WHERE parent IS NOT NULL
     UNION ALL
    SELECT n.id, CASE WHEN c.id IS NULL THEN above.parent_id ELSE c.new_parent END
      FROM new_parent AS n
      LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = n.parent
      LEFT JOIN changed_product AS c ON c.id = n.parent),
old_held AS (
    SELECT old_line.id, array_agg(DISTINCT held.category_id) AS categories
      FROM old_line
      JOIN product_category AS held ON held.tenant_id = $1 AND held.product_id = old_line.member
     GROUP BY old_line.id),
new_held AS (
    SELECT held.id, array_agg(DISTINCT held.category_id) AS categories
      FROM (SELECT new_line.id, h.category_id
              FROM new_line
              JOIN product_category AS h ON h.tenant_id = $1 AND h.product_id = new_line.member
             WHERE NOT EXISTS (SELECT FROM changed_product AS c
                                WHERE c.id = new_line.member AND c.new_categories IS NOT NULL)
             UNION ALL
            SELECT new_line.id, unnest(c.new_categories)
              FROM new_line
              JOIN changed_product AS c ON c.id = new_line.member) AS held
     GROUP BY held.id)
SELECT coalesce(p.code, c.code) AS code,
       CASE WHEN p.id IS NOT NULL THEN coalesce(old_held.categories, '{}') END AS before,
       CASE WHEN NOT EXISTS (SELECT FROM removed_product AS r WHERE r.id = reached.id)
            THEN coalesce(new_held.categories, '{}') END AS after
  FROM reached
  LEFT JOIN product AS p ON p.tenant_id = $1 AND p.id = reached.id
  LEFT JOIN changed_product AS c ON c.id = reached.id
  LEFT JOIN old_held ON old_held.id = reached.id
  LEFT JOIN new_held ON new_held.id = reached.id
