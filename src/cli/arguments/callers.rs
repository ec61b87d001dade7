use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, builder::BoolishValueParser};

use super::{
    DatabaseArguments, DatabaseTlsArguments, LogArguments, OidcArguments, ServerArguments,
    WriteArguments,
};
use crate::cli::{Output, names::Categories};

/// Who may call a server.
#[derive(Clone, Debug, Args)]
pub struct CallerArguments {
    /// Whether calls need credentials [default: optional on loopback; elsewhere they
    /// always do].
    #[arg(long, env = "PIM_AUTHZ_CREDENTIALS", value_enum)]
    pub credentials: Option<CredentialsArgument>,
    /// Listen off loopback without TLS: the keys of callers can be read on the way,
    /// unless something else encrypts.
    #[arg(long, env = "PIM_AUTHZ_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
    /// Whether anyone may read the contract by server reflection, as grpcurl does
    /// [default: on where calls need no credentials].
    #[arg(long, env = "PIM_AUTHZ_REFLECTION", value_enum)]
    pub reflection: Option<OnOff>,
    /// A file with a key, as `caller new-key` prints it: at the start the first
    /// caller, `bootstrap`, is stored with it, unless there are callers already.
    #[arg(long, env = "PIM_AUTHZ_BOOTSTRAP_KEY_FILE", value_name = "FILE")]
    pub bootstrap_key_file: Option<PathBuf>,
    /// Whose OIDC tokens are accepted.
    #[command(flatten)]
    pub oidc: OidcArguments,
}

/// Whether calls need credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CredentialsArgument {
    /// Without them a call is refused.
    Required,
    /// Without them a call may do anything.
    Optional,
}

/// A switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// What to do about callers.
#[derive(Clone, Debug, Subcommand)]
pub enum CallerCommand {
    /// Store the first caller, `bootstrap`, which may call everything, and print its
    /// key; nothing happens where there are callers already.
    Bootstrap(BootstrapArguments),
    /// Print a key for `serve --bootstrap-key-file`; it is stored nowhere.
    NewKey,
    /// Commands to a running server.
    #[command(flatten)]
    Client(Box<CallerClientCommand>),
}

/// Where the first caller is stored.
#[derive(Clone, Debug, Args)]
pub struct BootstrapArguments {
    /// The database, as its owner.
    #[command(flatten)]
    pub database: DatabaseArguments,
    /// How TLS to the database is used.
    #[command(flatten)]
    pub database_tls: DatabaseTlsArguments,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArguments,
}

/// Commands to a running server about callers.
#[derive(Clone, Debug, Subcommand)]
pub enum CallerClientCommand {
    /// List them, with their keys.
    List {
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Create or replace one; its keys stay.
    Put {
        /// The name.
        name: String,
        /// The tenants that it may name: `a,b`.
        #[arg(long, env = "PIM_AUTHZ_TENANTS", value_name = "CODES")]
        tenants: Option<Categories>,
        /// It may name every tenant, later ones included.
        #[arg(long, env = "PIM_AUTHZ_ALL_TENANTS", value_parser = BoolishValueParser::new())]
        all_tenants: bool,
        /// What it may call, of check, list, administer, audit, operate: `check,list`.
        #[arg(
            long,
            env = "PIM_AUTHZ_RIGHTS",
            value_name = "RIGHTS",
            value_delimiter = ','
        )]
        rights: Vec<String>,
        /// A subject alternative name of its client certificates; may be repeated.
        #[arg(long = "san", env = "PIM_AUTHZ_SAN", value_name = "NAME")]
        sans: Vec<String>,
        /// An identity of its OIDC tokens, as `ISSUER SUBJECT`; may be repeated.
        #[arg(long = "oidc", env = "PIM_AUTHZ_OIDC", value_name = "IDENTITY")]
        oidc: Vec<String>,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Delete them, with their keys.
    Delete {
        /// The names.
        #[arg(required = true)]
        names: Vec<String>,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Keep their keys.
    Key {
        /// What to do.
        #[command(subcommand)]
        command: KeyCommand,
    },
}

/// What to do with keys.
#[derive(Clone, Debug, Subcommand)]
pub enum KeyCommand {
    /// Create one and print it, this once.
    Create {
        /// The caller whose key it is.
        caller: String,
        /// After how many days it is refused; without it, when it is deleted.
        #[arg(
            long,
            env = "PIM_AUTHZ_VALID_DAYS",
            value_name = "DAYS",
            value_parser = clap::value_parser!(u32).range(1..=10_000)
        )]
        valid_days: Option<u32>,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Delete one: it is refused from then on.
    Delete {
        /// Its id, as `caller list` shows it.
        id: String,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
}

impl CallerClientCommand {
    /// Output format of the command.
    #[must_use]
    pub fn output(&self) -> Output {
        match self {
            Self::List { server } => server.output,
            Self::Put { write, .. }
            | Self::Delete { write, .. }
            | Self::Key {
                command: KeyCommand::Create { write, .. } | KeyCommand::Delete { write, .. },
            } => write.server.output,
        }
    }
}
