//! Takes libpq's settings of TLS off a database URL, whose parser knows only
//! some of them.

use std::error::Error as _;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};

use super::TlsParameters;

/// How the URLs of a database begin; anything else is `key=value key=value`.
const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// What is wrong with a database URL, without a word of it: with a misspelt scheme
/// its parser takes the password for the name of an option.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

impl InvalidUrl {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        /// How complaints begin that hold no words of the URL.
        const TOLD: [&str; 3] = ["invalid value for option", "unexpected EOF", "unterminated"];
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        if TOLD.iter().any(|told| cause.starts_with(told)) {
            return Self(cause);
        }
        let said = if cause.starts_with("unknown option") {
            "it has an option that PostgreSQL's clients do not know, or another scheme than \
             `postgresql://`"
        } else {
            "it cannot be read"
        };
        Self(said.to_owned())
    }
}

impl TlsParameters {
    /// The same database URL, with these parameters in the place of its own:
    /// those that are not set stay as the URL has them.
    #[must_use]
    pub fn outrank(self, url: &SecretString) -> SecretString {
        let (rest, of_url) = split(url.expose_secret());
        let chosen = Self {
            sslmode: self.sslmode.or(of_url.sslmode),
            sslrootcert: self.sslrootcert.or(of_url.sslrootcert),
            sslcert: self.sslcert.or(of_url.sslcert),
            sslkey: self.sslkey.or(of_url.sslkey),
        };
        SecretString::from(chosen.append_to(rest))
    }

    /// The parameter of a name; `None`: it is none of TLS.
    fn by_name(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "sslmode" => Some(&mut self.sslmode),
            "sslrootcert" => Some(&mut self.sslrootcert),
            "sslcert" => Some(&mut self.sslcert),
            "sslkey" => Some(&mut self.sslkey),
            _ => None,
        }
    }

    /// Takes a parameter that is one of TLS; an empty one counts as unset, the
    /// last one of a name counts.
    fn take(&mut self, name: &str, value: String) -> bool {
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

/// A database URL without its parameters of TLS, and those. What does not parse
/// is left as it is, for the parser of the URL to refuse.
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
        Some((name, value)) => !found.take(&decoded(name), decoded(value)),
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

/// Where the parameters of a URL begin: at the first `?` behind the password.
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
        if !found.take(name, value) {
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

/// A parameter of `key=value key='va lue'`.
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

/// The value that a text begins with, quoted or not, and what follows it.
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
    fn complaints_hold_no_word_of_the_url() {
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
    fn settings_of_tls_are_taken_off_both_forms_of_a_url() {
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
    fn an_option_outranks_the_url() {
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
            let chosen = parameters("verify-full", "").outrank(&url.into());
            assert_eq!(chosen.expose_secret(), expected, "{url}");
        }
    }

    #[test]
    fn a_url_that_no_option_outranks_keeps_its_meaning() {
        for url in [
            "postgresql://u:p@h:5/d?sslmode=verify-ca&sslcert=/%25c&sslkey=k&options=o",
            r"host=h sslmode=prefer sslkey='it\'s \\ here' user=u",
        ] {
            let same = TlsParameters::default().outrank(&url.into());
            assert_eq!(split(same.expose_secret()), split(url), "{url}");
        }
    }
}
