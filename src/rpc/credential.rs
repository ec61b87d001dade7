use std::sync::Arc;

use tonic::codegen::http;

use crate::{
    domain::{Caller, CallerDirectory, KeyId, PresentedKey},
    oidc::{TokenError, TokenVerifier, VerifiedToken},
    tls::{Peer, PeerCertificate},
};

use super::{
    clock,
    failure::{Failure, UnknownCaller},
};

/// A verified credential of a call. The caller it identifies is looked up each
/// time, since it may be revoked.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// A key whose secret matched.
    Key(KeyId),
    /// An OIDC token whose signature was verified.
    Token(VerifiedToken),
    /// A client certificate, verified in the handshake.
    Certificate(Arc<PeerCertificate>),
}

impl Credential {
    /// Returns the caller that the credential currently identifies.
    ///
    /// # Errors
    ///
    /// The reason: it has expired, was revoked, or belongs to no caller.
    pub(super) fn caller<'a>(
        &self,
        callers: &'a CallerDirectory,
    ) -> Result<&'a Arc<Caller>, UnknownCaller> {
        let now = clock::now();
        match self {
            Self::Key(id) => callers
                .find_by_key_id(*id, now)
                .ok_or(UnknownCaller::InvalidKey),
            Self::Token(token) if now >= token.expires_at => Err(UnknownCaller::InvalidToken),
            Self::Token(token) => callers
                .find_by_oidc_identity(&token.identity)
                .ok_or_else(|| UnknownCaller::UnknownIdentity(Arc::clone(&token.identity))),
            Self::Certificate(shown) if now >= shown.expires_at => {
                Err(UnknownCaller::ExpiredCertificate)
            }
            Self::Certificate(shown) => {
                let names = shown.names.dns.iter().chain(&shown.names.uris);
                let found = callers.find_by_subject_alternative_names(names);
                found.ok_or(UnknownCaller::UnknownCertificate)
            }
        }
    }
}

/// A credential as a call presents it.
#[derive(Clone, Debug)]
pub(super) enum Presented<'a> {
    /// A key whose secret has not been compared yet.
    Key(PresentedKey<'a>),
    /// A verified credential.
    Verified(Credential),
}

/// Why a presented credential was not verified.
#[derive(Debug)]
pub(super) enum Unverified {
    /// It is rejected.
    Refused(UnknownCaller),
    /// The issuer's cached keys do not verify it, and must be read again first.
    /// The failure is returned if it still cannot be verified then.
    ReadKeys(Failure),
}

impl From<UnknownCaller> for Unverified {
    fn from(refused: UnknownCaller) -> Self {
        Self::Refused(refused)
    }
}

impl Presented<'_> {
    /// Verifies the credential of a call; `None`: there is none. A bearer token
    /// or key takes precedence; without one, the client certificate of the
    /// connection is used.
    pub(super) fn by<'a>(
        headers: &'a http::HeaderMap,
        extensions: &http::Extensions,
        tokens: Option<&TokenVerifier>,
    ) -> Result<Option<Presented<'a>>, Unverified> {
        let Some(bearer) = bearer(headers)? else {
            let peer = extensions.get::<Peer>();
            let certificate = peer.and_then(|peer| peer.certificate.as_ref());
            let certificate = certificate.map(Arc::clone).map(Credential::Certificate);
            return Ok(certificate.map(Presented::Verified));
        };
        if let Some(key) = PresentedKey::parse(bearer) {
            return Ok(Some(Presented::Key(key)));
        }
        let tokens = tokens.ok_or(UnknownCaller::Unreadable)?;
        let verified = tokens.verify(bearer, clock::now());
        let verified = verified.map_err(|error| match error {
            TokenError::Unreadable => UnknownCaller::Unreadable.into(),
            TokenError::NotValid => UnknownCaller::InvalidToken.into(),
            TokenError::UnknownKey => Unverified::ReadKeys(UnknownCaller::InvalidToken.into()),
            TokenError::NoKeys => Unverified::ReadKeys(Failure::NoIssuerKeys),
        })?;
        Ok(Some(Presented::Verified(Credential::Token(verified))))
    }

    /// Returns the caller and the credential by which it can be looked up again.
    pub(super) fn caller(
        self,
        callers: &CallerDirectory,
    ) -> Result<(&Arc<Caller>, Credential), UnknownCaller> {
        match self {
            Self::Key(key) => {
                let caller = callers.find_by_key(&key, clock::now());
                let caller = caller.ok_or(UnknownCaller::InvalidKey)?;
                Ok((caller, Credential::Key(key.id)))
            }
            Self::Verified(credential) => Ok((credential.caller(callers)?, credential)),
        }
    }
}

/// Returns the bearer token or key of a call; `None`: there is none.
pub(super) fn bearer(headers: &http::HeaderMap) -> Result<Option<&[u8]>, UnknownCaller> {
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
    fn exactly_one_bearer_header_is_accepted() {
        let cases: [(&[&str], _); 8] = [
            (&[], Some(None)),
            (&["Bearer abc"], Some(Some("abc"))),
            (&["bearer abc"], Some(Some("abc"))),
            (&["Bearer "], Some(Some(""))),
            (&["Basic abc"], None),
            (&["Bearer"], None),
            (&["abc"], None),
            (&["Bearer abc", "Bearer abc"], None),
        ];
        for (values, expected) in cases {
            let headers = headers(values);
            let expected = expected.map(|found| found.map(str::as_bytes));
            assert_eq!(bearer(&headers).ok(), expected, "{values:?}");
        }
    }
}
