-- leavers_otherwise_changed
WITH gone AS MATERIALIZED (
    SELECT DISTINCT unnest($2::integer[]) AS id),
held AS MATERIALIZED (
    SELECT c.product_id, array_agg(c.category_id ORDER BY c.category_id) AS categories,
           coalesce(array_agg(c.category_id ORDER BY c.category_id) FILTER (WHERE gone.id IS NULL), '{}') AS kept
      FROM product_category AS c
      LEFT JOIN gone ON gone.id = c.category_id
     WHERE c.tenant_id = $1 AND c.product_id IN (SELECT id FROM changed_product WHERE new_categories IS NULL)
     GROUP BY c.product_id
    HAVING bool_or(gone.id IS NOT NULL))
UPDATE changed_product AS changed
   SET old_categories = held.categories,
       new_categories = held.kept
  FROM held
 WHERE changed.id = held.product_id
