//! The runtime role: the PostgreSQL role that the servers of an installation use.
//!
//! Roles belong to a whole PostgreSQL cluster, so each installation has its own:
//! membership in it grants access to one database only.

use tokio_postgres::Client;
use uuid::Uuid;

use super::{MigrateError, StoreError};

/// Runtime role shared by all installations of a PostgreSQL cluster, up to
/// version 6 of the schema.
const SHARED_ROLE: &str = "pim_authz_runtime";

/// Choice of the role that the servers of an installation use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RuntimeRole {
    /// The stored role; a new role with a unique name if none is stored.
    #[default]
    Stored,
    /// The role with this name; created if it does not exist.
    Named(String),
    /// No role: servers keep their login role.
    Login,
}

impl RuntimeRole {
    /// Parses the value of a command-line option: absent, `none` or a name.
    #[must_use]
    pub fn of(option: Option<String>) -> Self {
        match option {
            None => Self::Stored,
            Some(value) if value == "none" => Self::Login,
            Some(name) => Self::Named(name),
        }
    }
}

/// Database to be migrated, with its roles and the privileges of the owner.
#[derive(Debug)]
pub(super) struct Place {
    /// Role that migrates.
    pub(super) owner: String,
    /// True if the table of leases exists, so that servers may be running.
    pub(super) has_leases: bool,
    database: String,
    /// Owner of the schema, if `owner` lacks the privileges of that role.
    schema_owner: Option<String>,
    /// Stored runtime role, empty for the login role; `None` if not chosen yet.
    stored: Option<String>,
    may: Privileges,
    is_temporary_for_all: bool,
    /// Names of all roles, each with true if the owner is a member.
    roles: Vec<(String, bool)>,
    /// Roles other than the owner that are members of the shared role.
    shared_members: Vec<String>,
    /// True if the shared role has any privilege on the schema.
    is_shared: bool,
}

/// Privileges of the role that migrates.
#[derive(Debug)]
struct Privileges {
    create_roles: bool,
    create_schema: bool,
    grant_temporary: bool,
}

impl Place {
    /// Reads the state of the database and the privileges of the session's role.
    pub(super) async fn find(client: &Client) -> Result<Self, StoreError> {
        const SQL: &str = include_str!("find_place.sql");
        const STORED: &str = "-- find_runtime_role
            SELECT runtime_role FROM pim_authz.installation";
        let failed = |error| StoreError::of("find_place", error);
        let row = client
            .query_one(SQL, &[&SHARED_ROLE])
            .await
            .map_err(failed)?;
        let has_schema: bool = row.get("has_schema");
        let other_owner: Option<String> = row.get("other_owner");
        let stored = if row.get("is_installed") && other_owner.is_none() {
            let stored = client.query_opt(STORED, &[]).await.map_err(failed)?;
            stored.and_then(|row| row.get("runtime_role"))
        } else {
            None
        };
        let memberships: Vec<String> = row.get("memberships");
        let with_membership = |name: String| {
            let is_member = memberships.contains(&name);
            (name, is_member)
        };
        let roles: Vec<String> = row.get("roles");
        Ok(Self {
            owner: row.get("owner"),
            has_leases: row.get("has_leases"),
            database: row.get("database"),
            schema_owner: other_owner,
            stored,
            may: Privileges {
                create_roles: row.get("may_create_roles"),
                create_schema: has_schema || row.get("may_create_schema"),
                grant_temporary: row.get("may_grant_temporary"),
            },
            is_temporary_for_all: row.get("is_temporary_for_all"),
            roles: roles.into_iter().map(with_membership).collect(),
            shared_members: row.get("shared_members"),
            is_shared: row.get("is_shared"),
        })
    }

    /// Returns the role that servers are to use; `None` for their login role.
    ///
    /// # Errors
    ///
    /// [`MigrateError::InvalidRoleName`] if it is not a valid name of a role.
    pub(super) fn choose(&self, wanted: &RuntimeRole) -> Result<Option<String>, MigrateError> {
        let name = match (wanted, &self.stored) {
            (RuntimeRole::Named(name), _) => name.clone(),
            (RuntimeRole::Login, _) => return Ok(None),
            (RuntimeRole::Stored, Some(stored)) if stored.is_empty() => return Ok(None),
            (RuntimeRole::Stored, Some(stored)) => stored.clone(),
            (RuntimeRole::Stored, None) => unique_name(),
        };
        if !(1..=63).contains(&name.len())
            || name.starts_with("pg_")
            || name == "public"
            || name.contains('\0')
        {
            return Err(MigrateError::InvalidRoleName { name });
        }
        Ok(Some(name))
    }

    /// Returns true if `role` differs from the stored role, so that running servers
    /// would lose their privileges.
    pub(super) fn moves_to(&self, role: Option<&str>) -> bool {
        self.stored.as_deref() != Some(role.unwrap_or_default())
    }

    /// Returns the statements that an administrator must run before the migration.
    pub(super) fn needed_of_administrator(&self, role: Option<&str>) -> Vec<String> {
        let mut statements = Vec::new();
        if let Some(owner) = &self.schema_owner {
            statements.push(format!(
                "-- the schema belongs to {owner}: migrate as {owner}, or\nALTER SCHEMA pim_authz OWNER TO {};",
                quoted(&self.owner)
            ));
        }
        if !self.may.create_schema {
            statements.push(format!(
                "GRANT CREATE ON DATABASE {} TO {};",
                quoted(&self.database),
                quoted(&self.owner)
            ));
        }
        let Some(role) = role else {
            return statements;
        };
        let has_role = self.membership(role).is_some();
        if !has_role && !self.may.create_roles {
            statements.push(format!("CREATE ROLE {} NOLOGIN;", quoted(role)));
            statements.push(format!(
                "-- and migrate with: --runtime-role {role}   (or, without a role: --runtime-role none)"
            ));
        }
        if !self.is_temporary_for_all && !self.may.grant_temporary {
            statements.push(self.temporary(role));
        }
        statements
    }

