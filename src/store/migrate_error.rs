use super::StoreError;

/// Reason why a schema was not migrated. Nothing has changed, except possibly after
/// [`MigrateError::Store`].
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database is unavailable, or it rejected a statement.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// The name is not valid for a runtime role.
    #[error(
        "`{name}` cannot be a runtime role: a name has 1 to 63 bytes, does not begin with `pg_` \
         and is not `public`"
    )]
    InvalidRoleName {
        /// The invalid name.
        name: String,
    },

    /// The owner lacks privileges that the migration needs.
    #[error(
        "`{owner}` may not do all that a migration needs. Let an administrator of the database \
         run this, then migrate again:\n{}",
        .statements.join("\n")
    )]
    NeedsAdministrator {
        /// Role that migrates.
        owner: String,
        /// Statements for an administrator to run first.
        statements: Vec<String>,
    },

    /// A server is running on the database, and the migration would change its role.
    #[error(
        "a server works on this database as another role; stop all servers, then migrate again. \
         Nothing has changed"
    )]
    ServersRun,
}
