-- audit_products
-- Codes are gathered by joins over all rows: a look-up a row would cost ten
-- times as much.
WITH named AS MATERIALIZED (
    SELECT changed.id, held.is_old, jsonb_agg(item.code ORDER BY item.key) AS codes
      FROM changed_product AS changed
     CROSS JOIN LATERAL (SELECT true AS is_old, unnest(old_categories) AS category_id
                          UNION ALL
                         SELECT false, unnest(new_categories)) AS held
      JOIN item ON item.tenant_id = $1::integer AND item.id = held.category_id
     GROUP BY changed.id, held.is_old),
described AS MATERIALIZED (
    SELECT $6::integer + (row_number() OVER (ORDER BY changed.model DESC, changed.line))::integer AS part,
           CASE WHEN changed.model THEN 'product_model' ELSE 'product' END AS item_type,
           changed.code, changed.key, changed.is_new, gen_random_uuid() AS nonce,
           jsonb_build_object('parent', old_parent.code)
           || CASE WHEN old_categories IS NULL THEN '{}'
                   ELSE jsonb_build_object('categories', coalesce(old_named.codes, '[]')) END AS before,
           jsonb_build_object('parent', new_parent.code)
           || CASE WHEN new_categories IS NULL THEN '{}'
                   ELSE jsonb_build_object('categories', coalesce(new_named.codes, '[]')) END AS after
      FROM changed_product AS changed
      LEFT JOIN named AS old_named ON old_named.id = changed.id AND old_named.is_old
      LEFT JOIN named AS new_named ON new_named.id = changed.id AND NOT new_named.is_old
      LEFT JOIN product AS old_parent ON old_parent.tenant_id = $1 AND old_parent.id = changed.old_parent
      LEFT JOIN product AS new_parent ON new_parent.tenant_id = $1 AND new_parent.id = changed.new_parent),
written AS (
    SELECT part, item_type, code, key, nonce,
           item_type || CASE WHEN is_new THEN '.created' ELSE '.changed' END AS kind,
           CASE WHEN NOT is_new THEN before::text END AS before, after::text AS after
      FROM described)
INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind,
                   item_type, item_code, item_key, before, after, nonce, caller, row_hash)
SELECT $1, $2::bigint, part, false, $3::text, $4::text, $5::text, kind, item_type, code, key, before, after, nonce, $7::text,
       audit_row_hash($2, part, transaction_timestamp(), $3, $4, $5, kind, item_type, code, NULL, NULL, before, after, nonce, $7)
  FROM written
