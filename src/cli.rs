//! The command line: arguments, tables, progress.
//!
//! Every command but `serve`, `demo`, `migrate` and `completions` is a gRPC
//! client, like any caller: it asks a running server and shows the answer, as
//! tables for people or, with `--output json`, as one JSON document for
//! programs. `pim-authz check user:julia edit product:hat` prints
//!
//! ```text
//! allowed
//!   level     own
//!   edit mode direct
//!   revision  4
//! ```
//!
//! and ends with status 0. Exit statuses: 0 allowed or done, 1 denied, 2 error.
//!
//! A list asked for with `--all` is printed row by row as it comes, whatever
//! its length, as JSON one object a line. Its end is told on standard error; a
//! list that breaks off is tried again where it stopped, and if that fails says
//! that it is not whole and ends with status 2.

mod access_filter;
mod administration;
mod arguments;
mod connection;
mod environment;
mod failure;
mod grpcurl;
mod import;
mod json;
mod list_allowed;
mod list_subjects;
mod listen_address;
mod names;
mod progress;
mod question;
mod report;
mod resuming;
mod rows;
#[cfg(test)]
mod scripted_server;
mod tree;
mod words;

pub use self::{
    arguments::{
        AboutArguments, AccessArguments, AccessFilterArguments, AdministrationCommand, AppCommand,
        AuditCommand, BootstrapArguments, CacheArguments, CacheMode, CallerArguments,
        CallerClientCommand, CallerCommand, ChangesArguments, Cli, ClientCommand,
        ClientTlsArguments, Command, ContextArguments, CredentialsArgument, DatabaseArguments,
        DatabaseTlsArguments, DecisionLogArgument, DeleteArguments, DemoArguments,
        DescriptionArguments, FilterArguments, GrantArguments, GroupCommand, HttpArguments,
        HttpListen, ImportArguments, KeyCommand, LimitArguments, ListAllowedArguments,
        ListArguments, ListSubjectsArguments, LogArguments, LogFormatArgument, MaintenanceCommand,
        MigrateArguments, ObservationArguments, OidcArguments, OnOff, PageArguments,
        QuestionArguments, ReachArguments, RoleCommand, ServeArguments, ServeTlsArguments,
        ServerArguments, Share, SslModeArgument, SubjectCommand, TenantCommand, WatchArguments,
        WriteArguments, completions,
    },
    connection::connect,
    failure::{CliError, FieldProblem, Refusal},
    grpcurl::{grpcurl_line, question_of},
    import::{ImportEnd, SourceFile, import_files},
    listen_address::{ListenAddress, ListenAddressInvalid},
    names::{ResourceName, SubjectName},
    report::{Answer, Exit, Output, answer_sentence},
};

/// Runs a command about callers that asks a server, as [`run`].
pub async fn run_callers(command: &CallerClientCommand) -> Answer {
    let answered = administration::callers(command).await;
    answered.unwrap_or_else(|error| Answer::failed(&error, command.output()))
}

/// Runs a command that asks a server, and gives what it has to say.
pub async fn run(command: &ClientCommand) -> Answer {
    let output = command.output();
    let answered = match command {
        ClientCommand::Check { question, server } => question::check(question, server).await,
        ClientCommand::Explain { question, server } => question::explain(question, server).await,
        ClientCommand::ListActions {
            subject,
            about,
            server,
        } => question::list_actions(subject, about, server).await,
        ClientCommand::ListAllowed(arguments) => list_allowed::run(arguments).await,
        ClientCommand::ListSubjects(arguments) => list_subjects::run(arguments).await,
        ClientCommand::AccessFilter(arguments) => access_filter::run(arguments).await,
        ClientCommand::Import(arguments) => import::run(arguments).await,
        ClientCommand::Administration(command) => administration::run(command).await,
    };
    answered.unwrap_or_else(|error| Answer::failed(&error, output))
}
