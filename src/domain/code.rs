use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use icu_casemap::CaseMapper;

/// The PIM's identifier of an entity: a user name, a SKU, a category's code.
///
/// Invariant: 1 to 255 bytes as written, without control characters
/// ([`Code::of_installation`] aside). Codes compare and sort by their Unicode
/// simple case folding, without normalization, and keep the spelling in which
/// they were first written: `en_US` and `en_us` are one code (rules 1.5).
#[derive(Clone)]
pub struct Code {
    // Shared, since the keys of the cache are made of clones of a question's codes.
    written: Arc<str>,
    /// `None` if it equals `written`.
    folded: Option<Arc<str>>,
}

/// Error of parsing a [`Code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// The text is empty.
    #[error("is empty; a code is 1 to {max} bytes long", max = Code::MAX_BYTES)]
    Empty,
    /// The text has more bytes than a code may have.
    #[error("is {bytes} bytes long; a code is 1 to {max} bytes long", max = Code::MAX_BYTES)]
    TooLong {
        /// Number of bytes.
        bytes: usize,
    },
    /// The code has more bytes than an app's code may have (rules 1.5).
    #[error(
        "is {bytes} bytes long; the code of an app is 1 to {max} bytes long",
        max = Code::MAX_APP_BYTES
    )]
    AppTooLong {
        /// Number of bytes.
        bytes: usize,
    },
    /// The text contains a control character.
    #[error("holds the control character {found:?}; a code has none")]
    Control {
        /// The first control character.
        found: char,
    },
}

impl Code {
    /// Maximum length of a code, in bytes as written.
    pub const MAX_BYTES: usize = 255;

    /// Prefix of the code of an app's private group (rules 1.4).
    pub const APP_GROUP_PREFIX: &str = "app:";

    /// Maximum length of the code of an app, in bytes as written, less the
    /// prefix of its private group (rules 1.4, 1.5).
    pub const MAX_APP_BYTES: usize = Self::MAX_BYTES - Self::APP_GROUP_PREFIX.len();

    /// Returns the code of the row of table `tenant` that represents the
    /// installation, to which callers belong.
    ///
    /// It is the only empty code, and no text parses to it: no request can name
    /// it.
    #[must_use]
    pub fn of_installation() -> Self {
        Self {
            written: Arc::default(),
            folded: None,
        }
    }

    /// Returns the code in the spelling in which it was first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Returns the Unicode simple case folding, by which codes compare and sort.
    #[must_use]
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.written)
    }

    /// Returns the code of the private group of the app with this code
    /// (rules 1.4).
    ///
    /// # Errors
    ///
    /// Returns [`InvalidCode::AppTooLong`] if no app can have this code
    /// (rules 1.5).
    pub fn app_group(&self) -> Result<Self, InvalidCode> {
        let bytes = self.written.len();
        if bytes > Self::MAX_APP_BYTES {
            return Err(InvalidCode::AppTooLong { bytes });
        }
        format!("{}{}", Self::APP_GROUP_PREFIX, self.written).parse()
    }

    /// True if `text` is a spelling of this code (rules 1.5).
    #[must_use]
    pub fn is_spelled(&self, text: &str) -> bool {
        let folded = self.folded();
        if text.is_ascii() {
            // `folded` has no upper-case letters, so this accepts only case
            // variants.
            folded.eq_ignore_ascii_case(text)
        } else {
            text == folded || Self::fold(text) == folded
        }
    }

    /// True for white space that no new code has at its ends: Unicode
    /// `White_Space`, U+200B or U+FEFF (rules 1.5).
    #[must_use]
    pub fn is_blank(letter: char) -> bool {
        letter.is_whitespace() || matches!(letter, '\u{200b}' | '\u{feff}')
    }

    /// Returns `text` without white space at its ends; applied to the cells of
    /// imported files (rules 1.5).
    #[must_use]
    pub fn trim(text: &str) -> &str {
        text.trim_matches(Self::is_blank)
    }

    /// True if the code has white space at an end, which no new code may have
    /// (rules 1.5); codes stored before the rule may.
    #[must_use]
    pub fn has_blank_end(&self) -> bool {
        Self::trim(&self.written).len() < self.written.len()
    }

    /// Folds any text as codes are folded, to compare labels.
    #[must_use]
    pub fn fold(text: &str) -> String {
        if text.is_ascii() {
            return text.to_ascii_lowercase();
        }
        let mapper = CaseMapper::new();
        text.chars().map(|c| mapper.simple_fold(c)).collect()
    }
}

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        match text.len() {
            0 => return Err(InvalidCode::Empty),
            1..=Self::MAX_BYTES => {}
            bytes => return Err(InvalidCode::TooLong { bytes }),
        }
        if is_plain(text) {
            return Ok(Self {
                written: text.into(),
                folded: None,
            });
        }
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidCode::Control { found });
        }
        let folded = Some(Self::fold(text)).filter(|folded| folded != text);
        Ok(Self {
            folded: folded.map(Arc::from),
            written: text.into(),
        })
    }
}

