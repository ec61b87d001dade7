-- nominate_reached
WITH direct AS MATERIALIZED (
    SELECT product_id AS id FROM product_category WHERE tenant_id = $1 AND category_id = ANY ($2)
     UNION
    SELECT id FROM changed_product
     UNION
    SELECT id FROM removed_product
     UNION
    SELECT id FROM product WHERE $3 AND tenant_id = $1 AND uncategorised IS NOT FALSE
     UNION
    SELECT id FROM product WHERE $4 AND tenant_id = $1),
below AS MATERIALIZED (
    SELECT child.id FROM direct JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = direct.id),
lowest AS (
    SELECT child.id FROM below JOIN product AS child ON child.tenant_id = $1 AND child.parent_id = below.id)
INSERT INTO reached_product (id)
SELECT id FROM direct UNION SELECT id FROM below UNION SELECT id FROM lowest
