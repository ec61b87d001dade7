-- nominate_leavers
INSERT INTO changed_product (line, model, code, key, is_new, id, parent_given, old_parent, new_parent,
                             old_categories, new_categories)
SELECT row_number() OVER (ORDER BY product.id), product.model, product.code, product.key, false, product.id, false,
       product.parent_id, product.parent_id, held.categories,
       ARRAY(SELECT unnest(held.categories) EXCEPT SELECT unnest($2::integer[]) ORDER BY 1)
  FROM (SELECT product_id FROM product_category WHERE tenant_id = $1 AND category_id = ANY ($2)
        EXCEPT SELECT id FROM changed_product
        EXCEPT SELECT id FROM removed_product) AS leaver
 CROSS JOIN LATERAL (SELECT * FROM product AS p WHERE p.tenant_id = $1 AND p.id = leaver.product_id OFFSET 0) AS product
 CROSS JOIN LATERAL (SELECT array_agg(category_id ORDER BY category_id) AS categories
                       FROM product_category AS c WHERE c.tenant_id = $1 AND c.product_id = product.id) AS held
