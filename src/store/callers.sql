SELECT caller.id, caller.name, caller.key, caller.all_tenants, caller.rights,
       ARRAY(SELECT held.code FROM caller_tenant AS held
              WHERE held.tenant_id = caller.tenant_id AND held.caller_id = caller.id) AS tenants,
       ARRAY(SELECT held.name FROM caller_subject_alternative_name AS held
              WHERE held.tenant_id = caller.tenant_id AND held.caller_id = caller.id) AS subject_alternative_names,
       identity.issuers, identity.subjects,
       held_key.ids AS key_ids, held_key.hashes AS key_hashes, held_key.created AS key_created, held_key.ends AS key_ends
  FROM caller
 CROSS JOIN LATERAL (
       SELECT array_agg(held.issuer ORDER BY held.issuer, held.subject) AS issuers,
              array_agg(held.subject ORDER BY held.issuer, held.subject) AS subjects
         FROM caller_oidc_identity AS held
        WHERE held.tenant_id = caller.tenant_id AND held.caller_id = caller.id) AS identity
 CROSS JOIN LATERAL (
       SELECT array_agg(held.id ORDER BY held.created_at, held.id) AS ids,
              array_agg(held.hash ORDER BY held.created_at, held.id) AS hashes,
              array_agg((extract(epoch FROM held.created_at) * 1000000)::bigint ORDER BY held.created_at, held.id) AS created,
              array_agg((extract(epoch FROM held.expires_at) * 1000000)::bigint ORDER BY held.created_at, held.id) AS ends
         FROM caller_key AS held
        WHERE held.tenant_id = caller.tenant_id AND held.caller_id = caller.id) AS held_key
