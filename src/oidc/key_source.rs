use std::{io, path::PathBuf, time::Duration};

use reqwest::{Client, StatusCode, Url, redirect::Policy};
use serde::Deserialize;

use super::{
    issuer_keys::KeySetError,
    settings::{InvalidOidcSettings, KeyLocation, OidcSettings, is_loopback, parse_url},
};
use crate::tls::{self, PemFile};

/// Maximum size of a document, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// Timeout of one HTTP request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Path of an issuer's configuration, appended to its URL (OIDC Discovery 1.0,
/// section 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

const ISSUER_SETTING: &str = "--oidc-issuer";
const KEYS_SETTING: &str = "--oidc-jwks";

/// Source of the keys of an issuer.
#[derive(Debug)]
pub(super) enum KeySource {
    /// A file.
    File(PathBuf),
    /// A URL.
    Url { client: Client, url: Url },
    /// The URL in the issuer's configuration.
    Discovery {
        client: Client,
        configuration: Url,
        issuer: String,
    },
}

/// Error of reading the keys of an issuer.
#[derive(Debug, thiserror::Error)]
pub enum KeyReadError {
    /// The file cannot be read.
    #[error("the file `{}` of `--oidc-jwks` cannot be read ({cause})", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        cause: io::Error,
    },

    /// The server of the URL does not respond, or its TLS connection is not
    /// trusted.
    #[error("`{url}` does not answer: {cause}")]
    Request {
        /// URL requested.
        url: Url,
        /// The error with its chain of causes.
        cause: String,
    },

    /// The response has another status than 200.
    #[error("`{url}` answers {status}, not 200; redirects are not followed")]
    Status {
        /// URL requested.
        url: Url,
        /// Status of the response.
        status: StatusCode,
    },

    /// The document is too large.
    #[error("`{place}` holds more than {MOST_BYTES} bytes")]
    TooLarge {
        /// The file or URL.
        place: String,
    },

    /// The issuer's configuration does not name the URL of its keys.
    #[error("the configuration at `{url}` {problem}; name the keys by `--oidc-jwks`")]
    Configuration {
        /// URL of the configuration.
        url: Url,
        /// What is wrong with it.
        problem: String,
    },

    /// The document contains no usable keys.
    #[error("the key set at `{place}` cannot be used: {cause}")]
    KeySet {
        /// The file or URL.
        place: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// The required fields of an issuer's configuration.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// Builds the key source that the settings name.
    pub(super) fn of(settings: &OidcSettings) -> Result<Self, InvalidOidcSettings> {
        match &settings.keys {
            KeyLocation::File(path) => Ok(Self::File(path.clone())),
            KeyLocation::Url(url) => {
                let url = parse_url(KEYS_SETTING, url)?;
                let client = client(settings, &url)?;
                Ok(Self::Url { client, url })
            }
            KeyLocation::Discovered => {
                let configuration =
                    format!("{}{WELL_KNOWN}", settings.issuer.trim_end_matches('/'));
                let configuration = parse_url(ISSUER_SETTING, &configuration)?;
                Ok(Self::Discovery {
                    client: client(settings, &configuration)?,
                    configuration,
                    issuer: settings.issuer.clone(),
                })
            }
        }
    }

    /// True if the source is a file, whose keys are read at startup.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Returns the file or URL of the keys, for log lines and errors.
    pub(super) fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url { url, .. } => url.to_string(),
            Self::Discovery { configuration, .. } => configuration.to_string(),
        }
    }

    /// Reads the document with the keys.
    pub(super) async fn read(&self) -> Result<Vec<u8>, KeyReadError> {
        match self {
            Self::File(path) => read_file(path).await,
            Self::Url { client, url } => get(client, url).await,
            Self::Discovery {
                client,
                configuration,
                issuer,
            } => {
                let found = get(client, configuration).await?;
                let url = jwks_url(configuration, issuer, &found)?;
                get(client, &url).await
            }
        }
    }

    /// Returns the error for a document without usable keys.
    pub(super) fn unusable(&self, cause: KeySetError) -> KeyReadError {
        KeyReadError::KeySet {
            place: self.place(),
            cause: cause.to_string(),
        }
    }
}

