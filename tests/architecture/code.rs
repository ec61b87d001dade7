//! The code of a file that runs in production: without comments, the content of
//! strings, and what only tests compile.

use crate::sources::Source;

/// What an item begins with that only tests compile.
const ONLY_TESTS: &str = "#[cfg(test)]";

/// The code of a file, and the child modules that only tests compile.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) test_modules: Vec<String>,
}

impl Code {
    pub(crate) fn of(text: &str) -> Self {
        let mut code = Self {
            text: blanked(text),
            ..Self::default()
        };
        while let Some((before, rest)) = code.text.split_once(ONLY_TESTS) {
            let item = after_attributes(rest);
            let end = end_of_item(item);
            let declared = item[..end].split_once("mod ");
            if let Some(name) = declared.and_then(|(_, name)| name.strip_suffix(';')) {
                code.test_modules.push(name.trim().to_owned());
            }
            code.text = format!("{before}{}", &item[end..]);
        }
        code
    }
}

/// Returns the files that do not belong to modules that only tests compile, with their
/// code.
pub(crate) fn production(sources: &[Source]) -> Vec<(&Source, Code)> {
    let mut files: Vec<(&Source, Code)> = sources
        .iter()
        .map(|source| (source, Code::of(&source.text)))
        .collect();
    let tests = files.iter().flat_map(|(source, code)| {
        let folder = folder_of_children(&source.path);
        code.test_modules
            .iter()
            .map(move |name| format!("{folder}/{name}"))
    });
    let tests: Vec<String> = tests.collect();
    files.retain(|(source, _)| {
        let is_within = |module: &String| {
            let rest = source.path.strip_prefix(module.as_str());
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        !tests.iter().any(is_within)
    });
    files
}

/// Returns the folder of the modules that a file declares.
fn folder_of_children(path: &str) -> &str {
    let module = path.trim_end_matches(".rs");
    match module.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder,
        Some(_) | None => module,
    }
}

/// Returns the rest of an item behind its further attributes.
fn after_attributes(text: &str) -> &str {
    let mut item = text.trim_start();
    while let Some(attribute) = item.strip_prefix("#[") {
        let end = closing(attribute, ('[', ']')).unwrap_or(attribute.len());
        item = attribute[end..].trim_start();
    }
    item
}

/// Returns the length of the item that a text begins with: up to its semicolon, or to
/// the end of its block.
fn end_of_item(item: &str) -> usize {
    match item.find([';', '{']) {
        Some(at) if item[at..].starts_with('{') => {
            let length = closing(&item[at + 1..], ('{', '}'));
            length.map_or(item.len(), |length| at + 1 + length)
        }
        Some(at) => at + 1,
        None => item.len(),
    }
}

/// Returns the length of a text up to the bracket that closes the one before it.
pub(crate) fn closing(text: &str, (open, close): (char, char)) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + close.len_utf8());
            }
        }
    }
    None
}

/// Returns the name and the body of each function in code without literals.
pub(crate) fn bodies(code: &str) -> Vec<(String, &str)> {
    let begins = code.match_indices("fn ").filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(is_word)
    });
    begins
        .filter_map(|(at, keyword)| {
            let rest = &code[at + keyword.len()..];
            let name: String = rest.chars().take_while(|c| is_word(*c)).collect();
            Some((name, body(rest)?))
        })
        .collect()
}

/// Returns the body of the function whose signature a text begins with. `None`: it is
/// declared without a body, or is the type of a function.
fn body(signature: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in signature.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.checked_sub(1)?,
            ';' if depth == 0 => return None,
            '{' if depth == 0 => {
                let inside = &signature[at + 1..];
                return inside.get(..closing(inside, ('{', '}'))? - 1);
            }
            _ => {}
        }
    }
    None
}

/// Returns Rust code with comments and the content of literals removed. The lines
/// remain, those of a literal as empty literals.
pub(crate) fn blanked(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let literal = literal_length(rest, code.ends_with(is_word));
        if let Some(length) = literal {
            let lines = rest[..length].matches('\n').count();
            if c != '/' {
                code.push_str("\"\"");
                code.extend(std::iter::repeat_n("\n\"\"", lines));
            }
            rest = &rest[length..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// Returns the length of the comment or literal that a text begins with.
fn literal_length(text: &str, after_word: bool) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with('"') {
        return Some(string_length(text));
    }
    if text.starts_with('\'') {
        return char_length(text);
    }
    let raw = text.strip_prefix("br").or(text.strip_prefix('r'))?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    if after_word || !raw[hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = text.len() - raw.len() + hashes + 1;
    let length = text[start..].find(&end)?;
    Some(start + length + end.len())
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Returns the length of a character literal; `None` for a lifetime.
fn char_length(text: &str) -> Option<usize> {
    let content = &text[1..];
    if content.starts_with('\\') {
        // The character behind the backslash may itself be a quote.
        return content.get(2..)?.find('\'').map(|at| 1 + 2 + at + 1);
    }
    let length = content.chars().next()?.len_utf8();
    content[length..].starts_with('\'').then_some(length + 2)
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn code_is_without_comments_literals_and_tests() {
    let cases = [
        ("a // b\nc", "a \nc"),
        (
            "f(\"a\\\"::b\", 'c', '\\'', '\\u{1}')",
            "f(\"\", \"\", \"\", \"\")",
        ),
        ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
        ("r#\"a\"b\"# + br\"c\" + for_r", "\"\" + \"\" + for_r"),
        ("\"one\ntwo\" x", "\"\"\n\"\" x"),
        (
            "a\n#[cfg(test)]\n#[expect(x, reason = \"[\")]\nmod tests {\n{}}\nb",
            "a\n\nb",
        ),
        ("#[cfg(test)]\nimpl A { fn f() {} } b", " b"),
    ];
    for (text, expected) in cases {
        assert_eq!(Code::of(text).text, expected, "{text}");
    }
    let code = Code::of("mod a;\n#[cfg(test)]\npub(crate) mod tests;\nmod b;\n");
    assert_eq!(code.test_modules, ["tests"]);
    assert_eq!(code.text, "mod a;\n\nmod b;\n");
}

#[test]
fn files_of_test_modules_are_not_in_production() {
    let files = [
        ("src/lib.rs", "#[cfg(test)]\nmod fuzz;\nmod a;"),
        ("src/fuzz.rs", ""),
        ("src/fuzzy.rs", ""),
        ("src/a.rs", "#[cfg(test)]\nmod tests;"),
        ("src/a/tests.rs", ""),
        ("src/a/tests/b.rs", ""),
    ];
    let files = files.map(|(path, text)| Source::new(path, text));
    let left = production(&files);
    let left: Vec<&str> = left.iter().map(|(file, _)| file.path.as_str()).collect();
    assert_eq!(left, ["src/lib.rs", "src/fuzzy.rs", "src/a.rs"]);
}
