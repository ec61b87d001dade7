use super::{Store, StoreError};

/// Migrations of the schema, one file per version.
pub(super) mod versions {
    refinery::embed_migrations!("src/store/migrations");
}

/// Returns the newest version of the schema that this program includes.
pub(super) fn known_version() -> i32 {
    let runner = versions::migrations::runner();
    let versions = runner
        .get_migrations()
        .iter()
        .map(refinery::Migration::version);
    versions.max().unwrap_or_default()
}

impl Store {
    /// Checks that this program may use the schema, and that its session uses the
    /// runtime role of the installation.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownSchema`] if the schema is missing, too old or too new,
    /// [`StoreError::NotAMember`] if the login may not use the runtime role,
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        // Every role may read the system catalogs.
        const FIND: &str = "-- find_schema
            SELECT has_schema_privilege(pg_namespace.oid, 'USAGE') AS usable,
                   quote_ident(session_user) AS login,
                   (SELECT string_agg(DISTINCT quote_ident(member.rolname), ', ')
                      FROM aclexplode(nspacl) AS granted JOIN pg_roles AS member ON member.oid = granted.grantee
                     WHERE granted.privilege_type = 'USAGE' AND granted.grantee <> nspowner) AS roles,
                   EXISTS (SELECT FROM pg_class
                            WHERE relnamespace = pg_namespace.oid AND relname = 'installation') AS is_installed,
                   EXISTS (SELECT FROM pg_class
                            WHERE relnamespace = pg_namespace.oid AND relname = 'refinery_schema_history') AS is_migrated
              FROM pg_namespace
             WHERE nspname = 'pim_authz'";
        const BEFORE: &str = "-- check_schema
            SELECT max(version) AS version
              FROM pim_authz.refinery_schema_history";
        const SQL: &str = "-- check_installation
            SELECT (SELECT max(version) FROM pim_authz.refinery_schema_history) AS version,
                   oldest_program, quote_ident(runtime_role) AS runtime_role,
                   coalesce(runtime_role, '') IN ('', current_user) AS is_member
              FROM pim_authz.installation";
        let found = self.first_row(FIND, &[]).await?;
        let Some(found) = found.filter(|row| row.get("is_migrated")) else {
            return Err(too_old(0));
        };
        let not_a_member = |role: Option<String>| StoreError::NotAMember {
            login: found.get("login"),
            role,
        };
        if !found.get::<_, bool>("usable") {
            return Err(not_a_member(found.get("roles")));
        }
        if !found.get::<_, bool>("is_installed") {
            let row = self.first_row(BEFORE, &[]).await?;
            // No version is recorded before the first migration has committed.
            let version: Option<i32> = row.and_then(|row| row.get("version"));
            return Err(too_old(version.unwrap_or_default()));
        }
        let Some(row) = self.first_row(SQL, &[]).await? else {
            return Err(StoreError::empty("check_installation", "installation"));
        };
        if !row.get::<_, bool>("is_member") {
            return Err(not_a_member(row.get("runtime_role")));
        }
        check_version(row.get("version"), row.get("oldest_program"))?;
        self.expect_schema();
        Ok(())
    }
}

/// Checks that this program may use a schema of version `found`, which requires a
/// program that includes at least version `oldest_program`.
///
/// # Errors
///
/// [`StoreError::UnknownSchema`] if the schema or the program is too old.
pub(super) fn check_version(found: i32, oldest_program: i32) -> Result<(), StoreError> {
    let known = known_version();
    if found < known {
        return Err(too_old(found));
    }
    if oldest_program > known {
        return Err(StoreError::UnknownSchema {
            found,
            known,
            advice: "run a newer release of pim-authz",
        });
    }
    Ok(())
}

fn too_old(found: i32) -> StoreError {
    StoreError::UnknownSchema {
        found,
        known: known_version(),
        advice: "run `pim-authz migrate`, or serve with `--migrate`",
    }
}
