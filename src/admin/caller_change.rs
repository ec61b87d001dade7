mod carry_out;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    domain::{
        Caller, CallerId, CallerRight, CallerRights, Code, Edition, FactKey, KeyHash, KeyId,
        OidcIdentity, Revision,
    },
    store::{CallerChanges, CallerRow, NewKey},
};

use self::carry_out::{ChangeSet, Giver};
use super::{
    audit,
    change::{Change, Pass, RunResult},
    entity_change::EncodeWritten,
    error::AdminError,
    outcome::{Effect, Written},
};

/// A requested change of callers.
#[derive(Clone, Debug)]
pub enum CallerRequest {
    /// Creates or replaces callers; their keys stay.
    Put(Vec<CallerEntry>),
    /// Deletes callers and their keys.
    Delete(Vec<Code>),
    /// Adds a key to a caller.
    CreateKey {
        /// The caller.
        caller: Code,
        /// The key.
        key: CreatedKey,
    },
    /// Deletes a key.
    DeleteKey(KeyId),
    /// Creates the first caller of an installation, `bootstrap`, with every right
    /// on all tenants. No effect if any caller exists.
    Bootstrap(CreatedKey),
}

impl CallerRequest {
    /// The name of the first caller.
    pub const BOOTSTRAP: &str = "bootstrap";
}

/// A caller as a request describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of domain::Caller")]
pub struct CallerEntry {
    pub name: Code,
    pub tenants: BTreeSet<Code>,
    pub all_tenants: bool,
    pub rights: CallerRights,
    pub subject_alternative_names: BTreeSet<String>,
    pub oidc_identities: BTreeSet<OidcIdentity>,
}

/// A newly generated key.
#[derive(Clone, Copy, Debug)]
pub struct CreatedKey {
    /// The id by which the key is looked up.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: KeyHash,
    /// Lifetime in microseconds; `None`: it does not expire.
    pub valid_for: Option<i64>,
}

/// A change of the callers of the installation.
#[derive(Debug)]
pub(super) struct CallerChange {
    request: CallerRequest,
    encode: EncodeWritten,
    effect: Effect,
}

impl CallerChange {
    pub(super) fn new(request: CallerRequest, encode: EncodeWritten) -> Self {
        Self {
            request,
            encode,
            effect: Effect::default(),
        }
    }

    async fn write(pass: &mut Pass<'_>, change_set: &ChangeSet) -> Result<(), AdminError> {
        let changes = changes(change_set, &mut pass.tenant.last_id);
        let tenant = pass.tenant.number();
        pass.transaction.write_callers(tenant, &changes).await?;
        for (before, after) in change_set.changed_callers() {
            let name = after.or(before).map(|caller| &caller.name);
            pass.audit(audit::entry("caller", name, before, after, described))
                .await?;
        }
        for (id, before, after) in change_set.changed_keys() {
            let code = id.as_str().parse().ok();
            let entry = audit::entry("caller_key", code.as_ref(), before, after, key_described);
            pass.audit(entry).await?;
        }
        Ok(())
    }
}

/// Returns the rows to write for `change_set`; new callers get numbers after
/// `last_id`.
fn changes(change_set: &ChangeSet, last_id: &mut i32) -> CallerChanges {
    let mut changes = CallerChanges::default();
    let mut numbers: BTreeMap<&Code, CallerId> = BTreeMap::new();
    for row in &change_set.before {
        numbers.insert(&row.caller.name, row.id);
    }
    for (before, after) in change_set.changed_callers() {
        match (before, after) {
            (Some(gone), None) => changes.removed.extend(numbers.get(&gone.name)),
            (_, Some(caller)) => {
                let id = *numbers.entry(&caller.name).or_insert_with(|| {
                    *last_id += 1;
                    CallerId(*last_id)
                });
                let caller = caller.clone();
                changes.put.push(CallerRow { id, caller });
            }
            (None, None) => {}
        }
    }
    for (id, before, after) in change_set.changed_keys() {
        match (before, after) {
            (Some(_), None) => changes.removed_keys.push(id),
            (_, Some(key)) => changes
                .new_keys
                .extend(numbers.get(&key.caller).map(|caller| NewKey {
                    caller: *caller,
                    id,
                    hash: key.hash,
                    valid_for: key.valid_for,
                })),
            (None, None) => {}
        }
    }
    changes
}

fn described(caller: &Caller) -> Value {
    let Caller {
        name: _,
        tenants,
        all_tenants,
        rights,
        subject_alternative_names,
        oidc_identities,
        keys: _,
    } = caller;
    let tenants: Vec<&str> = tenants.iter().map(Code::as_str).collect();
    let rights: Vec<&str> = rights.iter().map(Into::into).collect();
    let identities = oidc_identities.iter().map(|identity| {
        let OidcIdentity { issuer, subject } = identity;
        json!({ "issuer": issuer, "subject": subject })
    });
    json!({
        "tenants": tenants,
        "all_tenants": all_tenants,
        "rights": rights,
        "subject_alternative_names": subject_alternative_names,
        "oidc_identities": identities.collect::<Vec<_>>(),
    })
}

/// Describes a key for the audit log, with its hash.
///
/// The hash does not reveal the secret, and logging it makes a key that was
/// replaced without a write detectable.
fn key_described(key: &carry_out::Key) -> Value {
    json!({ "caller": key.caller.as_str(), "sha256": key.hash.hex(), "valid_for_us": key.valid_for })
}

impl Change for CallerChange {
    type Answer = Written;

    fn new_tenant_edition(&self) -> Option<Edition> {
        None
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        let mut change_set = ChangeSet::of(pass.transaction.read_callers().await?);
        let giver = match &pass.context.caller {
            None => Giver::Anyone,
            Some(name) => {
                let giver = change_set.find(name).ok_or(AdminError::CallerGone)?;
                giver
                    .require_on_all_tenants(CallerRight::Operate)
                    .map_err(|missing| AdminError::CallerNotPermitted {
                        field: String::new(),
                        missing,
                    })?;
                Giver::Holding(giver.rights)
            }
        };
        self.effect = change_set.carry_out(&self.request, giver)?;
        if !pass.context.dry_run {
            self.effect.sample.clear();
        }
        if pass.may_write() && !self.effect.is_empty() {
            Self::write(pass, &change_set).await?;
        }
        Ok(RunResult {
            effect: self.effect.clone(),
            keys: vec![FactKey::Callers],
            ..RunResult::default()
        })
    }

    fn answer(&self, revision: Revision) -> Written {
        Written {
            revision,
            effect: self.effect.clone(),
        }
    }

    fn encode(&self, answer: &Written) -> Vec<u8> {
        (self.encode)(answer)
    }
}
