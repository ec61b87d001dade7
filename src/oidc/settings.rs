use std::path::PathBuf;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;

use crate::tls::PemFileError;

/// The accepted issuer, and the conditions for accepting its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcSettings {
    /// Required claim `iss`, compared exactly; a URL if the keys are discovered.
    pub issuer: String,
    /// Value that the claim `aud` must contain: the name of this service at the
    /// issuer.
    pub audience: String,
    /// Location of the issuer's keys.
    pub keys: KeyLocation,
    /// File with the trusted CAs for the certificate of a URL; `None` for those
    /// of the platform.
    pub ca: Option<PathBuf>,
    /// Accepted signature algorithms, such as `RS256`; never a symmetric one.
    pub algorithms: Vec<String>,
}

/// Location of the public keys of an issuer, a JSON Web Key Set (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLocation {
    /// In a file, which is polled for changes.
    File(PathBuf),
    /// At a URL.
    Url(String),
    /// At the URL in the issuer's `/.well-known/openid-configuration`.
    Discovered,
}

impl KeyLocation {
    /// Parses a setting: with `://` it is a URL, otherwise the path of a file.
    #[must_use]
    pub fn of(setting: Option<&str>) -> Self {
        match setting {
            None => Self::Discovered,
            Some(url) if url.contains("://") => Self::Url(url.to_owned()),
            Some(path) => Self::File(path.into()),
        }
    }
}

/// Error in the settings for OIDC tokens.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOidcSettings {
    /// The name of an algorithm is unknown or that of a symmetric one.
    #[error(
        "`--oidc-algorithms` names `{0}`; it takes some of RS256, RS384, RS512, PS256, PS384, PS512, \
         ES256, ES384, EdDSA"
    )]
    Algorithm(String),

    /// The list of algorithms is empty.
    #[error("`--oidc-algorithms` is empty; name one at least, such as RS256")]
    NoAlgorithm,

    /// The location of the keys is not a URL, is not protected, or contains a
    /// password. The value is not repeated because it may be a secret.
    #[error(
        "`{0}` is no https URL without a user and password; keys are read over https, and over http \
         from loopback alone"
    )]
    Url(&'static str),

    /// The file of CAs cannot be used.
    #[error(transparent)]
    Ca(#[from] PemFileError),

    /// The platform has no CAs.
    #[error(
        "this machine has no CAs{0}; install them (Debian: `apt-get install ca-certificates`), or \
         let `--oidc-ca` name a file in PEM"
    )]
    NoSystemRoots(String),

    /// TLS cannot be used.
    #[error("TLS to the issuer cannot be used ({0})")]
    Tls(String),

    /// The HTTP client cannot be built.
    #[error("no HTTP client can be made for the issuer's keys")]
    Client(#[source] reqwest::Error),
}

impl OidcSettings {
    /// Parses the algorithms; fails if there is none.
    pub(super) fn algorithms(&self) -> Result<Vec<Algorithm>, InvalidOidcSettings> {
        let asymmetric = |name: &String| {
            let parsed = name.parse::<Algorithm>().ok();
            parsed
                .filter(|found| found.family() != AlgorithmFamily::Hmac)
                .ok_or_else(|| InvalidOidcSettings::Algorithm(name.clone()))
        };
        let found: Vec<_> = self
            .algorithms
            .iter()
            .map(asymmetric)
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Err(InvalidOidcSettings::NoAlgorithm);
        }
        Ok(found)
    }
}

/// Parses a URL that keys may be read from: https, or http on loopback, without
/// user and password, since URLs are logged.
pub(super) fn parse_url(setting: &'static str, text: &str) -> Result<Url, InvalidOidcSettings> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
    let url = url.filter(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    });
    url.ok_or(InvalidOidcSettings::Url(setting))
}

/// True if the host of a URL is `localhost` or a loopback address.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_algorithms(names: &[&str]) -> OidcSettings {
        OidcSettings {
            issuer: "https://id.example".to_owned(),
            audience: "pim-authz".to_owned(),
            keys: KeyLocation::Discovered,
            ca: None,
            algorithms: names.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn symmetric_and_unknown_algorithms_are_rejected() {
        for names in [
            &["HS256"][..],
            &["RS256", "HS512"],
            &["none"],
            &["rs256"],
            &[""],
            &[],
        ] {
            assert!(with_algorithms(names).algorithms().is_err(), "{names:?}");
        }
        let both = with_algorithms(&["RS256", "EdDSA"]).algorithms();
        assert_eq!(both.unwrap(), [Algorithm::RS256, Algorithm::EdDSA]);
    }

    #[test]
    fn keys_are_read_over_https_or_from_loopback() {
        for (text, is_taken) in [
            ("https://id.example/keys", true),
            ("http://127.0.0.1:8080/keys", true),
            ("http://[::1]/keys", true),
            ("http://localhost/keys", true),
            ("http://id.example/keys", false),
            ("http://localhost.example/keys", false),
            ("http://127.0.0.1.example/keys", false),
            ("ftp://127.0.0.1/keys", false),
            ("file:///etc/passwd", false),
            ("https://", false),
            ("https://user:hidden@id.example/keys", false),
            ("https://hidden@id.example/keys", false),
            ("http://:hidden@127.0.0.1/keys", false),
            ("keys", false),
        ] {
            let parsed = parse_url("--oidc-jwks", text);
            assert_eq!(parsed.is_ok(), is_taken, "{text}");
            if let Err(error) = parsed {
                assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
            }
        }
    }

    #[test]
    fn setting_with_a_scheme_is_a_url() {
        let url = KeyLocation::Url("https://id.example/keys".to_owned());
        assert_eq!(KeyLocation::of(Some("https://id.example/keys")), url);
        let file = KeyLocation::File("/etc/keys.json".into());
        assert_eq!(KeyLocation::of(Some("/etc/keys.json")), file);
        assert_eq!(KeyLocation::of(None), KeyLocation::Discovered);
    }
}
