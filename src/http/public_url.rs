use std::{fmt, net::SocketAddr, str::FromStr};

use tonic::codegen::http::Uri;

/// The URL by which callers reach the server: a scheme, a host, perhaps a port and a
/// path, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// The text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a URL like `https://authz.example.com`: http or https, a host, no query and no \
     fragment"
)]
pub struct PublicUrlInvalid(String);

impl PublicUrl {
    /// Returns the URL of an address on which the server listens itself.
    #[must_use]
    pub fn of(address: SocketAddr, is_encrypted: bool) -> Self {
        let scheme = if is_encrypted { "https" } else { "http" };
        Self(format!("{scheme}://{address}"))
    }

    /// True if the URL has no path.
    pub(super) fn is_origin(&self) -> bool {
        let after_scheme = self.0.split_once("://").map(|(_, rest)| rest);
        after_scheme.is_some_and(|rest| !rest.contains('/'))
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlInvalid;

    fn from_str(text: &str) -> Result<Self, PublicUrlInvalid> {
        let invalid = || PublicUrlInvalid(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        let has_user = uri
            .authority()
            .is_some_and(|host| host.as_str().contains('@'));
        let is_plain = uri.query().is_none() && !text.contains('#') && !has_user;
        if is_http && has_host && is_plain {
            Ok(Self(text.trim_end_matches('/').to_owned()))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_has_scheme_and_host_only() {
        let url = |text: &str| text.parse().map(|url: PublicUrl| url.to_string()).ok();
        assert_eq!(
            url("https://authz.example.com/pim/").as_deref(),
            Some("https://authz.example.com/pim")
        );
        assert_eq!(
            url("http://[::1]:8080").as_deref(),
            Some("http://[::1]:8080")
        );
        for text in [
            "",
            "authz.example.com",
            "ftp://authz.example.com",
            "https://",
            "https://authz.example.com?query",
            "https://authz.example.com#part",
            "https://user@authz.example.com",
            "/path",
        ] {
            assert_eq!(url(text), None, "{text}");
        }
    }
}
