-- write_audit
WITH new_row AS MATERIALIZED (
    SELECT given.*, $6::integer + (given.place::integer - 1) AS part, gen_random_uuid() AS nonce
      FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $15::text[], $16::text[])
           WITH ORDINALITY AS given (kind, item_type, item_code, subject_type, subject_code, before, after, item_key, subject_key, place)),
hashed AS MATERIALIZED (
    SELECT new_row.*,
           audit_row_hash($2::bigint, part, transaction_timestamp(), $3::text, $4::text, $5::text, kind,
                          item_type, item_code, subject_type, subject_code, before, after, nonce, $17::text) AS row_hash
      FROM new_row),
chain AS (
    SELECT sha256((SELECT audit_hash FROM tenant WHERE id = $1::integer) || chain_hash(row_hash ORDER BY part)) AS hash
      -- In the order of the primary key: by any other index the tenant's whole log would be read.
      FROM ((SELECT part, row_hash FROM audit WHERE $14::integer IS NOT NULL AND tenant_id = $1 AND revision = $2
              ORDER BY part OFFSET 0)
             UNION ALL
            SELECT part, row_hash FROM hashed) AS every)
INSERT INTO audit (tenant_id, revision, part, last, actor, request_id, idempotency_key, kind,
                   item_type, item_code, subject_type, subject_code, before, after, nonce, row_hash, item_key, subject_key, caller, hash)
SELECT $1, $2, part, (part = $14) IS TRUE, $3, $4, $5, kind,
       item_type, item_code, subject_type, subject_code, before, after, nonce, row_hash, item_key, subject_key, $17,
       CASE WHEN part = $14 THEN (SELECT hash FROM chain) END
  FROM hashed
