use std::sync::Arc;

use crate::{
    admin::AdminError,
    cache::Cache,
    domain::{Caller, CallerRight, Code, MissingRight},
};

use super::{caller_rights::RequiredRight, credential::Credential, failure::Failure, parse};

/// The caller of a request, as its credentials identify it; an extension of the
/// request.
///
/// The default may name no tenant, so that a path which omits authentication
/// rejects.
#[derive(Clone, Debug, Default)]
pub(super) enum CallerIdentity {
    /// No caller: no tenant may be named.
    #[default]
    Nobody,
    /// Unrestricted: there are no credentials, and none are required.
    Anyone,
    /// An authenticated caller.
    Known(KnownCaller),
}

/// An authenticated caller, its credential and the right that the call requires.
#[derive(Clone, Debug)]
pub(super) struct KnownCaller {
    pub(super) caller: Arc<Caller>,
    /// The credential by which the caller was identified.
    pub(super) credential: Credential,
    /// The right that the call requires.
    pub(super) needed: RequiredRight,
    /// The cache in which the caller is looked up again.
    pub(super) cache: Cache,
}

impl CallerIdentity {
    /// Reads the caller from a request's extensions.
    pub(super) fn of(extensions: &tonic::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Returns the name of the caller; `None`: the call came without credentials.
    pub(super) fn name(&self) -> Option<&Code> {
        match self {
            Self::Nobody | Self::Anyone => None,
            Self::Known(known) => Some(&known.caller.name),
        }
    }

    /// True if the caller may name `tenant`.
    pub(super) fn may_name(&self, tenant: &Code) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Known(known) => known.caller.may_name(tenant),
        }
    }

    /// Returns the tenants that the caller may name; `None`: all.
    pub(super) fn tenants(&self) -> Option<Vec<&Code>> {
        match self {
            Self::Nobody => Some(Vec::new()),
            Self::Anyone => None,
            Self::Known(known) if known.caller.all_tenants => None,
            Self::Known(known) => Some(known.caller.tenants.iter().collect()),
        }
    }

    /// Parses the tenant of a request and checks that the caller may name it;
    /// empty: `default`.
    ///
    /// # Errors
    ///
    /// A tenant that the caller may not name is reported as not existing.
    pub(super) fn tenant(&self, text: &str, default: &Code) -> Result<Code, Failure> {
        let tenant = parse::tenant(text, default)?;
        self.check_tenant(&tenant)?;
        Ok(tenant)
    }

    /// Rejects a tenant that the caller may not name, as one that does not exist.
    pub(super) fn check_tenant(&self, tenant: &Code) -> Result<(), Failure> {
        if self.may_name(tenant) {
            return Ok(());
        }
        Err(Failure::TenantNotFound(tenant.clone()))
    }

    /// Does the same for a write, which has an error of its own.
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

    /// Checks that the caller still may make the call; a stream does so before
    /// each message.
    ///
    /// # Errors
    ///
    /// The reason; [`Failure::Cache`] if this server cannot currently determine
    /// it.
    pub(super) async fn recheck(&self, tenant: &Code) -> Result<(), Failure> {
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

/// Checks that a caller may make a call.
pub(super) fn check_right(caller: &Caller, needed: RequiredRight) -> Result<(), Failure> {
    let checked = match needed {
        RequiredRight::Nothing => Ok(()),
        RequiredRight::Right(right) if caller.rights.holds(right) => Ok(()),
        RequiredRight::Right(right) => Err(MissingRight::Right(right)),
        RequiredRight::OnAllTenants(right) => caller.require_on_all_tenants(right),
    };
    checked.map_err(Failure::CallerNotPermitted)
}
