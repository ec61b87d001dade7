//! The statements, and what makes a server send them.

use crate::postgres_proxy::{Place, commit_of, rollback_of, within};

/// What makes a server send a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub(super) enum Cause {
    /// Every server is under load.
    Load,
    /// Some servers make every kind of write.
    Writes,
    /// Its connections were refused until its lease ended.
    Rejoining,
    /// The primary is another.
    NewEpoch,
    /// It shuts down.
    Leaving,
    /// An announcement of the server got no reply.
    LostAnnouncement,
    /// A COMMIT of the server got no reply.
    LostCommit,
    /// Another server is killed.
    DeadServer,
    /// Another server is killed between its announcement and its commit.
    DeadWriter,
}

impl Cause {
    /// True if the load alone does not make a server send it.
    pub(super) fn is_fault(self) -> bool {
        !matches!(self, Self::Load | Self::Writes)
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) cause: Cause,
}

impl Row {
    /// True for the statements of a rehearsal, and of the staging of its products.
    pub(super) fn is_of_rehearsal(self) -> bool {
        matches!(
            self.place,
            Place::Within("read_tenant", _)
                | Place::RollbackOf("read_tenant")
                | Place::CommitOf("stage_products")
        )
    }

    /// Returns the name of the statement; of a COMMIT, that of a statement before it.
    pub(super) fn name(self) -> &'static str {
        match self.place {
            Place::Named(name)
            | Place::Within(_, name)
            | Place::BeginOf(name)
            | Place::CommitOf(name)
            | Place::RollbackOf(name) => name,
            Place::Begin => "",
        }
    }
}

/// Statements that read and compare what is to be changed, of a rehearsal and of a commit.
const COMPARISON: [&str; 18] = [
    "find_response",
    "load_groups",
    "load_subjects",
    "load_apps",
    "load_items",
    "load_rights",
    "subjects_wanted",
    "items_wanted",
    "prepare_staging",
    "empty_staging",
    "staging_size",
    "stage_products",
    "refuse_repeated",
    "compare_products",
    "find_parents",
    "count_compared",
    "list_refused",
    "list_changed_products",
];

/// Other statements of a rehearsal, in its transaction.
const REHEARSAL: [&str; 3] = ["read_tenant", "begin_comparison", "count_tenant"];

/// Other statements of a commit, in its transaction.
const COMMIT: [&str; 22] = [
    "use_intent",
    "check_epoch",
    "lock_tenant",
    "refuse_unknown_parents",
    "refuse_third_levels",
    "create_products",
    "move_products",
    "leave_categories",
    "enter_categories",
    "refresh_uncategorised",
    "audit_products",
    "write_subjects",
    "write_subject_roles",
    "write_memberships",
    "write_rights",
    "write_items",
    "write_groups",
    "create_tenant",
    "delete_tenant",
    "free_tenant_code",
    "write_audit",
    "finish_write",
];

/// Statements of the announcement, the wait and the upkeep, and the setting of an import.
const WAIT: [&str; 7] = [
    "join_in_bulk",
    "announce",
    "notify",
    "read_leases",
    "beat",
    "withdraw",
    "read_intents",
];

/// Statements of the lease and the log.
const LEASE: [&str; 3] = ["read_log", "renew", "acknowledge"];

/// Statements of a server that joins.
const JOIN: [&str; 4] = ["prepare_session", "listen", "join_longest", "join"];

/// Statements that load facts, for questions, lists and the administration.
const LOADS: [&str; 11] = [
    "find_facts",
    "load_vocabulary",
    "load_rights",
    "begin_snapshot",
    "snapshot_as_of",
    "copy_products",
    "copy_product_categories",
    "nominate_products",
    "products_among",
    "levels_on",
    "list_subject_entries",
];

/// Statements at which no server is struck: those of a server that starts, which
/// answers nothing yet, and of the clean-up, once a minute.
pub(super) const NOT_STRUCK: [&str; 14] = [
    "find_schema",
    "check_installation",
    "mark_session",
    "find_mark",
    "durability",
    "page_token_key",
    "lock_clean_up",
    "find_log_floor",
    "move_log_floor",
    "clean_log",
    "clean_acks",
    "clean_answers",
    "clean_app_requests",
    "clean_commit_log",
];

/// Returns all rows.
pub(super) fn rows() -> Vec<Row> {
    let within = |first: &'static str, names: &[&'static str]| -> Vec<Place> {
        let names = names.iter().chain(&COMPARISON);
        names.map(|name| within(first, name)).collect()
    };
    let by_writes = [
        within("read_tenant", &REHEARSAL),
        vec![rollback_of("read_tenant"), commit_of("stage_products")],
        within("use_intent", &COMMIT),
        vec![commit_of("finish_write"), rollback_of("use_intent")],
        WAIT.map(Place::from).to_vec(),
    ];
    let by_load = [&LEASE[..], &LOADS].concat();
    let rejoining = JOIN.into_iter().map(Place::from);
    let others = [
        (Place::from("begin_epoch"), Cause::NewEpoch),
        ("arm".into(), Cause::NewEpoch),
        ("leave".into(), Cause::Leaving),
        ("withdraw_unanswered".into(), Cause::LostAnnouncement),
        ("find_commit".into(), Cause::LostCommit),
        ("end_lease".into(), Cause::DeadServer),
        ("reap".into(), Cause::DeadWriter),
    ];
    let by_writes = by_writes.concat().into_iter();
    let by_writes = by_writes.map(|place| (place, Cause::Writes));
    let by_load = by_load.into_iter().map(|name| (name.into(), Cause::Load));
    let rejoining = rejoining.map(|place| (place, Cause::Rejoining));
    let all = by_writes.chain(by_load).chain(rejoining).chain(others);
    all.map(|(place, cause)| Row { place, cause }).collect()
}
