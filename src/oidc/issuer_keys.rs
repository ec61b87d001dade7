use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Maximum number of keys read from a set.
const MAX_KEYS: usize = 100;

/// Public keys of an issuer that can verify tokens.
#[derive(Debug, Default)]
pub(super) struct IssuerKeys {
    keys: Vec<IssuerKey>,
}

#[derive(Debug)]
struct IssuerKey {
    /// Value of the header `kid` in tokens signed with it.
    id: Option<String>,
    /// Accepted algorithms of the key.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// Error of parsing a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeySetError {
    /// The document is not a JSON Web Key Set.
    #[error("it is no JSON Web Key Set, which is an object with a list `keys`")]
    Form,

    /// No key of the set can be used.
    #[error(
        "it holds no key that can verify a token: a public key for signatures, of an algorithm of \
         `--oidc-algorithms`"
    )]
    Empty,
}

/// A key set with unparsed keys: each is parsed on its own, so that one of an
/// unknown kind does not fail the others.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl IssuerKeys {
    /// Parses a JSON Web Key Set (RFC 7517). Skips keys that are symmetric, are
    /// not for signatures, or have no algorithm of `allowed`.
    ///
    /// # Errors
    ///
    /// Returns [`KeySetError`] if the document is no key set or no key is left.
    pub(super) fn parse(document: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        let set: KeySet = serde_json::from_slice(document).map_err(|_| KeySetError::Form)?;
        let keys = set.keys.into_iter().take(MAX_KEYS);
        let keys: Vec<_> = keys
            .filter_map(|key| IssuerKey::read(key, allowed))
            .collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self { keys })
    }

    /// Returns the keys that may have signed a token with this `kid` and
    /// algorithm; `None` if the key is unknown. A token may omit `kid` if the
    /// issuer has exactly one key.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Option<Vec<&DecodingKey>> {
        let named: Vec<&IssuerKey> = match (id, self.keys.as_slice()) {
            (None, [only]) => vec![only],
            (None, _) => return Some(Vec::new()),
            (Some(id), keys) => {
                let is_named = |key: &&IssuerKey| key.id.as_deref() == Some(id);
                keys.iter().filter(is_named).collect()
            }
        };
        if named.is_empty() {
            return None;
        }
        let fitting = named
            .into_iter()
            .filter(|key| key.algorithms.contains(&algorithm));
        Some(fitting.map(|key| &key.key).collect())
    }

    /// Returns the number of keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl IssuerKey {
    fn read(key: Value, allowed: &[Algorithm]) -> Option<Self> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let common = &key.common;
        let is_for_signatures = common
            .public_key_use
            .as_ref()
            .is_none_or(|used| *used == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|done| done.contains(&KeyOperations::Verify));
        if !is_for_signatures {
            return None;
        }
        let stated = common.key_algorithm.map(Algorithm::try_from);
        let stated = stated.transpose().ok()?;
        let possible = algorithms_of(&key.algorithm).iter().copied();
        let algorithms: Vec<_> = possible
            .filter(|one| allowed.contains(one))
            .filter(|one| stated.is_none_or(|stated| stated == *one))
            .collect();
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            key: DecodingKey::from_jwk(&key).ok()?,
            id: key.common.key_id,
            algorithms,
        })
    }
}

/// Returns the algorithms that a public key of this kind can verify; none for a
/// symmetric key.
fn algorithms_of(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    if matches!(parameters, AlgorithmParameters::RSA(_)) {
        return &[RS256, RS384, RS512, PS256, PS384, PS512];
    }
    if let AlgorithmParameters::EllipticCurve(key) = parameters {
        return match &key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            EllipticCurve::P521 | EllipticCurve::Ed25519 | _ => &[],
        };
    }
    if let AlgorithmParameters::OctetKeyPair(key) = parameters
        && key.curve == EllipticCurve::Ed25519
    {
        return &[EdDSA];
    }
    &[]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    /// A point on P-256, of RFC 7517, A.1.
    const X: &str = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
    const Y: &str = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";

    fn parse(keys: &Value) -> Result<IssuerKeys, KeySetError> {
        IssuerKeys::parse(json!({ "keys": keys }).to_string().as_bytes(), &ALL)
    }

    fn curve(more: &Value) -> Value {
        let mut key = json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": "a" });
        let fields = more.as_object().unwrap().clone();
        key.as_object_mut().unwrap().extend(fields);
        key
    }

    #[test]
    fn unusable_keys_are_skipped() {
        for key in [
            curve(&json!({ "use": "enc" })),
            curve(&json!({ "key_ops": ["sign"] })),
            curve(&json!({ "alg": "ES384" })),
            curve(&json!({ "alg": "HS256" })),
            curve(&json!({ "crv": "P-521" })),
            curve(&json!({ "crv": "unheard of" })),
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "RS256" }),
            json!({ "kty": "unheard of", "kid": "a" }),
            json!("a"),
        ] {
            let found = parse(&json!([key]));
            assert_eq!(found.err(), Some(KeySetError::Empty), "{key}");
            // It does not fail the others.
            let found = parse(&json!([key, curve(&json!({}))])).unwrap();
            assert_eq!(found.len(), 1, "{key}");
        }
    }

    #[test]
    fn invalid_key_set_is_rejected() {
        for document in ["", "{}", "[]", "{\"keys\": 1}", "<html>", "\u{0}"] {
            let parsed = IssuerKeys::parse(document.as_bytes(), &ALL);
            assert_eq!(parsed.err(), Some(KeySetError::Form), "{document}");
        }
        assert_eq!(parse(&json!([])).err(), Some(KeySetError::Empty));
    }

    #[test]
    fn keys_are_found_by_id_and_algorithm() {
        let two = json!([curve(&json!({})), curve(&json!({ "kid": "b" }))]);
        let two = parse(&two).unwrap();
        let found = |id, algorithm| two.candidates(id, algorithm).map(|keys| keys.len());
        assert_eq!(found(Some("a"), Algorithm::ES256), Some(1));
        assert_eq!(found(Some("b"), Algorithm::ES256), Some(1));
        assert_eq!(found(Some("a"), Algorithm::RS256), Some(0));
        assert_eq!(found(Some("c"), Algorithm::ES256), None);
        assert_eq!(found(Some(""), Algorithm::ES256), None);
        // Without a `kid` the choice between two keys is ambiguous.
        assert_eq!(found(None, Algorithm::ES256), Some(0));
        let one = parse(&json!([curve(&json!({}))])).unwrap();
        let only = one.candidates(None, Algorithm::ES256);
        assert_eq!(only.map(|keys| keys.len()), Some(1));
    }
}
