use std::fmt::Write as _;

/// Maximum length in characters of a bad word repeated in a message.
const MAX_SHOWN: usize = 80;

/// Formats a word for a message: in backticks, truncated and on one line.
pub(super) fn shown(word: &str) -> String {
    format!("`{}`", brief(word))
}

/// Truncates a word to [`MAX_SHOWN`] characters and escapes control characters.
pub(super) fn brief(word: &str) -> String {
    let mut text = String::new();
    for (place, letter) in word.chars().enumerate() {
        if place == MAX_SHOWN {
            text.push('…');
            break;
        }
        if letter.is_control() {
            let _ = write!(text, "{}", letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}
