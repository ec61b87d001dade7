//! The command line: arguments, client commands, tables, progress.
//!
//! Every command is a gRPC client except `serve`, `demo`, `migrate`,
//! `completions`, `caller bootstrap` and `caller new-key`: it calls a running
//! server and prints the response, as tables for people or, with `--output json`,
//! as one JSON document for programs: the response message of the contract. `pim-authz check user:julia edit product:hat`
//! prints
//!
//! ```text
//! allowed
//!   level     own
//!   edit mode direct
//!   revision  4
//! ```
//!
//! and exits with status 0. Exit statuses: 0 allowed or done, 1 denied, 2 error,
//! 3 an import that skipped rows.
//!
//! A list read with `--all` is printed row by row as it arrives, whatever its
//! length; as JSON, one object per line. Its end is reported on standard error. A
//! stream that breaks off is resumed where it stopped; if that fails, the list is
//! reported as incomplete and the exit status is 2.

mod access_filter;
mod administration;
mod arguments;
mod connection;
mod counted;
mod effect;
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
        AuditCommand, BindingArguments, BootstrapArguments, CacheArguments, CacheMode,
        CallerArguments, CallerClientCommand, CallerCommand, ChangesArguments, Cli, ClientCommand,
        ClientTlsArguments, Command, ContextArguments, CredentialsArgument, DatabaseArguments,
        DatabaseTlsArguments, DecisionLogArgument, DeleteArguments, DemoArguments,
        DescriptionArguments, EntityCommand, FilterArguments, GrantArguments, GroupArguments,
        HttpArguments, HttpListen, ImportArguments, KeyCommand, LimitArguments,
        ListAllowedArguments, ListArguments, ListSubjectsArguments, LogArguments,
        LogFormatArgument, MaintenanceCommand, MigrateArguments, ObservationArguments,
        OidcArguments, OnOff, PageArguments, QuestionArguments, ReachArguments, RoleArguments,
        ServeArguments, ServeTlsArguments, ServerArguments, Share, SslModeArgument,
        SubjectArguments, TenantCommand, WatchArguments, WriteArguments, completions,
    },
    connection::connect,
    failure::{CliError, FieldProblem, Refusal},
    grpcurl::{grpcurl_line, question_of},
    import::{ImportEnd, SourceFile, import_files},
    listen_address::{ListenAddress, ListenAddressInvalid},
    names::{ResourceName, SubjectName},
    report::{Answer, Exit, Output, answer_sentence},
};

/// Runs a client command about callers, like [`run`].
pub async fn run_callers(command: &CallerClientCommand) -> Answer {
    let answered = administration::callers(command).await;
    answered.unwrap_or_else(|error| Answer::failed(&error, command.output()))
}

/// Runs a client command against a server and returns its output and exit status.
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
