mod carry_out;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    domain::{Caller, CallerRight, CallerRights, Code, FactKey, KeyHash, KeyId, OidcIdentity},
    store::CallerRow,
};

use self::carry_out::{Callers, Giver};
use super::{
    audit,
    change::{Change, ComparedWith, Pass},
    compared::Compared,
    error::AdminError,
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

impl Change for CallerRequest {
    type Plan = Callers;
    type Details = ();

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        let stored = pass.transaction.read_callers().await?;
        let mut callers = Callers::of(stored, pass.tenant.last_id);
        let giver = match &pass.context.caller {
            None => Giver::Anyone,
            Some(name) => {
                let giver = callers.find(name).ok_or(AdminError::CallerGone)?;
                giver
                    .require_on_all_tenants(CallerRight::Operate)
                    .map_err(|missing| AdminError::CallerNotPermitted {
                        field: String::new(),
                        missing,
                    })?;
                Giver::Holding(giver.rights)
            }
        };
        let mut effect = callers.carry_out(self, giver)?;
        if !pass.context.dry_run {
            effect.sample.clear();
        }
        Ok(Compared::of((effect, vec![FactKey::Callers]), callers, ()))
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        let callers = &compared.plan;
        let tenant = pass.tenant.number();
        let changes = callers.changes();
        pass.transaction.write_callers(tenant, &changes).await?;
        pass.tenant.last_id = callers.last_id;
        for (_, before, after) in callers.rows.changes() {
            let name = after.or(before).map(|row| &row.caller.name);
            let describe = |row: &CallerRow| described(&row.caller);
            pass.audit(audit::entry("caller", name, before, after, describe))
                .await?;
        }
        for (id, before, after) in callers.keys.changes() {
            let code = id.as_str().parse().ok();
            let entry = audit::entry("caller_key", code.as_ref(), before, after, key_described);
            pass.audit(entry).await?;
        }
        Ok(())
    }
}
