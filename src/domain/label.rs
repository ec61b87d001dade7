use std::{fmt, str::FromStr};

/// A display name of a user group or role; if it is empty, the code is shown.
///
/// Invariant of new labels: at most [`Label::MAX_BYTES`] bytes, without control
/// characters. Labels compare as written; unlike codes they identify nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label(Box<str>);

/// Error of parsing a [`Label`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// The text has more bytes than a label may have.
    #[error("is {bytes} bytes long; at most {max} are allowed", max = Label::MAX_BYTES)]
    TooLong {
        /// Number of bytes.
        bytes: usize,
    },
    /// The text contains a control character.
    #[error("holds a control character; none are allowed")]
    Control,
}

impl Label {
    /// Maximum length of a label, in bytes.
    pub const MAX_BYTES: usize = 1_000;

    /// Returns a stored label as it is.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if there is no display name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidLabel::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidLabel::Control);
        }
        Ok(Self::stored(text))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
