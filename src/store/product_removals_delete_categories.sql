-- delete_product_categories
DELETE FROM product_category AS held USING removed_product AS removed
 WHERE held.tenant_id = $1 AND held.product_id = removed.id
