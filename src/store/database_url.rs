//! Extracts libpq's TLS parameters from a database URL, because the URL's parser
//! knows only some of them.

use std::error::Error as _;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use super::TlsParameters;

/// Schemes of a database URL; any other text is parsed as `key=value key=value`.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Reason why a database URL is invalid, without any text of the URL: with a
/// misspelled scheme its parser reports the password as the name of an option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl InvalidUrl {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        /// Prefixes of parser messages that contain no text of the URL.
        const SAFE_PREFIXES: [&str; 3] =
            ["invalid value for option", "unexpected EOF", "unterminated"];
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if SAFE_PREFIXES.iter().any(|prefix| cause.starts_with(prefix)) {
            return Self(cause);
        }
        let message = if cause.starts_with("unknown option") {
            "it has an option that PostgreSQL's clients do not know, or another scheme than \
             `postgresql://`"
        } else {
            "it cannot be read"
        };
        Self(message.to_owned())
    }
}

impl TlsParameters {
    /// Returns the database URL with its TLS parameters replaced by those set in
    /// `self`; unset ones keep the URL's value.
    #[must_use]
    pub fn override_in(self, url: &SecretString) -> SecretString {
        let (rest, of_url) = split(url.expose_secret());
        let chosen = Self {
            sslmode: self.sslmode.or(of_url.sslmode),
            sslrootcert: self.sslrootcert.or(of_url.sslrootcert),
            sslcert: self.sslcert.or(of_url.sslcert),
            sslkey: self.sslkey.or(of_url.sslkey),
        };
        SecretString::from(chosen.append_to(rest))
    }

    /// Returns the parameter called `name`; `None` if it is not a TLS parameter.
    fn by_name(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            "sslcert" => Some(&mut self.sslcert),
            "sslkey" => Some(&mut self.sslkey),
            _ => None,
        }
    }

    /// Sets the parameter called `name` and returns `true` if it is a TLS parameter.
    /// An empty value counts as unset; the last value of a name wins.
    fn set(&mut self, name: &str, value: String) -> bool {
        let Some(place) = self.by_name(name) else {
            return false;
        };
        *place = Some(value).filter(|value| !value.is_empty());
        true
    }

    fn append_to(self, url: String) -> String {
        let is_url = SCHEMES.iter().any(|scheme| url.starts_with(scheme));
        let Self {
            sslmode,
            sslrootcert,
            sslcert,
            sslkey,
        } = self;
        let named = [
            ("sslmode", sslmode),
            ("sslrootcert", sslrootcert),
            ("sslcert", sslcert),
            ("sslkey", sslkey),
        ];
        let set = named.into_iter();
        let set = set.filter_map(|(name, value)| Some((name, value?)));
        set.fold(url, |url, (name, value)| {
            if is_url {
                let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
                let joint = query_start(&url).map_or('?', |_| '&');
                format!("{url}{joint}{name}={value}")
            } else {
                let value = value.replace('\\', "\\\\").replace('\'', "\\'");
                format!("{url} {name}='{value}'")
            }
        })
    }
}

/// Splits a database URL into the URL without TLS parameters and those
/// parameters. Text that does not parse is left for the URL's parser to reject.
pub(super) fn split(url: &str) -> (String, TlsParameters) {
    if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        split_url(url)
    } else {
        split_pairs(url)
    }
}

fn split_url(url: &str) -> (String, TlsParameters) {
    let mut found = TlsParameters::default();
    let Some((address, query)) = query_start(url).and_then(|start| url.split_at_checked(start))
    else {
        return (url.to_owned(), found);
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let is_left = |pair: &&str| match pair.split_once('=') {
        Some((name, value)) => !found.set(&decoded(name), decoded(value)),
        None => true,
    };
    let query = query.strip_prefix('?').unwrap_or(query);
    let left: Vec<&str> = query.split('&').filter(is_left).collect();
    let left = left.join("&");
    if left.is_empty() {
        return (address.to_owned(), found);
    }
    (format!("{address}?{left}"), found)
}

/// Returns the byte offset of the URL's query: the first `?` after the password.
fn query_start(url: &str) -> Option<usize> {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let path = url.get(authority..)?.find('/');
    let path = path.map_or(url.len(), |path| authority + path);
    let credentials = url.get(authority..path)?.rfind('@');
    let host = credentials.map_or(authority, |at| authority + at);
    url.get(host..)?.find('?').map(|query| host + query)
}

fn split_pairs(mut text: &str) -> (String, TlsParameters) {
    let mut found = TlsParameters::default();
    let mut left = Vec::new();
    while let Some(Pair {
        raw,
        name,
        value,
        rest,
    }) = Pair::first_of(text)
    {
        if !found.set(name, value) {
            left.push(raw);
        }
        text = rest;
    }
    let end = text.trim();
    if !end.is_empty() {
        left.push(end);
    }
    (left.join(" "), found)
}

/// One parameter of `key=value key='va lue'`.
struct Pair<'t> {
    raw: &'t str,
    name: &'t str,
    value: String,
    rest: &'t str,
}

