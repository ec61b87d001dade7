-- describe_removals
UPDATE removed_product AS removed
   SET categories = coalesce(held.categories, '{}')
  FROM (SELECT r.id, array_agg(c.category_id ORDER BY c.category_id) FILTER (WHERE c.category_id IS NOT NULL) AS categories
          FROM removed_product AS r
          LEFT JOIN product_category AS c ON c.tenant_id = $1 AND c.product_id = r.id
         GROUP BY r.id) AS held
 WHERE held.id = removed.id
