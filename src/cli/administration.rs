//! The administration commands: writes, and reads of the stored state.

mod access;
mod apps;
mod callers;
mod changes;
mod directory;
mod effective;
mod operations;
mod tenants;
mod writes;

use serde_json::{Value, json};

pub(super) use self::callers::callers;

use super::{
    Answer, CliError, Exit, Output,
    arguments::AdministrationCommand,
    report::{document, lines},
    words,
};

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

/// Renders a complete list, as a table or as one JSON document.
fn listed(
    output: Output,
    entity: &str,
    header: &[&str],
    rows: Vec<(Vec<String>, Value)>,
    revision: u64,
) -> Answer {
    let count = rows.len();
    let (cells, values): (Vec<Vec<String>>, Vec<Value>) = rows.into_iter().unzip();
    if output == Output::Json {
        let value = json!({ "entries": values, "revision": revision });
        return Answer::new(document(&value), Exit::Done);
    }
    let counted = format!("{} at revision {revision}", words::counted(count, entity));
    let table = if count == 0 {
        String::new()
    } else {
        super::report::table(header, cells)
    };
    Answer::new(table + &lines([counted]), Exit::Done)
}

/// Reads all pages of a list; gives its entries and the revision of the last page.
macro_rules! every_page {
    ($client:expr, $call:ident, $request:expr, $field:ident) => {{
        let mut request = $request;
        let mut found = Vec::new();
        loop {
            let page = $client
                .$call(crate::cli::connection::patient(request.clone()))
                .await?
                .into_inner();
            found.extend(page.$field);
            if page.next_page_token.is_empty() {
                break (found, page.revision);
            }
            request.page_token = page.next_page_token;
        }
    }};
}
use every_page;
