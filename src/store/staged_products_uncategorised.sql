-- refresh_uncategorised
-- A change reaches down to the variants of a model, two levels at most.
WITH below AS MATERIALIZED (
    SELECT child.id
      FROM changed_product AS changed
      JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = changed.id
     WHERE changed.model AND NOT changed.is_new),
affected AS MATERIALIZED (
    -- What is new and in a category was stored so.
    SELECT id FROM changed_product WHERE NOT is_new OR coalesce(cardinality(new_categories), 0) = 0
     UNION
    SELECT id FROM below
     UNION
    SELECT child.id FROM below JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = below.id),
line AS MATERIALIZED (
    SELECT product.id, product.parent_id, above.parent_id AS top_id
      FROM affected
      JOIN product ON product.tenant_id = $1 AND product.id = affected.id
      LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = product.parent_id),
categorised AS MATERIALIZED (
    SELECT DISTINCT held.product_id AS id
      FROM (SELECT id FROM line UNION SELECT parent_id FROM line UNION SELECT top_id FROM line) AS member
      JOIN product_category AS held ON held.tenant_id = $1 AND held.product_id = member.id),
fresh AS MATERIALIZED (
    SELECT line.id, own.id IS NULL AND above.id IS NULL AND top.id IS NULL AS uncategorised
      FROM line
      LEFT JOIN categorised AS own ON own.id = line.id
      LEFT JOIN categorised AS above ON above.id = line.parent_id
      LEFT JOIN categorised AS top ON top.id = line.top_id)
UPDATE product
   SET uncategorised = fresh.uncategorised
  FROM fresh
 WHERE product.tenant_id = $1 AND product.id = fresh.id AND product.uncategorised IS DISTINCT FROM fresh.uncategorised
