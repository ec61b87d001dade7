use crate::{
    domain::{Edition, SubjectId},
    store::WantedEntities,
};

use super::{
    audit,
    change::{Change, ComparedWith, Pass, Size},
    change_set::ChangeSet,
    compared::Compared,
    error::AdminError,
    fault::Fault,
    impact::{self, Editions, Staged},
    outcome::Effect,
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

impl TenantRequest {
    async fn effect(self, pass: &Pass<'_>) -> Result<Effect, AdminError> {
        let mut effect = Effect::default();
        let code = &pass.tenant.code;
        let sentence = match self {
            Self::Create(_) if !pass.tenant.is_new() => {
                let tenant = code.clone();
                return Err(AdminError::TenantExists { tenant });
            }
            Self::Create(edition) => {
                Fault::check_new_code("tenant", code)?;
                // The tenant and its group `All`.
                effect.created = 2;
                format!("tenant `{code}` would be made, of the {edition} edition")
            }
            Self::SetEdition(edition) if edition == pass.tenant.edition => {
                effect.unchanged = 1;
                return Ok(effect);
            }
            Self::SetEdition(edition) => {
                effect.changed = 1;
                let old = pass.tenant.edition;
                format!("tenant `{code}` would be of the {edition} edition, not {old}")
            }
            Self::Delete => {
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
    async fn count_affected(self, pass: &Pass<'_>, effect: &mut Effect) -> Result<(), AdminError> {
        if let Self::Create(_) = self {
            // A new tenant has no subjects.
            return Ok(());
        }
        let mut change_set = ChangeSet::read(pass, &WantedEntities::everything()).await?;
        let before = pass.tenant.edition;
        let after = match self {
            Self::Create(edition) | Self::SetEdition(edition) => edition,
            Self::Delete => {
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
}

impl Change for TenantRequest {
    type Plan = ();
    type Details = ();

    fn size(&self) -> Size {
        match self {
            Self::Create(_) | Self::SetEdition(_) => Size::Small,
            Self::Delete => Size::Bulk,
        }
    }

    fn deletes_tenant(&self) -> bool {
        *self == Self::Delete
    }

    fn new_tenant_edition(&self) -> Option<Edition> {
        match self {
            Self::Create(edition) => Some(*edition),
            Self::SetEdition(_) | Self::Delete => None,
        }
    }

    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        let effect = self.effect(pass).await?;
        Ok(Compared::of((effect, vec![pass.tenant.key()]), (), ()))
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        _: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        let tenant = pass.tenant.number();
        let old = pass.tenant.edition;
        let (before, after) = match *self {
            // The coordinator has created it.
            Self::Create(edition) => (None, Some(edition)),
            Self::SetEdition(edition) => {
                pass.transaction.set_edition(tenant, edition).await?;
                (Some(old), Some(edition))
            }
            Self::Delete => {
                pass.transaction.delete_tenant(tenant).await?;
                (Some(old), None)
            }
        };
        let entry = audit::of_tenant(&pass.tenant.code, before, after);
        pass.audit(entry).await
    }
}
