//! Comments of the contract as Markdown.

/// Joins the lines of each paragraph and of each item of a list. Some renderers show
/// the line breaks of a comment otherwise.
pub(crate) fn unwrapped(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    let mut follows_blank = false;
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            follows_blank = true;
            continue;
        }
        let separator = match text.as_str() {
            "" => "",
            _ if follows_blank => "\n\n",
            _ if line.starts_with("- ") => "\n",
            _ => " ",
        };
        text.push_str(separator);
        text.push_str(line);
        follows_blank = false;
    }
    text
}

/// Returns the first sentence of a text.
pub(crate) fn first_sentence(text: &str) -> &str {
    let paragraph = text.lines().next().unwrap_or_default();
    match paragraph.split_once(". ") {
        Some((sentence, _)) => &paragraph[..=sentence.len()],
        None => paragraph,
    }
}

#[test]
fn lines_of_paragraphs_and_items_are_joined() {
    let comment = " Decides\n one question.\n\n Errors:\n\n - `A`: one\n   thing.\n - `B`.\n";
    let expected = "Decides one question.\n\nErrors:\n\n- `A`: one thing.\n- `B`.";
    assert_eq!(unwrapped(comment), expected);
}

#[test]
fn first_sentence_ends_with_its_full_stop() {
    let cases = [
        ("One. Two.", "One."),
        ("One (rules 5.8). Two.", "One (rules 5.8)."),
        ("One.\n\nTwo.", "One."),
        ("One:\n\n- a", "One:"),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(first_sentence(text), expected);
    }
}
