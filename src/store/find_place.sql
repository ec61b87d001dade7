-- find_place
SELECT current_user::text AS owner,
       current_database()::text AS database,
       me.rolsuper OR me.rolcreaterole AS may_create_roles,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       pg_has_role(pg_database.datdba, 'USAGE') AS may_grant_temporary,
       has_database_privilege('public', current_database(), 'TEMPORARY') AS is_temporary_for_all,
       (SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'pim_authz'
           AND NOT pg_has_role(nspowner, 'USAGE')) AS other_owner,
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'pim_authz') AS has_schema,
       EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE nspname = 'pim_authz' AND relname = 'lease') AS has_leases,
       EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
                WHERE nspname = 'pim_authz' AND relname = 'installation') AS is_installed,
       EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) AS granted
                WHERE nspname = 'pim_authz' AND granted.grantee::regrole::text = $1) AS is_shared,
       ARRAY(SELECT rolname::text FROM pg_roles ORDER BY rolname) AS roles,
       ARRAY(SELECT rolname::text FROM pg_roles
              WHERE pg_has_role(current_user, oid, 'MEMBER') ORDER BY rolname) AS memberships,
       ARRAY(SELECT member.rolname::text
               FROM pg_auth_members
               JOIN pg_roles AS shared ON shared.oid = roleid AND shared.rolname = $1
               JOIN pg_roles AS member ON member.oid = pg_auth_members.member
              WHERE member.rolname <> current_user
              ORDER BY member.rolname) AS shared_members
  FROM pg_roles AS me, pg_database
 WHERE me.rolname = current_user AND datname = current_database()
