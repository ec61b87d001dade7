-- leave_categories
DELETE FROM product_category AS held
 USING (SELECT id, unnest(old_categories) AS category_id FROM changed_product
        EXCEPT
        SELECT id, unnest(new_categories) FROM changed_product) AS lost
 WHERE held.tenant_id = $1 AND held.product_id = lost.id AND held.category_id = lost.category_id
