//! A minimal scanner of Rust that finds the modules and crates that a file names.

/// Returns the code without comments, so that a doc link is not a dependency.
pub(crate) fn without_comments(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if !trimmed.starts_with("//") {
            // A `//` inside a string follows a colon in every URL we write.
            let end = trimmed.find(" // ").unwrap_or(trimmed.len());
            code.push_str(trimmed.get(..end).unwrap_or_default());
        }
        code.push('\n');
    }
    code
}

/// Returns the first names after `root::` in the code: `a` and `b` for
/// `root::{a::X, b}`, and `c` for `root::c::Y`.
pub(crate) fn names_below(root: &str, code: &str) -> Vec<String> {
    let prefix = format!("{root}::");
    let mut names = Vec::new();
    for (at, _) in code.match_indices(&prefix) {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        if before.is_some_and(|c| is_word(c) || c == ':') {
            continue;
        }
        let behind = code.get(at + prefix.len()..).unwrap_or_default();
        match behind.strip_prefix('{') {
            Some(list) => names.extend(first_names(list)),
            None => names.extend(word(behind)),
        }
    }
    names
}

/// Returns whether the code names the crate `name`, in a path or a `use`.
pub(crate) fn names_crate(name: &str, code: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let behind = code.get(at + name.len()..).unwrap_or_default();
        let alone = !before.is_some_and(|c| is_word(c) || c == ':' || c == '"');
        let imported = before == Some(' ') && behind.starts_with(';');
        alone && (behind.starts_with("::") || imported)
    })
}

/// Returns the names at the first level of a list such as `a::{b, c}, d}`.
fn first_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut at_start = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if depth == 0 && at_start && is_word(c) => {
                names.extend(word(list.get(at..).unwrap_or_default()));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| is_word(*c)).collect();
    (!word.is_empty()).then_some(word)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn names_are_found_in_lists_and_paths_not_comments() {
    let text = "use crate::{\n    domain::{Code, Level},\n    store,\n};\n\
                /// See [`crate::engine`].\nfn f() { crate::rpc::g() } // and crate::cli::h\n\
                use tonic::Status;\nuse mycrate::x;\n";
    let code = without_comments(text);
    assert_eq!(names_below("crate", &code), ["domain", "store", "rpc"]);
    assert!(names_crate("tonic", &code));
    assert!(!names_crate(
        "tonic",
        "use tonic_types::Status; let s = \"tonic::x\";"
    ));
    assert!(names_crate("csv", "use csv;"));
}
