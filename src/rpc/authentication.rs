use std::{
    future::ready,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use futures_util::future::Either;
use tonic::{Status, body::Body, codegen::http};
use tower::{Layer, Service};

use crate::{
    cache::Cache,
    domain::{CallerDirectory, PresentedKey},
};

use super::{
    caller_rights::{self, Needed},
    calling::{Calling, Credential, Known, check_right},
    clock,
    failure::{Failure, UnknownCaller},
};

/// What a call without credentials is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// It is refused.
    Required,
    /// It may do anything. Credentials that are sent count all the same.
    Optional,
}

/// Stands behind the gate and before all else: says who calls, and refuses what
/// the caller may not call, before a byte of the message is taken in.
///
/// Callers come from memory and are never older than a write that had returned
/// (`docs/coherence.md`): a key that was withdrawn is refused by every server in
/// the next call. Which tenants a caller may name is checked where the message is
/// parsed.
#[derive(Clone, Debug)]
pub struct Authentication {
    credentials: Credentials,
    /// Set once the server has its database.
    cache: Arc<OnceLock<Cache>>,
}

impl Authentication {
    /// Asks callers for credentials, or does not.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            cache: Arc::default(),
        }
    }

    /// Looks callers up in `cache` from now on; until then calls are refused.
    pub fn begin(&self, cache: Cache) {
        let _begun_before = self.cache.set(cache);
    }

    /// Who calls, where no look at the database is needed for that.
    fn authenticate(&self, path: &str, headers: &http::HeaderMap) -> Result<Found, Status> {
        let Some(needed) = caller_rights::needed(path) else {
            return Err(Status::unimplemented("there is no such call"));
        };
        if needed == Needed::Nothing {
            return Ok(Found::Caller(Calling::Nobody));
        }
        let cache = self.cache.get().ok_or(Failure::Starting)?;
        let Some(bearer) = bearer(headers).map_err(Failure::from)? else {
            return match self.credentials {
                Credentials::Optional => Ok(Found::Caller(Calling::Anyone)),
                Credentials::Required => Err(Failure::from(UnknownCaller::NoCredentials).into()),
            };
        };
        let key = PresentedKey::parse(bearer).ok_or(UnknownCaller::Unreadable);
        let key = key.map_err(Failure::from)?;
        let Some(callers) = cache.recall_callers() else {
            return Ok(Found::Look(needed, cache.clone()));
        };
        let calling = recognized(&callers, key, (needed, cache))?;
        Ok(Found::Caller(calling))
    }
}

/// What is known of a call at once.
enum Found {
    Caller(Calling),
    /// The callers are not in memory: they are to be read.
    Look(Needed, Cache),
}

/// Who presents a key, if that caller may make the call.
fn recognized(
    callers: &CallerDirectory,
    key: PresentedKey<'_>,
    (needed, cache): (Needed, &Cache),
) -> Result<Calling, Failure> {
    let caller = callers.find_by_key(&key, clock::now());
    let caller = caller.ok_or(UnknownCaller::NotValid)?;
    check_right(caller, needed)?;
    Ok(Calling::Known(Known {
        caller: Arc::clone(caller),
        credential: Credential::Key(key.id),
        needed,
        cache: cache.clone(),
    }))
}

/// The credentials that a call brings; `None`: none.
fn bearer(headers: &http::HeaderMap) -> Result<Option<&[u8]>, UnknownCaller> {
    const SCHEME: usize = "Bearer ".len();
    let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(UnknownCaller::Unreadable);
    }
    match value.as_bytes().split_at_checked(SCHEME) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => Ok(Some(token)),
        Some(_) | None => Err(UnknownCaller::Unreadable),
    }
}

/// Who calls, by the callers as they are now.
async fn look(
    headers: &http::HeaderMap,
    needed: Needed,
    cache: &Cache,
) -> Result<Calling, Failure> {
    let callers = cache.callers().await?;
    let key = bearer(headers)?.and_then(PresentedKey::parse);
    let key = key.ok_or(UnknownCaller::Unreadable)?;
    recognized(&callers, key, (needed, cache))
}

impl<S> Layer<S> for Authentication {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            authentication: self.clone(),
            inner,
        }
    }
}

/// The services behind an [`Authentication`].
#[derive(Clone, Debug)]
pub struct Authenticated<S> {
    authentication: Authentication,
    inner: S,
}

type Answer<E> = Result<http::Response<Body>, E>;

impl<S> Service<http::Request<Body>> for Authenticated<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer<S::Error>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        match self.authentication.authenticate(path, request.headers()) {
            Ok(Found::Caller(calling)) => {
                request.extensions_mut().insert(calling);
                Either::Left(self.inner.call(request))
            }
            Ok(Found::Look(needed, cache)) => {
                // The clone stays behind; the one that was polled ready is called.
                let fresh = self.inner.clone();
                let mut ready = std::mem::replace(&mut self.inner, fresh);
                Either::Right(Box::pin(async move {
                    match look(request.headers(), needed, &cache).await {
                        Ok(calling) => {
                            request.extensions_mut().insert(calling);
                            ready.call(request).await
                        }
                        Err(failure) => Ok(Status::from(failure).into_http()),
                    }
                }))
            }
            Err(status) => Either::Right(Box::pin(ready(Ok(status.into_http())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        for value in values {
            headers.append(http::header::AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_header_of_the_bearer_scheme_is_read() {
        let unreadable = Err(UnknownCaller::Unreadable);
        let cases: [(&[&str], _); 8] = [
            (&[], Ok(None)),
            (&["Bearer abc"], Ok(Some("abc"))),
            (&["bearer abc"], Ok(Some("abc"))),
            (&["Bearer "], Ok(Some(""))),
            (&["Basic abc"], unreadable),
            (&["Bearer"], unreadable),
            (&["abc"], unreadable),
            (&["Bearer abc", "Bearer abc"], unreadable),
        ];
        for (values, expected) in cases {
            let headers = headers(values);
            let expected = expected.map(|found| found.map(str::as_bytes));
            assert_eq!(bearer(&headers), expected, "{values:?}");
        }
    }
}
