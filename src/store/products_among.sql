-- products_among
SELECT product.id,
       product.code,
       ARRAY(SELECT category_id
               FROM product_category
              WHERE tenant_id = $1
                AND product_id = ANY (ARRAY[product.id, product.parent_id,
                                            (SELECT above.parent_id FROM product AS above
                                              WHERE above.tenant_id = $1 AND above.id = product.parent_id)])) AS categories
  FROM unnest($3::integer[]) WITH ORDINALITY AS requested (id, place)
 CROSS JOIN LATERAL (SELECT id, parent_id, code FROM product WHERE tenant_id = $1 AND id = requested.id AND model = $2 OFFSET 0) AS product
 ORDER BY requested.place
