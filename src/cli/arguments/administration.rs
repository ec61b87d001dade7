use clap::{Args, Subcommand, builder::BoolishValueParser};

use super::{EditionArgument, ServerArguments};
use crate::cli::{
    Output,
    names::{Categories, ResourceName, SubjectName},
};

/// The commands of the administration.
#[derive(Debug, Subcommand)]
pub enum AdministrationCommand {
    /// Keep tenants: one PIM each.
    Tenant {
        /// What to do.
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Keep users.
    User {
        /// What to do.
        #[command(subcommand)]
        command: EntityCommand<SubjectArguments>,
    },
    /// Keep API connections.
    Connection {
        /// What to do.
        #[command(subcommand)]
        command: EntityCommand<SubjectArguments>,
    },
    /// Keep user groups.
    Group {
        /// What to do.
        #[command(subcommand)]
        command: EntityCommand<GroupArguments>,
    },
    /// Keep roles.
    Role {
        /// What to do.
        #[command(subcommand)]
        command: EntityCommand<RoleArguments>,
    },
    /// Raise the level of a user group on an item.
    Grant(GrantArguments),
    /// Take a level of a user group on an item, with those above it.
    Revoke(GrantArguments),
    /// Show rights: of one item, of a user group, or all that a subject holds.
    Access(AccessArguments),
    /// Keep connected apps.
    App {
        /// What to do.
        #[command(subcommand)]
        command: AppCommand,
    },
    /// List what was changed, by whom and when.
    Changes(ChangesArguments),
    /// Print changes as they are committed.
    Watch(WatchArguments),
    /// Look after the audit log.
    Audit {
        /// What to do.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Show the state of a server's cache and lease.
    Status {
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Change facts by hand, by SQL.
    Maintenance {
        /// What to do.
        #[command(subcommand)]
        command: MaintenanceCommand,
    },
}

/// What to do about a maintenance.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Keep every server from using its memory, and get the pass that SQL has to
    /// show.
    Begin {
        /// The actor [default: user:$USER].
        #[arg(long, env = "PIM_AUTHZ_ACTOR", value_name = "SUBJECT")]
        actor: Option<String>,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Let memory fill again.
    End {
        /// What `begin` printed.
        pass: String,
        /// The actor [default: user:$USER].
        #[arg(long, env = "PIM_AUTHZ_ACTOR", value_name = "SUBJECT")]
        actor: Option<String>,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
}

impl AdministrationCommand {
    /// Output format of the command.
    #[must_use]
    pub fn output(&self) -> Output {
        match self {
            Self::Grant(arguments) | Self::Revoke(arguments) => arguments.write.server.output,
            Self::Access(arguments) => arguments.server.output,
            Self::Changes(arguments) => arguments.server.output,
            Self::Watch(arguments) => arguments.server.output,
            Self::Tenant { command } => command.output(),
            Self::User { command } | Self::Connection { command } => command.output(),
            Self::Group { command } => command.output(),
            Self::Role { command } => command.output(),
            Self::App { command } => command.output(),
            Self::Audit {
                command: AuditCommand::Verify { server, .. },
            }
            | Self::Status { server }
            | Self::Maintenance {
                command:
                    MaintenanceCommand::Begin { server, .. } | MaintenanceCommand::End { server, .. },
            } => server.output,
        }
    }
}

/// How to write.
#[derive(Clone, Debug, Args)]
pub struct WriteArguments {
    /// The actor, for the audit log [default: user:$USER].
    #[arg(long, env = "PIM_AUTHZ_ACTOR", value_name = "SUBJECT")]
    pub actor: Option<String>,
    /// Do everything but commit, and show what would change.
    #[arg(long, env = "PIM_AUTHZ_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// Names this write, so that the same command again changes nothing more.
    #[arg(long, env = "PIM_AUTHZ_IDEMPOTENCY_KEY", value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What to list of what is stored.
#[derive(Clone, Debug, Args)]
pub struct ListArguments {
    /// Only these [default: all].
    pub codes: Vec<String>,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What to delete.
#[derive(Clone, Debug, Args)]
pub struct DeleteArguments {
    /// The codes.
    #[arg(required = true)]
    pub codes: Vec<String>,
    /// Also what is in use, with the references to it.
    #[arg(long, env = "PIM_AUTHZ_CASCADE", value_parser = BoolishValueParser::new())]
    pub cascade: bool,
    /// How to write.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// A level of a user group on an item.
#[derive(Clone, Debug, Args)]
pub struct GrantArguments {
    /// The user group.
    pub group: String,
    /// The item: `category:shoes`, `locale:en_US`.
    pub item: ResourceName,
    /// `view`, `edit` or `own`; of a profile `execute`, `edit` or
    /// `execute_and_edit`.
    pub level: String,
    /// Leave the sub-categories as they are.
    #[arg(long, env = "PIM_AUTHZ_NO_CHILDREN", value_parser = BoolishValueParser::new())]
    pub no_children: bool,
    /// How to write.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// Whose rights to show, or on what.
#[derive(Clone, Debug, Args)]
pub struct AccessArguments {
    /// The item: `category:shoes`; `category` alone: all of the type.
    #[arg(required_unless_present_any = ["group", "subject"])]
    pub item: Option<ResourceName>,
    /// The rights of a user group.
    #[arg(long, env = "PIM_AUTHZ_GROUP", value_name = "CODE")]
    pub group: Option<String>,
    /// Everything that a subject effectively holds, and through what.
    #[arg(
        long,
        env = "PIM_AUTHZ_SUBJECT",
        value_name = "SUBJECT",
        conflicts_with_all = ["item", "group"]
    )]
    pub subject: Option<SubjectName>,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What to do with entities of one kind; `P` is what to create or update.
#[derive(Clone, Debug, Subcommand)]
pub enum EntityCommand<P: Args> {
    /// List them.
    List(ListArguments),
    #[expect(missing_docs, reason = "the help is that of its arguments")]
    Put(P),
    /// Delete them.
    Delete(DeleteArguments),
}

/// Create or update one; what is not given stays.
#[derive(Clone, Debug, Args)]
pub struct SubjectArguments {
    /// The code.
    pub code: String,
    /// The roles: `a,b`.
    #[arg(long, env = "PIM_AUTHZ_ROLES", value_name = "CODES")]
    pub roles: Option<Categories>,
    /// The user groups: `a,b`.
    #[arg(long, env = "PIM_AUTHZ_GROUPS", value_name = "CODES")]
    pub groups: Option<Categories>,
    /// Whether it may do anything at all.
    #[arg(long, env = "PIM_AUTHZ_ENABLED", value_name = "true|false")]
    pub enabled: Option<bool>,
    /// How to write.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// Create or update one.
#[derive(Clone, Debug, Args)]
pub struct GroupArguments {
    /// The code.
    pub code: String,
    /// What people call it.
    #[arg(long, env = "PIM_AUTHZ_LABEL", default_value = "")]
    pub label: String,
    /// How to write.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// Create or update one; permissions that are not given stay.
#[derive(Clone, Debug, Args)]
pub struct RoleArguments {
    /// The code.
    pub code: String,
    /// What people call it.
    #[arg(long, env = "PIM_AUTHZ_LABEL", default_value = "")]
    pub label: String,
    /// Who can hold it: `user` or `connection`.
    #[arg(long, env = "PIM_AUTHZ_AUDIENCE", value_name = "AUDIENCE")]
    pub audience: Option<String>,
    /// The permissions: `a,b`.
    #[arg(long, env = "PIM_AUTHZ_PERMISSIONS", value_name = "CODES")]
    pub permissions: Option<Categories>,
    /// How to write.
    #[command(flatten)]
    pub write: WriteArguments,
}

/// What to do with tenants; `--tenant` names the one.
#[derive(Clone, Debug, Subcommand)]
pub enum TenantCommand {
    /// List all.
    List {
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Show one.
    Get {
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Create one.
    Create {
        /// Its edition.
        #[arg(long, env = "PIM_AUTHZ_EDITION", value_enum)]
        edition: EditionArgument,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Change its edition.
    Update {
        /// The edition from now on.
        #[arg(long, env = "PIM_AUTHZ_EDITION", value_enum)]
        edition: EditionArgument,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Delete one with everything in it; its audit log stays in the database.
    Delete {
        /// The tenant's code once more, since nothing brings it back.
        #[arg(long, env = "PIM_AUTHZ_CONFIRM", value_name = "CODE")]
        confirm: String,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
}

/// What to do with apps.
#[derive(Clone, Debug, Subcommand)]
pub enum AppCommand {
    /// List connected ones.
    List(ListArguments),
    /// Connect one, or authorize it again, through all steps.
    Connect {
        /// The app.
        app: String,
        /// The scopes that it requests: `a,b`.
        #[arg(
            long,
            env = "PIM_AUTHZ_SCOPES",
            value_name = "SCOPES",
            default_value = ""
        )]
        scopes: Categories,
        /// What it may reach: `trees.own=a,b`, `locales.view=*` …, each once.
        #[arg(
            long = "right",
            env = "PIM_AUTHZ_RIGHT",
            value_name = "KIND.LEVEL=CODES"
        )]
        rights: Vec<String>,
        /// How to write; the actor must hold `app.manage`.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Take scopes from one: those named stay.
    Scopes {
        /// The app.
        app: String,
        /// The scopes from now on: `a,b`.
        #[arg(long, env = "PIM_AUTHZ_SCOPES", value_name = "SCOPES")]
        scopes: Categories,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Disconnect one.
    Disconnect {
        /// The app.
        app: String,
        /// How to write.
        #[command(flatten)]
        write: WriteArguments,
    },
}

/// Which changes to list.
#[derive(Clone, Debug, Args)]
pub struct ChangesArguments {
    /// What this actor did, as `user:julia`.
    #[arg(
        long,
        env = "PIM_AUTHZ_ACTOR",
        value_name = "SUBJECT",
        default_value = ""
    )]
    pub actor: String,
    /// What was done to this subject.
    #[arg(long, env = "PIM_AUTHZ_SUBJECT", value_name = "SUBJECT")]
    pub subject: Option<SubjectName>,
    /// What was done to this item: `category:shoes`, or `category` for all.
    #[arg(long, env = "PIM_AUTHZ_ITEM", value_name = "ITEM")]
    pub item: Option<ResourceName>,
    /// Only what came after this revision.
    #[arg(long, env = "PIM_AUTHZ_AFTER_REVISION", default_value_t = 0)]
    pub after_revision: u64,
    /// The changes of callers instead of a tenant's.
    #[arg(long, env = "PIM_AUTHZ_CALLERS", value_parser = BoolishValueParser::new())]
    pub callers: bool,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// From where to watch.
#[derive(Clone, Debug, Args)]
pub struct WatchArguments {
    /// Begin after this revision; 0: with the first.
    #[arg(long, env = "PIM_AUTHZ_AFTER_REVISION", default_value_t = 0)]
    pub after_revision: u64,
    /// The changes of callers instead of a tenant's.
    #[arg(long, env = "PIM_AUTHZ_CALLERS", value_parser = BoolishValueParser::new())]
    pub callers: bool,
    /// The server to call.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What to do with the audit log.
#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Compute every hash again; exit status 1 if one does not hold.
    Verify {
        /// Compare each fact with the last row of the log about it, too; exit
        /// status 1 if one is different.
        #[arg(long)]
        facts: bool,
        /// The audit log of callers instead of a tenant's.
        #[arg(long, env = "PIM_AUTHZ_CALLERS", value_parser = BoolishValueParser::new())]
        callers: bool,
        /// The server to call.
        #[command(flatten)]
        server: ServerArguments,
    },
}

macro_rules! outputs {
    ($($command:ty { $($list:pat => $listed:expr),+ })+) => {
        $(
            impl $command {
                /// Output format of the command.
                #[must_use]
                pub fn output(&self) -> Output {
                    match self {
                        $($list => $listed,)+
                    }
                }
            }
        )+
    };
}

macro_rules! entity_outputs {
    ($($arguments:ident),+) => {
        outputs! {
            $(EntityCommand<$arguments> {
                Self::List(list) => list.server.output,
                Self::Put($arguments { write, .. }) | Self::Delete(DeleteArguments { write, .. }) => write.server.output
            })+
        }
    };
}

entity_outputs!(SubjectArguments, GroupArguments, RoleArguments);

outputs! {
    TenantCommand {
        Self::List { server } | Self::Get { server } => server.output,
        Self::Create { write, .. } | Self::Update { write, .. } | Self::Delete { write, .. } => write.server.output
    }
    AppCommand {
        Self::List(list) => list.server.output,
        Self::Connect { write, .. } | Self::Scopes { write, .. } | Self::Disconnect { write, .. } => write.server.output
    }
}
