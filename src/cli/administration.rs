//! The administration commands: writes, and reads of the stored state.

mod access;
mod apps;
mod callers;
mod changes;
mod directory;
mod effective;
mod lists;
mod operations;
mod tenants;
mod writes;

pub(super) use self::callers::callers;

use super::{Answer, CliError, arguments::AdministrationCommand};

/// Runs an administration command.
pub(super) async fn run(command: &AdministrationCommand) -> Result<Answer, CliError> {
    match command {
        AdministrationCommand::Tenant { command } => tenants::run(command).await,
        AdministrationCommand::User { command } => directory::users(command).await,
        AdministrationCommand::Connection { command } => directory::connections(command).await,
        AdministrationCommand::Group { command } => directory::groups(command).await,
        AdministrationCommand::Role { command } => directory::roles(command).await,
        AdministrationCommand::Grant(arguments) => access::grant(arguments).await,
        AdministrationCommand::Revoke(arguments) => access::revoke(arguments).await,
        AdministrationCommand::Access(arguments) => access::show(arguments).await,
        AdministrationCommand::App { command } => apps::run(command).await,
        AdministrationCommand::Changes(arguments) => changes::list(arguments).await,
        AdministrationCommand::Watch(arguments) => changes::watch(arguments).await,
        AdministrationCommand::Audit { command } => changes::verify(command).await,
        AdministrationCommand::Status { server } => operations::status(server).await,
        AdministrationCommand::Maintenance { command } => operations::maintain(command).await,
    }
}
