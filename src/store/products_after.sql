-- products_after
-- A window of the index in the order of numbers; the categories of each product and of the models above it by key.
SELECT product.id,
       product.code,
       ARRAY(SELECT category_id
               FROM product_category
              WHERE tenant_id = $1 AND product_id = ANY (ARRAY[product.id, product.parent_id, above.parent_id])) AS categories
  FROM (SELECT id, parent_id, code FROM product WHERE tenant_id = $1 AND model = $2 AND id > $3 ORDER BY id LIMIT $4) AS product
  LEFT JOIN product AS above ON above.tenant_id = $1 AND above.id = product.parent_id
 ORDER BY product.id
