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

/// Tolerated difference between the clocks of issuer and server, in seconds.
const LEEWAY_S: u64 = 60;

/// Maximum number of verified tokens in the cache.
const MAX_CACHED_TOKENS: u64 = 10_000;

/// Interval of reloading keys from a file.
const FILE_INTERVAL: Duration = Duration::from_secs(2);

/// Interval of reloading keys from a URL.
const URL_INTERVAL: Duration = Duration::from_mins(5);

/// Interval of retrying to read keys from a URL after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// Minimum time between two reads that are caused by tokens with unknown keys.
const MIN_READ_INTERVAL: Duration = Duration::from_secs(10);

/// The same, while no keys have been read yet.
const MIN_READ_INTERVAL_WITHOUT_KEYS: Duration = Duration::from_secs(1);

/// Verifies the tokens of one issuer.
#[derive(Debug)]
pub struct TokenVerifier {
    issuer: Arc<str>,
    algorithms: Vec<Algorithm>,
    validation: Validation,
    source: KeySource,
    current: ArcSwap<Current>,
    /// Cache of verified tokens, by their tags.
    verified: MokaCache<SecretTag, VerifiedToken>,
    tagger: SecretTagger,
    /// Time of the last read; locked during a read.
    last_read: Mutex<Option<Instant>>,
}

/// Keys as of the last successful read.
#[derive(Debug, Default)]
struct Current {
    keys: IssuerKeys,
    /// Hash of the document with the keys; `None` if none was read yet.
    document: Option<[u8; 32]>,
}

/// Identity and expiry of a verified token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedToken {
    /// Issuer and subject of the token.
    pub identity: Arc<OidcIdentity>,
    /// Time from which it is rejected, in microseconds since 1970: its claim
    /// `exp` plus the minute by which clocks may differ.
    pub expires_at: i64,
    /// Hash of the document with the keys that verified it.
    document: Option<[u8; 32]>,
}

/// Reason for rejecting a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is not a JWT.
    Unreadable,
    /// It has a wrong signature, algorithm, type, issuer or audience, has expired
    /// or is not valid yet.
    NotValid,
    /// Its key is unknown, and may be a new one.
    UnknownKey,
    /// No key of the issuer has been read yet.
    NoKeys,
}

/// Claims that are read. A duplicate claim, or one of another type, is an error.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
}

impl TokenVerifier {
    /// Builds a verifier with these settings, without keys yet. Keys in a file
    /// are read by [`TokenVerifier::read_file`], those at a URL by
    /// [`TokenVerifier::follow`].
    ///
    /// # Errors
    ///
    /// Returns [`InvalidOidcSettings`] if the settings cannot be used.
    pub fn new(settings: &OidcSettings) -> Result<Self, InvalidOidcSettings> {
        let algorithms = settings.algorithms()?;
        // Replaced by the algorithm of each token before it is verified.
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
            verified: MokaCache::new(MAX_CACHED_TOKENS),
            tagger: SecretTagger::default(),
            last_read: Mutex::default(),
        })
    }

    /// Reads the keys for the first time if they are in a file.
    ///
    /// # Errors
    ///
    /// Returns [`KeyReadError`] if the file cannot be read or contains no keys.
    pub async fn read_file(&self) -> Result<(), KeyReadError> {
        if self.source.is_file() {
            self.read().await?;
        }
        Ok(())
    }

    /// Verifies a token of the issuer for this service at `now`, in microseconds
    /// since 1970, and returns its identity.
    ///
    /// # Errors
    ///
    /// Returns [`TokenError`] if the token is rejected; after
    /// [`TokenError::UnknownKey`] and [`TokenError::NoKeys`] the caller may
    /// reload the keys.
    pub fn verify(&self, token: &[u8], now: i64) -> Result<VerifiedToken, TokenError> {
        let current = self.current.load();
        let tag = self.tagger.tag(token);
        if let Some(cached) = self.verified.get(&tag)
            && cached.document == current.document
        {
            return cached.at(now);
        }
        let verified = self.verify_with(&current, token)?;
        self.verified.insert(tag, verified.clone());
        verified.at(now)
    }

    fn verify_with(&self, current: &Current, token: &[u8]) -> Result<VerifiedToken, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Unreadable)?;
        let is_accepted = self.algorithms.contains(&header.alg)
            && is_access_token(header.typ.as_deref())
            // Critical extensions are not supported; neither are encrypted or
            // compressed tokens.
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
            expires_at: expiry_of(claims.exp),
            document: current.document,
        })
    }

    /// Returns the claims if one of the keys verifies the signature.
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

    /// Reloads the keys because a token names an unknown one, however many such
    /// tokens there are: at most every 10 s, or every 1 s while no keys have been
    /// read.
    pub async fn read_again(&self) {
        let mut last_read = self.last_read.lock().await;
        let pause = if self.has_keys() {
            MIN_READ_INTERVAL
        } else {
            MIN_READ_INTERVAL_WITHOUT_KEYS
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

    /// Reloads the keys periodically, for as long as the future is polled. If a
    /// read fails, the previous keys stay in use.
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

/// True if a token of this type is accepted as a credential (RFC 8725, 3.11): an
/// access token, or one without a type. Other tokens of the same issuer, such as
/// logout tokens, are not.
fn is_access_token(typ: Option<&str>) -> bool {
    typ.is_none_or(|typ| {
        ["JWT", "at+jwt", "application/at+jwt"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(typ))
    })
}

/// Returns the time from which a token is rejected, in microseconds since 1970.
fn expiry_of(exp: f64) -> i64 {
    let end = Duration::try_from_secs_f64(exp).unwrap_or(Duration::MAX);
    let end = end.saturating_add(Duration::from_secs(LEEWAY_S));
    i64::try_from(end.as_micros()).unwrap_or(i64::MAX)
}
