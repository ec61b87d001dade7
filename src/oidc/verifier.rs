use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use moka::sync::Cache as MokaCache;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{
    issuer_keys::IssuerKeys,
    key_source::{KeyReadError, KeySource},
    settings::{InvalidOidcSettings, OidcSettings},
};
use crate::domain::{OidcIdentity, SecretTag, SecretTagger};

/// By how much the clocks of issuer and server may differ, in seconds.
const LEEWAY_S: u64 = 60;

/// The most verified tokens that are kept.
const MOST_KEPT: u64 = 10_000;

/// How often keys in a file are read again.
const FILE_INTERVAL: Duration = Duration::from_secs(2);

/// How often keys at a URL are read again.
const URL_INTERVAL: Duration = Duration::from_mins(5);

/// When keys at a URL are tried again that could not be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// The shortest time between two reads because of tokens with unknown keys.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);

/// The same while no key has been read at all.
const SHORTEST_PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// Verifies the tokens of one issuer.
#[derive(Debug)]
pub struct TokenVerifier {
    issuer: Arc<str>,
    algorithms: Vec<Algorithm>,
    validation: Validation,
    source: KeySource,
    current: ArcSwap<Current>,
    /// Tokens that were verified, by their tags.
    verified: MokaCache<SecretTag, VerifiedToken>,
    tagger: SecretTagger,
    /// When the keys were last read; held while they are.
    last_read: Mutex<Option<Instant>>,
}

/// The keys, as they were last read.
#[derive(Debug, Default)]
struct Current {
    keys: IssuerKeys,
    /// The hash of the document that they are from; `None`: none was read yet.
    document: Option<[u8; 32]>,
}

/// What a token that was verified states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Whom it is about.
    pub identity: Arc<OidcIdentity>,
    /// From when on it is refused, in microseconds since 1970: its claim `exp`, and
    /// the minute by which clocks may differ.
    pub expires_at: i64,
    /// The document with the keys that verified it.
    document: Option<[u8; 32]>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is no token.
    Unreadable,
    /// It is wrong, expired, not valid yet, of another issuer, or for others.
    NotValid,
    /// Its key is unknown; it may be a new one.
    UnknownKey,
    /// No key of the issuer has been read yet.
    NoKeys,
}

/// The claims that are read. A claim that stands twice, or has another type, is an
/// error.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
}

impl TokenVerifier {
    /// Verifies tokens as the settings say. Keys in a file are read at once; those
    /// at a URL by [`TokenVerifier::follow`].
    ///
    /// # Errors
    ///
    /// [`InvalidOidcSettings`].
    pub fn new(settings: &OidcSettings) -> Result<Self, InvalidOidcSettings> {
        let algorithms = settings.algorithms()?;
        // The algorithm of each token is set before it is verified.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms.clear();
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        Ok(Self {
            issuer: settings.issuer.as_str().into(),
            algorithms,
            validation,
            source: KeySource::of(settings)?,
            current: ArcSwap::default(),
            verified: MokaCache::new(MOST_KEPT),
            tagger: SecretTagger::default(),
            last_read: Mutex::default(),
        })
    }

    /// Reads the keys for the first time, where they are in a file.
    ///
    /// # Errors
    ///
    /// [`KeyReadError`] when the file cannot be read or holds no keys.
    pub async fn read_file(&self) -> Result<(), KeyReadError> {
        if self.source.is_file() {
            self.read().await?;
        }
        Ok(())
    }

    /// Whom a token is about, if it is one of the issuer for this service, at
    /// `now`, in microseconds since 1970.
    ///
    /// # Errors
    ///
    /// [`TokenError`]; after [`TokenError::UnknownKey`] and [`TokenError::NoKeys`]
    /// the keys may be read again.
    pub fn verify(&self, token: &[u8], now: i64) -> Result<VerifiedToken, TokenError> {
        let current = self.current.load();
        let tag = self.tagger.tag(token);
        if let Some(kept) = self.verified.get(&tag)
            && kept.document == current.document
        {
            return kept.at(now);
        }
        let verified = self.verify_with(&current, token)?;
        self.verified.insert(tag, verified.clone());
        verified.at(now)
    }

