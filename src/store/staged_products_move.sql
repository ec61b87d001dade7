-- move_products
UPDATE product
   SET parent_id = changed.new_parent
  FROM changed_product AS changed
 WHERE product.tenant_id = $1 AND product.id = changed.id AND NOT changed.is_new
   AND changed.new_parent IS DISTINCT FROM changed.old_parent
