-- audit_products
WITH described AS MATERIALIZED (
    SELECT $6::integer + (row_number() OVER (ORDER BY model DESC, line))::integer AS part,
           CASE WHEN model THEN 'product_model' ELSE 'product' END AS item_type,
           code, is_new, gen_random_uuid() AS nonce,
           jsonb_build_object('parent', (SELECT p.code FROM product AS p WHERE p.tenant_id = $1::integer AND p.id = old_parent))
           || CASE WHEN old_categories IS NULL THEN '{}' ELSE jsonb_build_object('categories',
                (SELECT coalesce(jsonb_agg(i.code ORDER BY i.key), '[]')
                   FROM unnest(old_categories) AS held JOIN item AS i ON i.tenant_id = $1 AND i.id = held)) END AS before,
           jsonb_build_object('parent', (SELECT p.code FROM product AS p WHERE p.tenant_id = $1 AND p.id = new_parent))
           || CASE WHEN new_categories IS NULL THEN '{}' ELSE jsonb_build_object('categories',
                (SELECT coalesce(jsonb_agg(i.code ORDER BY i.key), '[]')
                   FROM unnest(new_categories) AS held JOIN item AS i ON i.tenant_id = $1 AND i.id = held)) END AS after
      FROM changed_product),
written AS (
    SELECT part, item_type, code, nonce,
           item_type || CASE WHEN is_new THEN '.created' ELSE '.changed' END AS kind,
           CASE WHEN NOT is_new THEN before::text END AS before, after::text AS after
      FROM described)
INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind,
                   item_type, item_code, before, after, nonce, row_hash)
SELECT $1, $2::bigint, part, false, $3::text, $4::text, $5::text, kind, item_type, code, before, after, nonce,
       audit_row_hash($2, part, transaction_timestamp(), $3, $4, $5, kind, item_type, code, NULL, NULL, before, after, nonce)
  FROM written
