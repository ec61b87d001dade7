-- subjects_wanted
SELECT subject.id
  FROM unnest($2::text[], $3::text[]) AS named (type, key)
 CROSS JOIN LATERAL (SELECT id FROM subject AS s
                      WHERE s.tenant_id = $1 AND s.type = named.type AND s.key = named.key OFFSET 0) AS subject
 UNION
SELECT member.subject_id
  FROM user_group AS g
 CROSS JOIN LATERAL (SELECT subject_id FROM membership AS m
                      WHERE m.tenant_id = $1 AND m.group_id = g.id OFFSET 0) AS member
 WHERE g.tenant_id = $1 AND g.key = ANY ($4::text[])
 UNION
SELECT holder.subject_id
  FROM role
 CROSS JOIN LATERAL (SELECT subject_id FROM subject_role AS s
                      WHERE s.tenant_id = $1 AND s.role_id = role.id OFFSET 0) AS holder
 WHERE role.tenant_id = $1 AND role.key = ANY ($5::text[])
 UNION
SELECT holder.subject_id
  FROM role
 CROSS JOIN LATERAL (SELECT subject_id FROM subject_role AS s
                      WHERE s.tenant_id = $1 AND s.role_id = role.id LIMIT 1) AS holder
 WHERE role.tenant_id = $1 AND role.key = ANY ($6::text[])
 UNION
SELECT subject.id
  FROM (SELECT DISTINCT role_id FROM role_permission
         WHERE tenant_id = $1 AND permission = ANY ($7::text[])) AS granted
 CROSS JOIN LATERAL (SELECT subject_id FROM subject_role AS s
                      WHERE s.tenant_id = $1 AND s.role_id = granted.role_id OFFSET 0) AS holder
 CROSS JOIN LATERAL (SELECT id, type, enabled FROM subject AS s
                      WHERE s.tenant_id = $1 AND s.id = holder.subject_id OFFSET 0) AS subject
 WHERE subject.type = 'user' AND subject.enabled