async fn read_file(path: &PathBuf) -> Result<Vec<u8>, KeyReadError> {
    let unreadable = |cause| KeyReadError::File {
        path: path.clone(),
        cause,
    };
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if usize::try_from(size).map_or(true, |size| size > MOST_BYTES) {
        return Err(KeyReadError::TooLarge {
            place: path.display().to_string(),
        });
    }
    tokio::fs::read(path).await.map_err(unreadable)
}

/// Builds an HTTP client for one host: it trusts the CAs of the settings, follows
/// no redirect, and uses the proxies of the environment except for loopback.
fn client(settings: &OidcSettings, url: &Url) -> Result<Client, InvalidOidcSettings> {
    let roots = match &settings.ca {
        Some(path) => PemFile::new("`--oidc-ca`", path).roots()?,
        None if url.scheme() == "http" => tls::no_roots(),
        None => tls::system_roots().map_err(InvalidOidcSettings::NoSystemRoots)?,
    };
    let secured = tls::client_trusting(roots);
    let secured = secured.map_err(|error| InvalidOidcSettings::Tls(error.to_string()))?;
    let builder = Client::builder()
        .tls_backend_preconfigured(secured)
        .redirect(Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .user_agent(concat!("pim-authz/", env!("CARGO_PKG_VERSION")));
    let builder = if is_loopback(url) {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build().map_err(InvalidOidcSettings::Client)
}

async fn get(client: &Client, url: &Url) -> Result<Vec<u8>, KeyReadError> {
    let failed = |error: reqwest::Error| KeyReadError::Request {
        url: url.clone(),
        cause: format!("{:#}", anyhow::Error::from(error.without_url())),
    };
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    let status = response.status();
    if status != StatusCode::OK {
        return Err(KeyReadError::Status {
            url: url.clone(),
            status,
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(KeyReadError::TooLarge {
                place: url.to_string(),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Returns the URL of the keys in an issuer's configuration. Fails if it is the
/// configuration of another issuer, or names no https URL.
fn jwks_url(configuration: &Url, issuer: &str, document: &[u8]) -> Result<Url, KeyReadError> {
    let wrong = |problem: String| KeyReadError::Configuration {
        url: configuration.clone(),
        problem,
    };
    let found: Configuration = serde_json::from_slice(document)
        .map_err(|_| wrong("has no `issuer` or no `jwks_uri`".to_owned()))?;
    if found.issuer != issuer {
        let problem = format!("is that of another issuer, `{}`", found.issuer);
        return Err(wrong(problem));
    }
    let url = parse_url(KEYS_SETTING, &found.jwks_uri);
    let url = url.map_err(|_| wrong(format!("names `{}`, no https URL", found.jwks_uri)))?;
    if url.scheme() == "http" && configuration.scheme() != "http" {
        return Err(wrong(format!("names `{url}`, no https URL")));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_must_match_issuer_and_name_an_https_url() {
        const ISSUER: &str = "https://id.example/realms/pim";
        let configuration = Url::parse(&format!("{ISSUER}{WELL_KNOWN}")).unwrap();
        let found = |document: &str| jwks_url(&configuration, ISSUER, document.as_bytes());
        let keys = "https://id.example/keys";
        let good = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{keys}","x":1}}"#);
        assert_eq!(found(&good).unwrap().as_str(), keys);
        for bad in [
            good.replace("realms/pim", "realms/pim/"),
            good.replace("realms/pim", "realms/other"),
            good.replace("https://id.example/keys", "http://id.example/keys"),
            good.replace("https://id.example/keys", "http://127.0.0.1/keys"),
            good.replace("jwks_uri", "jwks"),
            "<html>".to_owned(),
            String::new(),
        ] {
            assert!(found(&bad).is_err(), "{bad}");
        }
    }
}
