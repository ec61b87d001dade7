-- compare_products_with_log
WITH held AS MATERIALIZED (
    SELECT product_id, jsonb_agg(item.code ORDER BY item.key) AS categories
      FROM product_category
      JOIN item ON item.tenant_id = $1 AND item.id = category_id
     WHERE product_category.tenant_id = $1
     GROUP BY product_id),
stored AS (
    SELECT CASE WHEN product.model THEN 'product_model' ELSE 'product' END AS type, product.key, product.code,
           jsonb_build_object('parent', parent.code, 'categories', coalesce(held.categories, '[]')) AS words
      FROM product
      LEFT JOIN product AS parent ON parent.tenant_id = $1 AND parent.id = product.parent_id
      LEFT JOIN held ON held.product_id = product.id
     WHERE product.tenant_id = $1),
every_word AS MATERIALIZED (
    SELECT item_type AS type, item_key AS key, item_code AS code, revision, part, kind, after::jsonb AS words
      FROM audit
     WHERE tenant_id = $1 AND item_type IN ('product', 'product_model')
       AND kind IN (item_type || '.created', item_type || '.changed', item_type || '.removed')),
last_word AS (
    SELECT DISTINCT ON (type, key) type, key, code, words
      FROM every_word
     ORDER BY type, key, revision DESC, part DESC),
-- A row that leaves them out leaves them as they were.
last_categories AS (
    SELECT DISTINCT ON (type, key) type, key, coalesce(words->'categories', '[]') AS categories
      FROM every_word
     WHERE words ? 'categories' OR kind NOT LIKE '%.changed'
     ORDER BY type, key, revision DESC, part DESC),
logged AS (
    SELECT type, key, code, words || jsonb_build_object('categories', coalesce(categories, '[]')) AS words
      FROM last_word LEFT JOIN last_categories USING (type, key)
     WHERE words IS NOT NULL),
compared AS MATERIALIZED (
    SELECT coalesce(logged.type || ':' || logged.code, stored.type || ':' || stored.code) AS name,
           CASE WHEN differs THEN logged.words || CASE WHEN respelled THEN jsonb_build_object('code', logged.code) ELSE '{}'::jsonb END END AS logged,
           CASE WHEN differs THEN stored.words || CASE WHEN respelled THEN jsonb_build_object('code', stored.code) ELSE '{}'::jsonb END END AS stored,
           differs
      FROM stored
      FULL JOIN logged ON logged.type = stored.type AND logged.key = stored.key
     CROSS JOIN LATERAL (SELECT (logged.code <> stored.code) IS TRUE AS respelled,
                                logged.words IS DISTINCT FROM stored.words OR (logged.code <> stored.code) IS TRUE AS differs) AS found)
