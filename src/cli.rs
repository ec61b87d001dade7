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

mod arguments;
mod connection;
mod failure;
mod grpcurl;
mod import;
mod json;
mod names;
mod question;
mod report;
mod tree;
mod words;

pub use self::{
    arguments::{
        CacheMode, Cli, ClientCommand, Command, DemoArguments, ImportArguments, MigrateArguments,
        QuestionArguments, ServeArguments, ServerArguments, completions,
    },
    connection::connect,
    failure::{CliError, FieldProblem, Refusal},
    grpcurl::{grpcurl_line, question_of},
    import::{ImportEnd, SourceFile, import_files},
    names::{ResourceName, SubjectName},
    report::{Answer, Exit, Output, answer_sentence},
};

/// Runs a command that asks a server, and gives what it has to say.
pub async fn run(command: &ClientCommand) -> Answer {
    let output = command.server().output;
    let answered = match command {
        ClientCommand::Check { question, server } => question::check(question, server).await,
        ClientCommand::Explain { question, server } => question::explain(question, server).await,
        ClientCommand::ListActions {
            subject,
            resource,
            context,
            server,
        } => question::list_actions(subject, resource.as_ref(), context, server).await,
        ClientCommand::Import(arguments) => import::run(arguments).await,
    };
    answered.unwrap_or_else(|error| Answer::failed(&error, output))
}
