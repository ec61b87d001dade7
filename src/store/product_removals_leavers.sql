-- nominate_leavers
-- The categories are joined once: taken from the list of each product, they would be read for every product.
WITH gone AS MATERIALIZED (
    SELECT DISTINCT unnest($2::integer[]) AS id),
leaver AS MATERIALIZED (
    SELECT product_id AS id FROM product_category WHERE tenant_id = $1 AND category_id = ANY ($2)
    EXCEPT SELECT id FROM changed_product
    EXCEPT SELECT id FROM removed_product),
held AS MATERIALIZED (
    SELECT leaver.id, array_agg(c.category_id ORDER BY c.category_id) AS categories,
           coalesce(array_agg(c.category_id ORDER BY c.category_id) FILTER (WHERE gone.id IS NULL), '{}') AS kept
      FROM leaver
      JOIN product_category AS c ON c.tenant_id = $1 AND c.product_id = leaver.id
      LEFT JOIN gone ON gone.id = c.category_id
     GROUP BY leaver.id)
INSERT INTO changed_product (line, model, code, key, is_new, id, parent_given, old_parent, new_parent,
                             old_categories, new_categories)
SELECT row_number() OVER (ORDER BY product.id), product.model, product.code, product.key, false, product.id, false,
       product.parent_id, product.parent_id, held.categories, held.kept
  FROM held
  JOIN product ON product.tenant_id = $1 AND product.id = held.id
