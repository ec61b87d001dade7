use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use icu_casemap::CaseMapper;

/// What the PIM calls one thing: a user name, a SKU, a category's code.
///
/// Invariant: 1 to 255 bytes as written, without control characters
/// ([`Code::of_installation`] aside). Codes
/// compare and sort by their Unicode simple folding, without normalization,
/// and keep the spelling they were first written with: `en_US` and `en_us`
/// are one code (rules 1.5).
#[derive(Clone)]
pub struct Code {
    written: Box<str>,
    /// `None` where it equals `written`.
    folded: Option<Box<str>>,
}

/// Why a text is not a [`Code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCode {
    /// Nothing was written.
    #[error("is empty; a code is 1 to {max} bytes long", max = Code::MAX_BYTES)]
    Empty,
    /// More bytes than a code may have.
    #[error("is {bytes} bytes long; a code is 1 to {max} bytes long", max = Code::MAX_BYTES)]
    TooLong {
        /// How many bytes were written.
        bytes: usize,
    },
    /// More bytes than an app's code may have (rules 1.5).
    #[error(
        "is {bytes} bytes long; the code of an app is 1 to {max} bytes long",
        max = Code::MAX_APP_BYTES
    )]
    AppTooLong {
        /// How many bytes were written.
        bytes: usize,
    },
    /// A control character.
    #[error("holds the control character {found:?}; a code has none")]
    Control {
        /// The first one.
        found: char,
    },
}

impl Code {
    /// The longest code, in bytes as written.
    pub const MAX_BYTES: usize = 255;

    /// What the code of an app's private group begins with (rules 1.4).
    pub const APP_GROUP_PREFIX: &str = "app:";

    /// The longest code of an app, in bytes as written: its private group has
    /// a code too (rules 1.4, 1.5).
    pub const MAX_APP_BYTES: usize = Self::MAX_BYTES - Self::APP_GROUP_PREFIX.len();

    /// The code of the row of table `tenant` that stands for the installation,
    /// which callers belong to.
    ///
    /// It is the only one that is empty, and no text parses as it: no request can
    /// name it.
    #[must_use]
    pub fn of_installation() -> Self {
        Self {
            written: Box::default(),
            folded: None,
        }
    }

    /// The code in the spelling it was first written with.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The code as it compares and sorts: its Unicode simple folding.
    #[must_use]
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.written)
    }

    /// Returns the code of the private group of the app with this code
    /// (rules 1.4).
    ///
    /// # Errors
    ///
    /// [`InvalidCode::AppTooLong`] when no app can have this code (rules 1.5).
    pub fn app_group(&self) -> Result<Self, InvalidCode> {
        let bytes = self.written.len();
        if bytes > Self::MAX_APP_BYTES {
            return Err(InvalidCode::AppTooLong { bytes });
        }
        format!("{}{}", Self::APP_GROUP_PREFIX, self.written).parse()
    }

    /// Whether `text` is a spelling of this code (rules 1.5).
    #[must_use]
    pub fn is_spelled(&self, text: &str) -> bool {
        let folded = self.folded();
        if text.is_ascii() {
            // What is folded has no upper case, so nothing else is let through.
            folded.eq_ignore_ascii_case(text)
        } else {
            text == folded || Self::fold(text) == folded
        }
    }

    /// Returns whether a character is white space that no new code has at its
    /// ends: Unicode `White_Space`, U+200B or U+FEFF (rules 1.5).
    #[must_use]
    pub fn is_blank(letter: char) -> bool {
        letter.is_whitespace() || matches!(letter, '\u{200b}' | '\u{feff}')
    }

    /// Returns a text without white space at its ends, as cells of files are
    /// read (rules 1.5).
    #[must_use]
    pub fn trim(text: &str) -> &str {
        text.trim_matches(Self::is_blank)
    }

    /// Whether it has white space at an end, which no new code may have
    /// (rules 1.5); stored ones may be older than the rule.
    #[must_use]
    pub fn has_blank_end(&self) -> bool {
        Self::trim(&self.written).len() < self.written.len()
    }

    /// Folds any text as codes are folded, for comparing labels.
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
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidCode::Control { found });
        }
        let folded = Self::fold(text);
        Ok(Self {
            folded: (folded != text).then(|| folded.into()),
            written: text.into(),
        })
    }
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
    fn rule_1_5_two_spellings_are_one_code_and_the_first_is_kept() {
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
    fn rule_1_5_white_space_is_unicodes_and_two_invisible_characters() {
        let ends = [
            ' ', '\t', '\u{85}', '\u{a0}', '\u{1680}', '\u{2003}', '\u{2028}', '\u{202f}',
            '\u{205f}', '\u{3000}', '\u{200b}', '\u{feff}',
        ];
        for end in ends {
            let text = format!("{end}{end}a{end}b{end}");
            assert_eq!(Code::trim(&text), format!("a{end}b"), "{end:?}");
        }
        // A joiner is part of a word in some scripts.
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
