//! The paths that Rust code names: those of its `use` declarations, written out, and
//! all others.

use crate::code::is_word;

/// A path, segment by segment: `crate`, `store`, `Store`.
pub(crate) type Path = Vec<String>;

/// One name of a `use` declaration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The name that it has in the file; `*` for all names of a module.
    pub(crate) name: String,
    pub(crate) path: Path,
    /// True if other files may use the name through this one.
    pub(crate) is_reexport: bool,
}

/// Separates code into its `use` declarations and the rest.
pub(crate) fn uses_and_rest(code: &str) -> (Vec<Use>, String) {
    let mut uses = Vec::new();
    let mut rest = String::new();
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let Some((visibility, tree)) = use_line(line.trim_start()) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            let Some(next) = lines.next() else { break };
            tree.push_str(next);
        }
        let tree: String = tree.split(';').next().unwrap_or_default().to_owned();
        expand(&[], &tree, !visibility.is_empty(), &mut uses);
    }
    (uses, rest)
}

/// Returns the visibility and the beginning of the tree if a `use` begins here.
fn use_line(line: &str) -> Option<(&str, &str)> {
    let (visibility, tree) = line.split_once("use ")?;
    let visibility = visibility.trim_end();
    let is_visibility = visibility == "pub" || visibility.starts_with("pub(");
    (visibility.is_empty() || is_visibility).then_some((visibility, tree))
}

fn expand(prefix: &[String], tree: &str, is_reexport: bool, uses: &mut Vec<Use>) {
    let tree = tree.trim();
    if let Some((head, list)) = tree.split_once('{') {
        let list = list.trim_end().strip_suffix('}').unwrap_or(list);
        let prefix = [prefix, &segments(head)].concat();
        for part in parts(list) {
            expand(&prefix, part, is_reexport, uses);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path, Some(alias.trim())),
        None => (tree, None),
    };
    let mut path = [prefix, &segments(path)].concat();
    if !prefix.is_empty() && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last() {
        let name = alias.unwrap_or(last).to_owned();
        uses.push(Use {
            name,
            path,
            is_reexport,
        });
    }
}

/// Returns the parts of a list at its first level: `a` and `b::{c, d}`.
fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    list.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
    .collect()
}

fn segments(path: &str) -> Path {
    path.split("::")
        .map(|segment| segment.trim().trim_start_matches("r#"))
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns all paths of at least two segments in code without `use` declarations.
pub(crate) fn paths(code: &str) -> Vec<Path> {
    let mut paths = Vec::new();
    let words = code.split(|c: char| !is_word(c) && c != ':');
    for word in words.filter(|word| word.contains("::") && !word.starts_with("::")) {
        // `a: b::c` is a type, and `a::<T>` ends with the colons.
        let path = segments(word.rsplit_once(": ").map_or(word, |(_, path)| path));
        if path.len() > 1 {
            paths.push(path);
        }
    }
    paths
}

/// Returns whether a word occurs in code.
pub(crate) fn names_word(word: &str, code: &str) -> bool {
    code.split(|c: char| !is_word(c)).any(|found| found == word)
}

#[test]
fn uses_are_written_out() {
    let code = "pub(super) use self::b::B;\nuse crate::{\n    a::{self, C as D, e::*},\n    f,\n};\nfn g() {}\n";
    let (uses, rest) = uses_and_rest(code);
    let found: Vec<(String, String, bool)> = uses
        .into_iter()
        .map(|found| (found.name, found.path.join("::"), found.is_reexport))
        .collect();
    let expected = [
        ("B", "self::b::B", true),
        ("a", "crate::a", false),
        ("D", "crate::a::C", false),
        ("*", "crate::a::e::*", false),
        ("f", "crate::f", false),
    ];
    assert_eq!(
        found,
        expected.map(|(name, path, again)| (name.to_owned(), path.to_owned(), again))
    );
    assert_eq!(rest, "fn g() {}\n");
}

#[test]
fn paths_are_found_in_types_calls_and_attributes() {
    let code = "fn f(a: super::A) -> B { c::d::<E>(Self::g, x as crate::H) }";
    let found: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["super::A", "c::d", "Self::g", "crate::H"]);
    assert!(names_word("B", code) && !names_word("as_", code));
}