/// True for text that needs no further look: printable ASCII without upper case, which
/// is its own folding.
fn is_plain(text: &str) -> bool {
    // No early end, so that the compiler compares many bytes at once.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') & !byte.is_ascii_uppercase();
    text.bytes().fold(true, |all, byte| all & is_plain(byte))
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_1_5_codes_compare_folded_and_keep_first_spelling() {
        let cases = [
            // first     again      one code?
            ("en_US", "EN_us", true),
            ("Äpfel", "äPFEL", true),
            ("\u{212a}elvin", "kelvin", true), // the Kelvin sign folds to k
            ("straße", "STRASSE", false),      // simple folding keeps ß apart
            ("straße", "STRAẞE", true),
            ("é", "e\u{301}", false), // normalization forms are not folded
            ("1111111171", "1111111171", true),
            ("hat", "cap", false),
        ];
        for (first, again, same) in cases {
            let (a, b): (Code, Code) = (first.parse().unwrap(), again.parse().unwrap());
            assert_eq!(a == b, same, "{first} {again}");
            assert_eq!(a.is_spelled(again), same, "{first} {again}");
            assert_eq!(b.is_spelled(first), same, "{again} {first}");
            assert_eq!(a.as_str(), first);
        }
    }

    #[test]
    fn rule_1_5_a_code_is_short_and_printable() {
        let longest = "x".repeat(255);
        assert!(longest.parse::<Code>().is_ok());
        let cases = [
            (String::new(), InvalidCode::Empty),
            ("x".repeat(256), InvalidCode::TooLong { bytes: 256 }),
            ("a\tb".to_owned(), InvalidCode::Control { found: '\t' }),
            (
                "a\u{85}".to_owned(),
                InvalidCode::Control { found: '\u{85}' },
            ),
        ];
        for (text, rejected) in cases {
            assert_eq!(text.parse::<Code>().err(), Some(rejected), "{text:?}");
        }
    }

    #[test]
    fn rule_1_5_trim_removes_unicode_white_space_and_invisible_characters() {
        let ends = [
            ' ', '\t', '\u{85}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{2028}', '\u{202f}',
            '\u{205f}', '\u{3000}', '\u{200b}', '\u{feff}',
        ];
        for end in ends {
            let text = format!("{end}{end}a{end}b{end}");
            assert_eq!(Code::trim(&text), format!("a{end}b"), "{end:?}");
        }
        // A joiner is part of words in some scripts, so it is not trimmed.
        assert_eq!(Code::trim("a\u{200d}"), "a\u{200d}");
    }

    #[test]
    fn rule_1_5_codes_sort_by_their_folded_bytes() {
        let mut codes: Vec<Code> = ["b", "A", "_", "a1", "Z"]
            .map(|text| text.parse().unwrap())
            .into();
        codes.sort();
        let sorted: Vec<&str> = codes.iter().map(Code::as_str).collect();
        assert_eq!(sorted, ["_", "A", "a1", "b", "Z"]);
    }
}
