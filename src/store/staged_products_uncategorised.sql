-- refresh_uncategorised
-- A change reaches down to the variants of a model, two levels at most.
WITH below AS (
    SELECT child.id
      FROM changed_product AS changed
      JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = changed.id
     WHERE changed.model AND NOT changed.is_new),
touched AS (
    -- What is new and in a category was stored so.
    SELECT id FROM changed_product WHERE NOT is_new OR coalesce(cardinality(new_categories), 0) = 0
     UNION
    SELECT id FROM below
     UNION
    SELECT child.id FROM below JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = below.id),
fresh AS (
    SELECT product.id,
           NOT EXISTS (SELECT FROM product_category AS held WHERE held.tenant_id = $1 AND held.product_id = product.id)
           AND NOT EXISTS (SELECT FROM product_category AS held WHERE held.tenant_id = $1 AND held.product_id = product.parent_id)
           AND NOT EXISTS (SELECT FROM product_category AS held WHERE held.tenant_id = $1 AND held.product_id = above.parent_id)
               AS uncategorised
      FROM touched
      JOIN product ON product.tenant_id = $1 AND product.id = touched.id
      LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = product.parent_id)
UPDATE product
   SET uncategorised = fresh.uncategorised
  FROM fresh
 WHERE product.tenant_id = $1 AND product.id = fresh.id AND product.uncategorised IS DISTINCT FROM fresh.uncategorised
