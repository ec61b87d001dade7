mod administration;
mod bindings;
mod callers;
mod client_tls;
mod database;
mod database_tls;
mod listing;
mod observation;
mod oidc;
mod question;
mod serve_tls;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum, builder::BoolishValueParser};
use clap_complete::Shell;

pub use self::{
    administration::{
        AccessArguments, AdministrationCommand, AppCommand, AuditCommand, ChangesArguments,
        DeleteArguments, EntityCommand, GrantArguments, GroupArguments, ListArguments,
        MaintenanceCommand, RoleArguments, SubjectArguments, TenantCommand, WatchArguments,
        WriteArguments,
    },
    bindings::BindingArguments,
    callers::{
        BootstrapArguments, CallerArguments, CallerClientCommand, CallerCommand,
        CredentialsArgument, KeyCommand, OnOff,
    },
    client_tls::ClientTlsArguments,
    database::DatabaseArguments,
    database_tls::{DatabaseTlsArguments, SslModeArgument},
    listing::{
        AccessFilterArguments, FilterArguments, ListAllowedArguments, ListSubjectsArguments,
        PageArguments, ReachArguments,
    },
    observation::{
        DecisionLogArgument, HttpArguments, HttpListen, LogArguments, LogFormatArgument,
        ObservationArguments, Share,
    },
    oidc::OidcArguments,
    question::{AboutArguments, ContextArguments, DescriptionArguments, QuestionArguments},
    serve_tls::ServeTlsArguments,
};

use super::{listen_address::ListenAddress, names::SubjectName, report::Output};
use crate::{domain::Code, pb};

/// Decides who may do what in a product-information-management platform.
///
/// Every option is also an environment variable: `--listen` is
/// `PIM_AUTHZ_LISTEN`; an empty one counts as unset. Exit status: 0 allowed or
/// done, 1 denied, 2 error, 3 an import that left rows out.
#[derive(Debug, Parser)]
#[command(name = "pim-authz", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer questions over gRPC, until Ctrl-C or SIGTERM.
    Serve(ServeArguments),
    /// Serve demo data to try things out, on a private PostgreSQL.
    Demo(DemoArguments),
    /// Bring a database up to date, as its owner.
    Migrate(MigrateArguments),
    /// Keep who may call the server: callers, their rights and their keys.
    Caller {
        /// What to do.
        #[command(subcommand)]
        command: CallerCommand,
    },
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// The commands that call a running server.
    #[command(flatten)]
    Client(ClientCommand),
}

/// The commands that call a running server.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Import a directory of the PIM's CSV files, whole or not at all.
    Import(ImportArguments),
    /// Check whether a subject may do something.
    Check {
        /// The question.
        #[command(flatten)]
        question: QuestionArguments,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Check, and show why and what would change the answer.
    Explain {
        /// The question.
        #[command(flatten)]
        question: QuestionArguments,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// List what a subject may do: with a resource on it, without one at all.
    ListActions {
        /// The subject: `user:julia`, `app:shop`, `connection:erp`.
        subject: SubjectName,
        /// What it is about.
        #[command(flatten)]
        about: AboutArguments,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// List the resources of a type that a subject may do an action on.
    ListAllowed(ListAllowedArguments),
    /// List who may do an action.
    ListSubjects(ListSubjectsArguments),
    /// Show which products a subject may do an action on, as a filter over
    /// categories for a search of your own.
    AccessFilter(AccessFilterArguments),
    /// The commands of the administration.
    #[command(flatten)]
    Administration(AdministrationCommand),
}

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// The address to answer gRPC on, as HOST:PORT; a name stands for its first
    /// IPv4 address, or the first of another kind.
    #[arg(long, env = "PIM_AUTHZ_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: ListenAddress,
    /// How TLS for callers is used.
    #[command(flatten)]
    pub tls: ServeTlsArguments,
    /// The database to work on; without one a private PostgreSQL is started.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// How TLS to the database is used.
    #[command(flatten)]
    pub database_tls: DatabaseTlsArguments,
    /// Where the private PostgreSQL keeps its files [default: ./.pim-authz, for
    /// root /var/lib/pim-authz].
    #[arg(
        long,
        env = "PIM_AUTHZ_DATA_DIR",
        value_name = "DIR",
        conflicts_with = "database"
    )]
    pub data_dir: Option<PathBuf>,
    /// The tenant that is meant where a question names none.
    #[arg(
        long,
        env = "PIM_AUTHZ_DEFAULT_TENANT",
        value_name = "CODE",
        default_value = "default"
    )]
    pub default_tenant: Code,
    /// How to keep facts in memory.
    #[command(flatten)]
    pub cache: CacheArguments,
    /// Bring the database up to date first, as `migrate` does. A private
    /// PostgreSQL always is.
    #[arg(long, env = "PIM_AUTHZ_MIGRATE", value_parser = BoolishValueParser::new())]
    pub migrate: bool,
    /// Wait for a database that refuses connections, is starting, has no
    /// connection free or is not migrated yet, instead of ending with status 2:
    /// live, but not ready.
    #[arg(long, env = "PIM_AUTHZ_WAIT_FOR_DATABASE", value_parser = BoolishValueParser::new())]
    pub wait_for_database: bool,
    /// How many seconds the calls under way may take to end after SIGTERM or
    /// Ctrl-C. Then the server ends within 5 seconds.
    #[arg(
        long = "drain-seconds",
        env = "PIM_AUTHZ_DRAIN_SECONDS",
        value_name = "SECONDS",
        default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(0..=3_600)
    )]
    pub drain_s: u32,
    /// What to take on at once.
    #[command(flatten)]
    pub limits: LimitArguments,
    /// Who may call.
    #[command(flatten)]
    pub callers: CallerArguments,
    /// What those who watch it see.
    #[command(flatten)]
    pub observation: ObservationArguments,
    /// How it answers HTTP without gRPC.
    #[command(flatten)]
    pub http: BindingArguments,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArguments,
    /// How many seconds a watcher of changes may take for one event before it
    /// is cut off.
    #[arg(
        long = "watch-patience",
        env = "PIM_AUTHZ_WATCH_PATIENCE",
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub watch_patience_s: u32,
}

