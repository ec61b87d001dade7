-- leave_categories
-- The trigger on product_category leaves product.uncategorised alone: refresh_uncategorised comes after this.
DELETE FROM product_category AS held
 USING (SELECT id, unnest(old_categories) AS category_id FROM changed_product
        EXCEPT
        SELECT id, unnest(new_categories) FROM changed_product) AS lost
 WHERE (SELECT set_config('pim_authz.refreshes_uncategorised', 'on', true)) = 'on'
   AND held.tenant_id = $1 AND held.product_id = lost.id AND held.category_id = lost.category_id