impl<'t> Pair<'t> {
    fn first_of(text: &'t str) -> Option<Self> {
        let text = text.trim_start();
        let (name, value) = text.split_once('=')?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        let (value, rest) = first_value(value.trim_start())?;
        let raw = text.get(..text.len() - rest.len())?;
        Some(Self {
            raw,
            name,
            value,
            rest,
        })
    }
}

/// Parses the value, quoted or not, at the start of `text`; returns it and the
/// rest of the text.
fn first_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let text = quoted.unwrap_or(text);
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted.is_some() => return Some((value, text.get(place + 1..)?)),
            letter if quoted.is_none() && letter.is_whitespace() => {
                return Some((value, text.get(place..)?));
            }
            letter => value.push(letter),
        }
    }
    quoted.is_none().then_some((value, ""))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::Config;

    use super::*;

    fn parameters(sslmode: &str, sslrootcert: &str) -> TlsParameters {
        let set = |value: &str| Some(value.to_owned()).filter(|value| !value.is_empty());
        TlsParameters {
            sslmode: set(sslmode),
            sslrootcert: set(sslrootcert),
            ..TlsParameters::default()
        }
    }

    #[test]
    fn invalid_url_errors_contain_no_url_text() {
        let cases = [
            "postgresq://u:hidden@h/d",
            "postgresq://u:hidden@h/d?a=b",
            "postgresql://u:p@h/d?connect_timeout=hidden",
            "postgresql://u:p@h:hidden/d",
            "host=h password='hidden",
            "host=h password=hidden hidden",
            "host=h password=p hidden=3",
        ];
        for url in cases {
            let error: tokio_postgres::Error = url.parse::<Config>().unwrap_err();
            let invalid = InvalidUrl::of(&error);
            let shown = format!("{invalid} {invalid:?}");
            assert!(!shown.contains("hidden"), "{shown}");
            assert!(!invalid.to_string().is_empty(), "{url}");
        }
    }

    #[test]
    fn tls_parameters_are_split_from_both_url_forms() {
        // The URL, what is left of it, sslmode, sslrootcert.
        let cases = [
            ("postgresql://u:p@h/d", "postgresql://u:p@h/d", "", ""),
            (
                "postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fca.crt",
                "postgres://u:p@h/d",
                "verify-full",
                "/ca.crt",
            ),
            (
                "postgresql://h?application_name=x&sslmode=require&options=-c%20a",
                "postgresql://h?application_name=x&options=-c%20a",
                "require",
                "",
            ),
            (
                "postgresql://u:p?sslmode=no@h/d?sslmode=require",
                "postgresql://u:p?sslmode=no@h/d",
                "require",
                "",
            ),
            (
                "postgresql://h/d?sslrootcert=/a@b",
                "postgresql://h/d",
                "",
                "/a@b",
            ),
            ("postgresql://h/d?sslmode=", "postgresql://h/d", "", ""),
            (
                "postgresql://h/d?sslmode=require&sslmode=disable",
                "postgresql://h/d",
                "disable",
                "",
            ),
            ("postgresql://h/d?broken", "postgresql://h/d?broken", "", ""),
            (
                "host=h sslmode=require password='p sslmode=no'",
                "host=h password='p sslmode=no'",
                "require",
                "",
            ),
            (
                r"sslrootcert = '/my ca\'s.crt'  host = h",
                "host = h",
                "",
                "/my ca's.crt",
            ),
            ("host=h sslmode='open", "host=h sslmode='open", "", ""),
            ("", "", "", ""),
        ];
        for (url, left, sslmode, sslrootcert) in cases {
            let expected = (left.to_owned(), parameters(sslmode, sslrootcert));
            assert_eq!(split(url), expected, "{url}");
        }
    }

    #[test]
    fn set_parameters_override_those_of_the_url() {
        // The URL, what it becomes.
        let cases = [
            (
                "postgresql://h/d?sslmode=require&sslrootcert=/a b",
                "postgresql://h/d?sslmode=verify%2Dfull&sslrootcert=%2Fa%20b",
            ),
            ("postgresql://h/d", "postgresql://h/d?sslmode=verify%2Dfull"),
            (
                "postgresql://h/d?options=x",
                "postgresql://h/d?options=x&sslmode=verify%2Dfull",
            ),
            ("host=h sslmode=disable", "host=h sslmode='verify-full'"),
        ];
        for (url, expected) in cases {
            let chosen = parameters("verify-full", "").override_in(&url.into());
            assert_eq!(chosen.expose_secret(), expected, "{url}");
        }
    }

    #[test]
    fn url_without_overrides_keeps_its_meaning() {
        for url in [
            "postgresql://u:p@h:5/d?sslmode=verify-ca&sslcert=/%25c&sslkey=k&options=o",
            r"host=h sslmode=prefer sslkey='it\'s \\ here' user=u",
        ] {
            let same = TlsParameters::default().override_in(&url.into());
            assert_eq!(split(same.expose_secret()), split(url), "{url}");
        }
    }
}