/// What a server takes on at once.
#[derive(Clone, Copy, Debug, Args)]
pub struct LimitArguments {
    /// The most that the calls under way may take of memory, in MiB; half of it
    /// those of one tenant, and half of it those of one caller. More are refused as `OVERLOADED`.
    #[arg(
        long,
        env = "PIM_AUTHZ_CALL_MIB",
        value_name = "MIB",
        default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(16..=1_048_576)
    )]
    pub call_mib: u32,
    /// How many connections may be open at once, at most as many as the limit of
    /// open files allows; more are closed at once.
    #[arg(
        long = "max-connections",
        env = "PIM_AUTHZ_MAX_CONNECTIONS",
        value_name = "COUNT",
        default_value_t = 4_096,
        value_parser = clap::value_parser!(u32).range(1..=1_048_576)
    )]
    pub connections: u32,
    /// How many calls may be under way on one connection; callers wait with more.
    #[arg(
        long = "max-calls-a-connection",
        env = "PIM_AUTHZ_MAX_CALLS_A_CONNECTION",
        value_name = "COUNT",
        default_value_t = 128,
        value_parser = clap::value_parser!(u32).range(1..=65_536)
    )]
    pub calls_a_connection: u32,
    /// How many calls per second to take of each caller, in the long run; more are
    /// refused as `RATE_LIMITED`. A batch counts as one call. 0: no limit.
    #[arg(
        long,
        env = "PIM_AUTHZ_CALLER_RATE",
        value_name = "CALLS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub caller_rate: u32,
    /// How many calls to take at once of a caller that has not called for a while
    /// [default: those of one second].
    #[arg(
        long,
        env = "PIM_AUTHZ_CALLER_BURST",
        value_name = "CALLS",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub caller_burst: Option<u32>,
}

/// How to keep facts in memory, and how to keep that true.
#[derive(Clone, Copy, Debug, Args)]
pub struct CacheArguments {
    /// Whether to answer from memory.
    #[arg(long, env = "PIM_AUTHZ_CACHE", value_enum, default_value_t = CacheMode::On)]
    pub cache: CacheMode,
    /// The most that is kept in memory, in MiB.
    #[arg(
        long,
        env = "PIM_AUTHZ_CACHE_MIB",
        value_name = "MIB",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=1_048_576)
    )]
    pub cache_mib: u32,
    /// How many milliseconds the server may answer after it sent the last
    /// successful renewal of its lease. A server that fails delays one write for
    /// as long; an outage of the database is bridged for as long.
    #[arg(
        long,
        env = "PIM_AUTHZ_LEASE_MS",
        value_name = "MS",
        default_value_t = 5_000,
        value_parser = clap::value_parser!(u32).range(500..=60_000)
    )]
    pub lease_ms: u32,
    /// How often, in milliseconds, the server polls the log of announcements
    /// without a notification from PostgreSQL.
    #[arg(
        long,
        env = "PIM_AUTHZ_POLL_MS",
        value_name = "MS",
        default_value_t = 150,
        value_parser = clap::value_parser!(u32).range(10..=1_000)
    )]
    pub poll_ms: u32,
}

/// Whether to answer from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CacheMode {
    /// From memory, where that is current.
    On,
    /// From the database, for every question.
    Off,
}

