use std::sync::Arc;

use crate::{
    admin::AdminError,
    cache::Cache,
    domain::{Caller, CallerRight, Code, MissingRight},
};

use super::{caller_rights::Needed, credential::Credential, failure::Failure, parse};

/// Who makes a call, as its credentials say; an extension of the request.
///
/// Without one nobody calls, who may name no tenant: what forgets to authenticate
/// refuses.
#[derive(Clone, Debug, Default)]
pub(super) enum Calling {
    /// Nobody that may name a tenant.
    #[default]
    Nobody,
    /// Anyone: there are no credentials, and none are required.
    Anyone,
    /// A caller.
    Known(Known),
}

/// A caller that was recognized.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) caller: Arc<Caller>,
    /// By which the caller was recognized.
    pub(super) credential: Credential,
    /// What the call needs.
    pub(super) needed: Needed,
    /// Where the caller is looked up again.
    pub(super) cache: Cache,
}

impl Calling {
    /// Who makes a call.
    pub(super) fn of(extensions: &tonic::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// The name of the caller; `None`: the call came without credentials.
    pub(super) fn name(&self) -> Option<&Code> {
        match self {
            Self::Nobody | Self::Anyone => None,
            Self::Known(known) => Some(&known.caller.name),
        }
    }

    /// Whether the caller may name `tenant`.
    pub(super) fn may_name(&self, tenant: &Code) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Known(known) => known.caller.may_name(tenant),
        }
    }

    /// The tenants that the caller may name; `None`: all.
    pub(super) fn tenants(&self) -> Option<Vec<&Code>> {
        match self {
            Self::Nobody => Some(Vec::new()),
            Self::Anyone => None,
            Self::Known(known) if known.caller.all_tenants => None,
            Self::Known(known) => Some(known.caller.tenants.iter().collect()),
        }
    }

    /// The tenant that a request of this caller names; empty: `default`.
    ///
    /// # Errors
    ///
    /// One that is another's is answered as one that is not there.
    pub(super) fn tenant(&self, text: &str, default: &Code) -> Result<Code, Failure> {
        let tenant = parse::tenant(text, default)?;
        self.check_tenant(&tenant)?;
        Ok(tenant)
    }

    /// Refuses a tenant that the caller may not name as one that is not there.
    pub(super) fn check_tenant(&self, tenant: &Code) -> Result<(), Failure> {
        if self.may_name(tenant) {
            return Ok(());
        }
        Err(Failure::TenantNotFound(tenant.clone()))
    }

    /// The same for a write, which says it in other words.
    pub(super) fn check_written_tenant(&self, tenant: &Code) -> Result<(), Failure> {
        if self.may_name(tenant) {
            return Ok(());
        }
        let tenant = tenant.clone();
        Err(AdminError::TenantNotFound { tenant }.into())
    }

    /// Requires a right on all tenants.
    pub(super) fn check_all_tenants(&self, right: CallerRight) -> Result<(), Failure> {
        let required = match self {
            Self::Nobody => Err(MissingRight::OnAllTenants(right)),
            Self::Anyone => Ok(()),
            Self::Known(known) => known.caller.require_on_all_tenants(right),
        };
        required.map_err(Failure::CallerNotPermitted)
    }

    /// Whether the call may go on, as it is now: a stream asks before each message.
    ///
    /// # Errors
    ///
    /// Why not; [`Failure::Cache`] when this server cannot tell at the moment.
    pub(super) async fn may_go_on(&self, tenant: &Code) -> Result<(), Failure> {
        let Self::Known(known) = self else {
            return Ok(());
        };
        let callers = known.cache.callers().await?;
        let caller = known.credential.caller(&callers)?;
        check_right(caller, known.needed)?;
        let is_named = *tenant == Code::of_installation() || caller.may_name(tenant);
        if !is_named {
            return Err(Failure::TenantNotFound(tenant.clone()));
        }
        Ok(())
    }
}

/// Whether a caller may make a call.
pub(super) fn check_right(caller: &Caller, needed: Needed) -> Result<(), Failure> {
    let checked = match needed {
        Needed::Nothing => Ok(()),
        Needed::Right(right) if caller.rights.holds(right) => Ok(()),
        Needed::Right(right) => Err(MissingRight::Right(right)),
        Needed::OnAllTenants(right) => caller.require_on_all_tenants(right),
    };
    checked.map_err(Failure::CallerNotPermitted)
}