    fn verify_with(&self, current: &Current, token: &[u8]) -> Result<VerifiedToken, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Unreadable)?;
        let is_accepted = self.algorithms.contains(&header.alg)
            && is_access_token(header.typ.as_deref())
            // Extensions that must be understood are not; encrypted or compressed
            // tokens neither.
            && header.crit.is_none()
            && header.enc.is_none()
            && header.zip.is_none();
        if !is_accepted {
            return Err(TokenError::NotValid);
        }
        if current.document.is_none() {
            return Err(TokenError::NoKeys);
        }
        let candidates = current.keys.candidates(header.kid.as_deref(), header.alg);
        let candidates = candidates.ok_or(TokenError::UnknownKey)?;
        let claims = self.claims(token, &header, &candidates)?;
        if *claims.iss != *self.issuer || claims.sub.is_empty() {
            return Err(TokenError::NotValid);
        }
        Ok(VerifiedToken {
            identity: Arc::new(OidcIdentity {
                issuer: claims.iss,
                subject: claims.sub,
            }),
            expires_at: end_of(claims.exp),
            document: current.document,
        })
    }

    /// The claims, if one of the keys has signed them.
    fn claims(
        &self,
        token: &[u8],
        header: &Header,
        candidates: &[&jsonwebtoken::DecodingKey],
    ) -> Result<Claims, TokenError> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let signed = candidates
            .iter()
            .find_map(|key| decode::<Claims>(token, key, &validation).ok());
        signed
            .map(|signed| signed.claims)
            .ok_or(TokenError::NotValid)
    }

    /// Reads the keys again because a token names an unknown one; not more often
    /// than every ten seconds, however many such tokens there are.
    pub async fn read_again(&self) {
        let mut last_read = self.last_read.lock().await;
        let pause = if self.has_keys() {
            SHORTEST_PAUSE
        } else {
            SHORTEST_PAUSE_WITHOUT_KEYS
        };
        if last_read.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        let read = self.read().await;
        *last_read = Some(Instant::now());
        drop(last_read);
        if let Err(error) = read {
            self.log_failure(&error);
        }
    }

    /// Reads the keys again and again, for as long as it is polled. What cannot be
    /// read leaves those from before.
    pub async fn follow(self: Arc<Self>) {
        let is_file = self.source.is_file();
        let mut is_failing = false;
        loop {
            let read = {
                let mut last_read = self.last_read.lock().await;
                let read = self.read().await;
                if !is_file {
                    *last_read = Some(Instant::now());
                }
                read
            };
            if let Err(error) = &read
                && !(is_file && is_failing)
            {
                self.log_failure(error);
            }
            is_failing = read.is_err();
            sleep(match (is_file, is_failing) {
                (true, _) => FILE_INTERVAL,
                (false, true) => RETRY_INTERVAL,
                (false, false) => URL_INTERVAL,
            })
            .await;
        }
    }

    async fn read(&self) -> Result<(), KeyReadError> {
        let document = self.source.read().await?;
        let hash: [u8; 32] = Sha256::digest(&document).into();
        if self.current.load().document == Some(hash) {
            return Ok(());
        }
        let keys = IssuerKeys::parse(&document, &self.algorithms);
        let keys = keys.map_err(|cause| self.source.unusable(cause))?;
        tracing::info!(
            oidc.issuer = &*self.issuer,
            oidc.keys = keys.len(),
            "read {} keys of the issuer `{}` from `{}`",
            keys.len(),
            self.issuer,
            self.source.place()
        );
        self.current.store(Arc::new(Current {
            keys,
            document: Some(hash),
        }));
        Ok(())
    }

    fn has_keys(&self) -> bool {
        self.current.load().document.is_some()
    }

    fn log_failure(&self, error: &KeyReadError) {
        let meanwhile = if self.has_keys() {
            "those from before stay in use"
        } else {
            "calls with OIDC tokens are UNAVAILABLE until then"
        };
        tracing::warn!(
            oidc.issuer = &*self.issuer,
            "the keys of the issuer `{}` cannot be read: {error}; {meanwhile}",
            self.issuer
        );
    }
}

impl VerifiedToken {
    fn at(self, now: i64) -> Result<Self, TokenError> {
        if now < self.expires_at {
            Ok(self)
        } else {
            Err(TokenError::NotValid)
        }
    }
}

/// Whether a token of this type may be presented as a credential (RFC 8725, 3.11):
/// an access token, or one without a type. Others of the same issuer, such as those
/// that announce a logout, may not.
fn is_access_token(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        ["JWT", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(typ))
    })
}

/// From when on a token is refused, in microseconds since 1970.
fn end_of(exp: f64) -> i64 {
    let end = Duration::try_from_secs_f64(exp).unwrap_or(Duration::MAX);
    let end = end.saturating_add(Duration::from_secs(LEEWAY_S));
    i64::try_from(end.as_micros()).unwrap_or(i64::MAX)
}
