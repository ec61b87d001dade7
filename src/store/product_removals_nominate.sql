-- nominate_unstaged
INSERT INTO removed_product (id, model, code, key, parent)
SELECT id, model, code, key, parent_id
  FROM product
 WHERE tenant_id = $1 AND model = $2
   AND NOT EXISTS (SELECT FROM staged_product AS s WHERE s.model = $2 AND s.key = product.key)
