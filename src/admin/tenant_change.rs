use serde_json::json;

use crate::{
    domain::{Edition, Revision, SubjectId},
    store::WantedEntities,
};

use super::{
    audit,
    change::{Change, Pass, RunResult, Size},
    entity_change::{EncodeWritten, change_set},
    error::AdminError,
    fault::Fault,
    impact::{self, Editions, Staged},
    outcome::{Effect, Written},
};

/// A requested change of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantRequest {
    /// Creates it, with its group `All`.
    Create(Edition),
    /// Changes its edition.
    SetEdition(Edition),
    /// Deletes it, with everything in it (rules 2.6: not checked).
    Delete,
}

/// A change of a tenant itself.
#[derive(Debug)]
pub(super) struct TenantChange {
    request: TenantRequest,
    encode: EncodeWritten,
    effect: Effect,
}

impl TenantChange {
    pub(super) fn new(request: TenantRequest, encode: EncodeWritten) -> Self {
        Self {
            request,
            encode,
            effect: Effect::default(),
        }
    }

    async fn effect(&self, pass: &Pass<'_>) -> Result<Effect, AdminError> {
        let mut effect = Effect::default();
        let code = &pass.tenant.code;
        let sentence = match self.request {
            TenantRequest::Create(edition) => {
                Fault::check_new_code("tenant", code)?;
                // The tenant and its group `All`.
                effect.created = 2;
                format!("tenant `{code}` would be made, of the {edition} edition")
            }
            TenantRequest::SetEdition(edition) if edition == pass.tenant.edition => {
                effect.unchanged = 1;
                return Ok(effect);
            }
            TenantRequest::SetEdition(edition) => {
                effect.changed = 1;
                let old = pass.tenant.edition;
                format!("tenant `{code}` would be of the {edition} edition, not {old}")
            }
            TenantRequest::Delete => {
                let tenant = pass.tenant.number();
                effect.removed = pass.transaction.count_tenant(tenant).await?;
                format!("tenant `{code}` would be gone, with everything in it")
            }
        };
        if pass.context.dry_run {
            self.count_affected(pass, &mut effect).await?;
            effect.sample.insert(0, sentence);
            effect.sample.truncate(Effect::SAMPLE);
        }
        Ok(effect)
    }

    /// Counts the affected subjects and products when access rights start or
    /// cease to apply (rules 3.4), or all subjects are deleted.
    async fn count_affected(&self, pass: &Pass<'_>, effect: &mut Effect) -> Result<(), AdminError> {
        if let TenantRequest::Create(_) = self.request {
            // A new tenant has no subjects.
            return Ok(());
        }
        let mut change_set = change_set(pass, &WantedEntities::everything()).await?;
        let before = pass.tenant.edition;
        let after = match self.request {
            TenantRequest::Create(edition) | TenantRequest::SetEdition(edition) => edition,
            TenantRequest::Delete => {
                let all: Vec<SubjectId> = change_set.subjects.iter().map(|(id, _)| id).collect();
                for id in all {
                    change_set.subjects.remove(id);
                }
                before
            }
        };
        let editions = Editions { before, after };
        impact::complete(effect, pass, &change_set, editions, Staged::Nothing).await
    }

    async fn apply(&self, pass: &mut Pass<'_>) -> Result<(), AdminError> {
        let tenant = pass.tenant.number();
        let old = pass.tenant.edition;
        let (before, after) = match self.request {
            // The coordinator has created it.
            TenantRequest::Create(edition) => (None, Some(edition)),
            TenantRequest::SetEdition(edition) => {
                pass.transaction.set_edition(tenant, edition).await?;
                (Some(old), Some(edition))
            }
            TenantRequest::Delete => {
                pass.transaction.delete_tenant(tenant).await?;
                (Some(old), None)
            }
        };
        let code = pass.tenant.code.clone();
        let entry = audit::entry(
            "tenant",
            Some(&code),
            before.as_ref(),
            after.as_ref(),
            |edition| json!({ "edition": <&str>::from(edition) }),
        );
        pass.audit(entry).await
    }
}

impl Change for TenantChange {
    type Answer = Written;

    fn size(&self) -> Size {
        match self.request {
            TenantRequest::Create(_) | TenantRequest::SetEdition(_) => Size::Small,
            TenantRequest::Delete => Size::Bulk,
        }
    }

    fn deletes_tenant(&self) -> bool {
        self.request == TenantRequest::Delete
    }

    fn new_tenant_edition(&self) -> Option<Edition> {
        match self.request {
            TenantRequest::Create(edition) => Some(edition),
            TenantRequest::SetEdition(_) | TenantRequest::Delete => None,
        }
    }

    async fn run(&mut self, pass: &mut Pass<'_>) -> Result<RunResult, AdminError> {
        let is_new = pass.tenant.revision == Revision(0);
        if matches!(self.request, TenantRequest::Create(_)) && !is_new {
            let tenant = pass.tenant.code.clone();
            return Err(AdminError::TenantExists { tenant });
        }
        self.effect = self.effect(pass).await?;
        if pass.may_write() && !self.effect.is_empty() {
            self.apply(pass).await?;
        }
        Ok(RunResult {
            effect: self.effect.clone(),
            keys: vec![pass.tenant.key()],
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