/// How to run the demonstration.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// The address to answer gRPC on, as HOST:PORT; a name stands for its first
    /// IPv4 address, or the first of another kind.
    #[arg(long, env = "PIM_AUTHZ_LISTEN", default_value = "127.0.0.1:50051")]
    pub listen: ListenAddress,
    /// Where the private PostgreSQL keeps its files [default: ./.pim-authz, for
    /// root /var/lib/pim-authz].
    #[arg(long, env = "PIM_AUTHZ_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where metrics and probes are served.
    #[command(flatten)]
    pub http: HttpArguments,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArguments,
}

/// What to bring up to date.
#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// The database, as its owner.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// How TLS to the database is used.
    #[command(flatten)]
    pub database_tls: DatabaseTlsArguments,
    /// The role that servers are to work as, made if it is not there; `none`: no
    /// role, they work as whoever they log in as. By default the one that the
    /// schema names, or a new one with a unique name. Another one than before
    /// needs all servers stopped.
    #[arg(long, env = "PIM_AUTHZ_RUNTIME_ROLE", value_name = "NAME")]
    pub runtime_role: Option<String>,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArguments,
}

/// The server to call, and how to show the answer.
#[derive(Clone, Debug, Args)]
pub struct ServerArguments {
    /// The server to call.
    #[arg(
        long,
        env = "PIM_AUTHZ_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    pub server: String,
    /// How TLS to the server is used.
    #[command(flatten)]
    pub tls: ClientTlsArguments,
    /// A file with the key (`pimauthz_…`) or OIDC token to send, where the server requires
    /// credentials.
    #[arg(long, env = "PIM_AUTHZ_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The tenant that is meant.
    #[arg(
        long,
        env = "PIM_AUTHZ_TENANT",
        value_name = "CODE",
        default_value = "default"
    )]
    pub tenant: String,
    /// Tables for people, or one JSON document for programs.
    #[arg(long, env = "PIM_AUTHZ_OUTPUT", value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// What to import, and how.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Clone, Debug, Args)]
pub struct ImportArguments {
    /// The directory of CSV files.
    pub dir: PathBuf,
    /// The tenant's edition; needed when the tenant is new.
    #[arg(long, env = "PIM_AUTHZ_EDITION", value_enum)]
    pub edition: Option<EditionArgument>,
    /// Show what would change, and change nothing.
    #[arg(long, env = "PIM_AUTHZ_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// Leave refused rows out instead of refusing the import; if there are any,
    /// the exit status is 3.
    #[arg(long, env = "PIM_AUTHZ_SKIP_BAD_ROWS", value_parser = BoolishValueParser::new())]
    pub skip_bad_rows: bool,
    /// Remove what the files do not name, of each kind whose file is there.
    #[arg(long, env = "PIM_AUTHZ_PRUNE", value_parser = BoolishValueParser::new())]
    pub prune: bool,
    /// Prune even if more than a fifth of a kind would go.
    #[arg(long, env = "PIM_AUTHZ_PRUNE_ALL", value_parser = BoolishValueParser::new())]
    pub prune_all: bool,
    /// The key column of products.csv [default: the first there is of sku,
    /// identifier, uuid, code].
    #[arg(long, env = "PIM_AUTHZ_PRODUCT_KEY", value_name = "COLUMN")]
    pub product_key: Option<String>,
    /// Write the refused rows to a file, as JSON lines.
    #[arg(long, env = "PIM_AUTHZ_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Who imports, for the audit log [default: user:$USER].
    #[arg(long, env = "PIM_AUTHZ_ACTOR", value_name = "SUBJECT")]
    pub actor: Option<String>,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// The edition of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EditionArgument {
    /// Access rights count.
    Enterprise,
    /// Access rights do not count.
    Growth,
    /// Access rights do not count.
    Community,
}

impl From<EditionArgument> for pb::Edition {
    fn from(edition: EditionArgument) -> Self {
        match edition {
            EditionArgument::Enterprise => Self::Enterprise,
            EditionArgument::Growth => Self::Growth,
            EditionArgument::Community => Self::Community,
        }
    }
}

impl ClientCommand {
    /// Output format of the command.
    #[must_use]
    pub fn output(&self) -> Output {
        match self {
            Self::Import(arguments) => arguments.server.output,
            Self::ListAllowed(arguments) => arguments.server.output,
            Self::ListSubjects(arguments) => arguments.server.output,
            Self::AccessFilter(arguments) => arguments.server.output,
            Self::Check { server, .. }
            | Self::Explain { server, .. }
            | Self::ListActions { server, .. } => server.output,
            Self::Administration(command) => command.output(),
        }
    }
}

/// Generates the completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pim-authz", &mut script);
    script
}

#[cfg(test)]
mod tests;
