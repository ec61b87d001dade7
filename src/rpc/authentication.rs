use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tonic::{Status, body::Body, codegen::http};

use crate::{
    cache::Cache, domain::CallerDirectory, oidc::TokenVerifier, telemetry::LogThrottle, tls::Peer,
};

use super::{
    caller_identity::{CallerIdentity, KnownCaller, check_right},
    caller_rights::{self, RequiredRight},
    credential::{Presented, Unverified},
    failure::{Failure, UnknownCaller},
    layers::{Behind, Handler},
};

/// How a call without credentials is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It is rejected.
    Required,
    /// It may do anything. Credentials that are sent are checked all the same.
    Optional,
}

/// Identifies the caller and rejects calls that it may not make, before any byte
/// of the message is read. Stands behind the gate, before all other layers.
///
/// Callers are read from the cache and are never older than a write that had
/// returned (`docs/coherence.md`): once a key is revoked, every server rejects it
/// in the next call. Which tenants a caller may name is checked where the message
/// is parsed.
#[derive(Clone, Debug)]
pub struct Authentication {
    credentials: Credentials,
    /// Verifies OIDC tokens; `None`: tokens are not accepted.
    tokens: Option<Arc<TokenVerifier>>,
    /// Set once the server has its database.
    cache: Arc<OnceLock<Cache>>,
    /// Throttles the log of rejected calls with an unknown caller.
    refused: Arc<Mutex<LogThrottle>>,
}

impl Authentication {
    /// Requires credentials or not, and accepts the OIDC tokens that `tokens`
    /// verifies.
    #[must_use]
    pub fn new(credentials: Credentials, tokens: Option<Arc<TokenVerifier>>) -> Self {
        Self {
            credentials,
            tokens,
            cache: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// Starts looking up callers in `cache`; until then calls are rejected.
    pub fn begin(&self, cache: Cache) {
        let _begun_before = self.cache.set(cache);
    }

    /// Identifies the caller if no I/O is needed; otherwise returns the pending
    /// lookup.
    fn authenticate<B>(&self, request: &http::Request<B>) -> Result<Found, Status> {
        let Some(needed) = caller_rights::needed(request.uri().path()) else {
            return Err(Status::unimplemented("there is no such call"));
        };
        if needed == RequiredRight::Nothing {
            return Ok(Found::Caller(CallerIdentity::Nobody));
        }
        let (headers, extensions) = (request.headers(), request.extensions());
        let presented = match Presented::by(headers, extensions, self.tokens.as_deref()) {
            Ok(Some(presented)) => Some(presented),
            Ok(None) if self.credentials == Credentials::Optional => {
                return Ok(Found::Caller(CallerIdentity::Anyone));
            }
            Ok(None) => {
                let refused = Failure::from(UnknownCaller::NoCredentials);
                return Err(self.refuse(refused, extensions));
            }
            Err(Unverified::Refused(refused)) => {
                return Err(self.refuse(refused.into(), extensions));
            }
            // The token names an unknown key.
            Err(Unverified::ReadKeys(_)) => None,
        };
        let cache = self.cache.get().ok_or(Failure::Starting)?;
        let lookup = |read_keys| Lookup {
            needed,
            cache: cache.clone(),
            tokens: self.tokens.clone(),
            read_keys,
        };
        let Some(presented) = presented else {
            return Ok(Found::Lookup(lookup(true)));
        };
        let Some(callers) = cache.cached_callers() else {
            return Ok(Found::Lookup(lookup(false)));
        };
        recognized(&callers, presented, (needed, cache))
            .map(Found::Caller)
            .map_err(|failure| self.refuse(failure, extensions))
    }

    /// Returns the status of a rejected call. An unknown caller is logged at most
    /// once a minute, with the number of such calls: it may be an attempt to
    /// guess keys, or a service with a wrong key.
    fn refuse(&self, failure: Failure, extensions: &http::Extensions) -> Status {
        if let Failure::CallerUnknown(unknown) = &failure {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(calls) = refused.again() {
                let peer = extensions.get::<Peer>().and_then(|peer| peer.address);
                tracing::warn!(
                    peer = peer.map(tracing::field::display),
                    calls.refused = calls,
                    "calls were refused because their caller is unknown ({calls} since the last \
                     such line); the last one: {unknown}"
                );
            }
        }
        failure.into()
    }
}

/// Result of authentication without I/O.
enum Found {
    Caller(CallerIdentity),
    /// Something must be read first.
    Lookup(Lookup),
}

/// A pending lookup: the callers are not cached, or the issuer's keys must be
/// read again.
struct Lookup {
    needed: RequiredRight,
    cache: Cache,
    tokens: Option<Arc<TokenVerifier>>,
    /// True if the token names an unknown key.
    read_keys: bool,
}

impl Lookup {
    /// Identifies the caller by the current callers and keys.
    async fn caller(
        &self,
        headers: &http::HeaderMap,
        extensions: &http::Extensions,
    ) -> Result<CallerIdentity, Failure> {
        let tokens = self.tokens.as_deref();
        if let Some(tokens) = tokens.filter(|_| self.read_keys) {
            tokens.read_again().await;
        }
        let presented = Presented::by(headers, extensions, tokens);
        let presented = presented.map_err(|unverified| match unverified {
            Unverified::Refused(refused) => refused.into(),
            Unverified::ReadKeys(failure) => failure,
        })?;
        let presented = presented.ok_or(UnknownCaller::NoCredentials)?;
        let callers = self.cache.callers().await?;
        recognized(&callers, presented, (self.needed, &self.cache))
    }
}

/// Returns the caller that presented a credential, if it may make the call.
fn recognized(
    callers: &CallerDirectory,
    presented: Presented<'_>,
    (needed, cache): (RequiredRight, &Cache),
) -> Result<CallerIdentity, Failure> {
    let (caller, credential) = presented.caller(callers)?;
    check_right(caller, needed)?;
    Ok(CallerIdentity::Known(KnownCaller {
        caller: Arc::clone(caller),
        credential,
        needed,
        cache: cache.clone(),
    }))
}

impl<S: Handler> Handler for Behind<Authentication, S> {
    async fn handle(&self, mut request: http::Request<Body>) -> http::Response<Body> {
        let calling = match self.layer.authenticate(&request) {
            Ok(Found::Caller(calling)) => calling,
            Ok(Found::Lookup(lookup)) => {
                // Split from the body, which is not `Sync` and cannot be borrowed
                // across an await.
                let (head, body) = request.into_parts();
                let found = lookup.caller(&head.headers, &head.extensions).await;
                request = http::Request::from_parts(head, body);
                match found {
                    Ok(calling) => calling,
                    Err(failure) => {
                        return self.layer.refuse(failure, request.extensions()).into_http();
                    }
                }
            }
            Err(status) => return status.into_http(),
        };
        request.extensions_mut().insert(calling);
        self.inner.handle(request).await
    }
}