    /// Returns true if the owner is a member of a role; `None` if the role does not
    /// exist.
    fn membership(&self, role: &str) -> Option<bool> {
        let found = self.roles.iter().find(|(name, _)| name == role);
        found.map(|(_, is_member)| *is_member)
    }

    fn temporary(&self, role: &str) -> String {
        format!(
            "GRANT TEMPORARY ON DATABASE {} TO {};",
            quoted(&self.database),
            quoted(role)
        )
    }

    /// Returns the SQL that creates the schema and the role before the migrations.
    pub(super) fn preparation(&self, role: Option<&str>) -> String {
        let mut sql = vec![
            "-- prepare_migration".to_owned(),
            "CREATE SCHEMA IF NOT EXISTS pim_authz; SET search_path = pim_authz;".to_owned(),
        ];
        if let Some(role) = role {
            let membership = self.membership(role);
            let (role, owner) = (quoted(role), quoted(&self.owner));
            if membership.is_none() {
                sql.push(format!("CREATE ROLE {role} NOLOGIN;"));
            }
            // Servers may then log in as the owner, too.
            if membership != Some(true) && self.may.create_roles {
                sql.push(format!("GRANT {role} TO {owner};"));
            }
        }
        sql.join("\n")
    }

    /// Returns the SQL that grants the role its privileges, revokes them from the
    /// former roles and from PUBLIC, and stores the role. Run at each migration, so
    /// that new tables are covered.
    pub(super) fn grants(&self, role: Option<&str>) -> String {
        let mut sql = vec![
            "-- grant".to_owned(),
            "BEGIN;".to_owned(),
            CLOSED.to_owned(),
        ];
        let database = quoted(&self.database);
        for former in self.former(role) {
            let former = quoted(former);
            sql.push(NO_RIGHTS.replace("{role}", &former));
            if self.may.grant_temporary {
                sql.push(format!("REVOKE ALL ON DATABASE {database} FROM {former};"));
            }
        }
        if let Some(role) = role {
            if self.may.grant_temporary {
                sql.push(self.temporary(role));
            }
            sql.push(RIGHTS.replace("{role}", &quoted(role)));
        }
        let stored = role.unwrap_or_default().replace('\'', "''");
        sql.push(format!(
            "UPDATE installation SET runtime_role = '{stored}' WHERE runtime_role IS DISTINCT FROM '{stored}';"
        ));
        sql.push("COMMIT;".to_owned());
        sql.join("\n")
    }

    /// Returns the existing roles that servers used before, without `role`.
    fn former(&self, role: Option<&str>) -> Vec<&str> {
        let stored = self.stored.as_deref().filter(|stored| !stored.is_empty());
        let shared = self.is_shared.then_some(SHARED_ROLE);
        let mut former: Vec<&str> = stored.into_iter().chain(shared).collect();
        former.dedup();
        former.retain(|former| Some(*former) != role && self.membership(former).is_some());
        former
    }

    /// Returns the steps left to the administrator of logins, if the role changes.
    pub(super) fn left_to_do(&self, role: Option<&str>) -> Vec<String> {
        let Some(role) = role.filter(|role| self.moves_to(Some(role))) else {
            return Vec::new();
        };
        let formers = self.former(Some(role));
        let role = quoted(role);
        let mut lines = vec![format!(
            "-- let each login of a server work as it, unless it is {}:\n--   GRANT {role} TO login;",
            quoted(&self.owner)
        )];
        let database = quoted(&self.database);
        for former in formers {
            let members = if self.shared_members.is_empty() {
                "nobody else".to_owned()
            } else {
                self.shared_members.join(", ")
            };
            let former = quoted(former);
            lines.push(format!(
                "-- {former} has no rights on {database} any more (its members: {members}). Once no other\n\
                 -- database needs it, and for logins that must not reach this one:\n\
                 --   REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO {role};\n\
                 --   DROP ROLE {former};"
            ));
        }
        lines
    }
}

/// Revokes all privileges on the schema and its functions from PUBLIC.
const CLOSED: &str = "
    REVOKE ALL ON SCHEMA pim_authz FROM PUBLIC;
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pim_authz FROM PUBLIC;";

/// Revokes all privileges on the schema from a role.
const NO_RIGHTS: &str = "
    REVOKE ALL ON SCHEMA pim_authz FROM {role};
    REVOKE ALL ON ALL TABLES IN SCHEMA pim_authz FROM {role};
    REVOKE ALL ON ALL SEQUENCES IN SCHEMA pim_authz FROM {role};
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pim_authz FROM {role};";

/// Grants a role the right to write all facts, but only to append to the audit log.
const RIGHTS: &str = "
    GRANT USAGE ON SCHEMA pim_authz TO {role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pim_authz TO {role};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA pim_authz TO {role};
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pim_authz TO {role};
    REVOKE EXECUTE ON FUNCTION erase_name(text, text), is_owner(), mark_written(), mark_rewritten(), mark_tenant_written(),
                               require_audit() FROM {role};
    REVOKE UPDATE, DELETE, TRUNCATE ON audit FROM {role};
    REVOKE ALL ON written FROM {role};
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON secret_key, installation, refinery_schema_history FROM {role};";

fn unique_name() -> String {
    let unique = Uuid::now_v7().simple().to_string();
    // The leading digits encode the time; the last 12 of 32 are mostly random.
    format!("pim_authz_{}", unique.get(20..).unwrap_or(&unique))
}

/// Quotes a name as an SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
