-- audit_removals
WITH described AS MATERIALIZED (
    SELECT $6::integer + (row_number() OVER (ORDER BY model, id))::integer AS part,
           CASE WHEN model THEN 'product_model' ELSE 'product' END AS item_type,
           code, gen_random_uuid() AS nonce,
           jsonb_build_object(
               'parent', (SELECT p.code FROM product AS p WHERE p.tenant_id = $1::integer AND p.id = removed.parent),
               'categories', (SELECT coalesce(jsonb_agg(i.code ORDER BY i.key), '[]')
                                FROM unnest(removed.categories) AS held
                                JOIN item AS i ON i.tenant_id = $1 AND i.id = held))::text AS before
      FROM removed_product AS removed)
INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind,
                   item_type, item_code, before, after, nonce, row_hash)
SELECT $1, $2::bigint, part, false, $3::text, $4::text, $5::text, item_type || '.removed', item_type, code, before, NULL, nonce,
       audit_row_hash($2, part, transaction_timestamp(), $3, $4, $5, item_type || '.removed', item_type, code, NULL, NULL, before, NULL, nonce)
  FROM described
