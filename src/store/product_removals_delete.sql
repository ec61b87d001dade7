-- delete_products
DELETE FROM product USING removed_product AS removed
 WHERE product.tenant_id = $1 AND product.id = removed.id
