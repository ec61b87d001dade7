-- find_parents
UPDATE changed_product AS c
   SET new_parent = model.id
  FROM (SELECT key, id FROM product WHERE tenant_id = $1 AND model
         UNION ALL
        SELECT key, id FROM changed_product WHERE model AND is_new) AS model
 WHERE c.parent_key = model.key
