-- products_after
-- A window of the index in the order of numbers. The categories of a product and of the models above it are looked up by key: a
-- join would be turned into a scan of all products for each window (147 ms against 17 at a million).
SELECT id,
       code,
       ARRAY(SELECT category_id
               FROM product_category
              WHERE tenant_id = $1
                AND product_id = ANY (ARRAY[product.id, product.parent_id,
                                            (SELECT above.parent_id FROM product AS above
                                              WHERE above.tenant_id = $1 AND above.id = product.parent_id)])) AS categories
  FROM product
 WHERE tenant_id = $1 AND model = $2 AND id > $3
 ORDER BY id
 LIMIT $4
