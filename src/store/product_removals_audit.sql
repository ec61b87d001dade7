-- audit_removals
WITH named AS MATERIALIZED (
    SELECT removed.id, jsonb_agg(item.code ORDER BY item.key) AS codes
      FROM removed_product AS removed
     CROSS JOIN LATERAL unnest(removed.categories) AS held (category_id)
      JOIN item ON item.tenant_id = $1::integer AND item.id = held.category_id
     GROUP BY removed.id),
described AS MATERIALIZED (
    SELECT $6::integer + (row_number() OVER (ORDER BY removed.model, removed.id))::integer AS part,
           CASE WHEN removed.model THEN 'product_model' ELSE 'product' END AS item_type,
           removed.code, removed.key, gen_random_uuid() AS nonce,
           jsonb_build_object('parent', parent.code, 'categories', coalesce(named.codes, '[]'))::text AS before
      FROM removed_product AS removed
      LEFT JOIN named ON named.id = removed.id
      LEFT JOIN product AS parent ON parent.tenant_id = $1 AND parent.id = removed.parent)
INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind,
                   item_type, item_code, item_key, before, after, nonce, caller, row_hash)
SELECT $1, $2::bigint, part, false, $3::text, $4::text, $5::text, item_type || '.removed', item_type, code, key, before, NULL, nonce, $7::text,
       audit_row_hash($2, part, transaction_timestamp(), $3, $4, $5, item_type || '.removed', item_type, code, NULL, NULL, before, NULL, nonce, $7)
  FROM described
