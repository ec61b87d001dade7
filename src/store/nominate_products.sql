-- nominate_products
-- Each stage stops at the limit, and then there is no row: the caller looks at all products instead.
WITH
granted AS MATERIALIZED (
    SELECT held.item_id
      FROM unnest($4::integer[]) AS joined (group_id)
     CROSS JOIN LATERAL (SELECT item_id
                           FROM access_right
                          WHERE tenant_id = $1 AND group_id = joined.group_id AND level::integer & $5 = $5
                         OFFSET 0) AS held
     LIMIT $6),
allowed AS MATERIALIZED (
    SELECT unnest($3::integer[]) AS category_id UNION SELECT item_id FROM granted),
entered AS MATERIALIZED (
    SELECT held.product_id AS id
      FROM allowed
     CROSS JOIN LATERAL (SELECT product_id
                           FROM product_category
                          WHERE tenant_id = $1 AND category_id = allowed.category_id
                         OFFSET 0) AS held
     LIMIT $6),
below AS MATERIALIZED (
    SELECT child.id
      FROM (SELECT DISTINCT id FROM entered) AS above
     CROSS JOIN LATERAL (SELECT id FROM product WHERE tenant_id = $1 AND parent_id = above.id OFFSET 0) AS child
     LIMIT $6),
lowest AS MATERIALIZED (
    SELECT child.id
      FROM (SELECT DISTINCT id FROM below) AS above
     CROSS JOIN LATERAL (SELECT id FROM product WHERE tenant_id = $1 AND parent_id = above.id OFFSET 0) AS child
     LIMIT $6),
everyones AS MATERIALIZED (
    SELECT id
      FROM product
     WHERE tenant_id = $1 AND model = $2 AND uncategorised IS NOT FALSE AND $7
     ORDER BY id
     LIMIT $6)
SELECT ARRAY(SELECT id FROM entered
              UNION
             SELECT id FROM below
              UNION
             SELECT id FROM lowest
              UNION
             SELECT id FROM everyones) AS ids
 WHERE (SELECT count(*) FROM granted) < $6
   AND (SELECT count(*) FROM entered) < $6
   AND (SELECT count(*) FROM below) < $6
   AND (SELECT count(*) FROM lowest) < $6
   AND (SELECT count(*) FROM everyones) < $6
