use crate::domain::{Code, Revision};

use super::error::AdminError;

/// Who writes, and how.
#[derive(Clone, Debug)]
pub struct WriteContext {
    /// The tenant.
    pub tenant: Code,
    /// The actor, as `user:julia`, for the audit log.
    pub actor: String,
    /// The caller whose credentials came with the call; `None`: there were none.
    pub caller: Option<Code>,
    /// The id of the request, for the audit log.
    pub request_id: String,
    /// Identifies the write for retries; empty: no key.
    pub idempotency_key: String,
    /// SHA-256 of the request, to distinguish a retry from another request.
    pub request_hash: Vec<u8>,
    /// Do everything except commit.
    pub dry_run: bool,
    /// The revision that the tenant must have; `None`: any.
    pub expected_revision: Option<Revision>,
}

impl WriteContext {
    /// Sets the caller as the actor of a request without one, as `caller:shop`.
    pub fn fill_actor(&mut self) {
        if let (true, Some(caller)) = (self.actor.is_empty(), &self.caller) {
            self.actor = format!("caller:{caller}");
        }
    }

    /// Returns the key under which the answer is stored for a retry, if there is
    /// one.
    pub(super) fn kept_key(&self) -> Option<&str> {
        let key = self.idempotency_key.as_str();
        (!self.dry_run && !key.is_empty()).then_some(key)
    }

    pub(super) fn check_revision(&self, found: Revision) -> Result<(), AdminError> {
        match self.expected_revision {
            Some(expected) if expected != found => {
                Err(AdminError::RevisionChanged { expected, found })
            }
            Some(_) | None => Ok(()),
        }
    }
}
