-- leavers_otherwise_changed
UPDATE changed_product AS changed
   SET old_categories = held.categories,
       new_categories = ARRAY(SELECT unnest(held.categories) EXCEPT SELECT unnest($2::integer[]) ORDER BY 1)
  FROM (SELECT product_id, array_agg(category_id ORDER BY category_id) AS categories
          FROM product_category
         WHERE tenant_id = $1 AND product_id IN (SELECT id FROM changed_product WHERE new_categories IS NULL)
         GROUP BY product_id
        HAVING bool_or(category_id = ANY ($2))) AS held
 WHERE changed.id = held.product_id
