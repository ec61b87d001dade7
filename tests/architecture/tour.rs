//! Checks that `docs/tour.md` and `docs/glossary.md` name existing code.

use crate::sources::file;

/// Returns each function that a tour names, with the file that it names before it: a
/// file is `src/….rs` in backticks, a function a later name in backticks.
fn functions(text: &str) -> Vec<(String, String)> {
    let mut source = None;
    let mut found = Vec::new();
    for word in text.split('`').skip(1).step_by(2) {
        if word.starts_with("src/") {
            source = Some(word.to_owned());
        } else if let Some(source) = &source
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            found.push((source.clone(), word.to_owned()));
        }
    }
    found
}

#[test]
fn functions_of_the_tour_exist() {
    let named = functions(&file("docs/tour.md").text);
    assert!(named.len() > 30, "{named:?}");
    let missing = named.into_iter().filter(|(source, function)| {
        let text = file(source).text;
        !text.contains(&format!("fn {function}(")) && !text.contains(&format!("fn {function}<"))
    });
    assert_eq!(missing.collect::<Vec<_>>(), []);
}

#[test]
fn check_takes_at_most_twelve_steps() {
    let tour = file("docs/tour.md").text;
    let (_, check) = tour.split_once("## A Check").unwrap();
    let (check, _) = check.split_once("## A write").unwrap();
    let is_step = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    let steps = check.lines().filter(is_step).count();
    assert!((5..=12).contains(&steps), "{steps}");
}

#[test]
fn names_of_the_glossary_exist() {
    let text = file("docs/glossary.md").text;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`src/"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 20);
    for row in rows {
        let source = file(row[3].trim_matches('`')).text;
        for name in row[2].split('`').skip(1).step_by(2) {
            let is_type = name.starts_with(|c: char| c.is_ascii_uppercase());
            if is_type {
                assert!(source.contains(name), "{} lacks `{name}`", row[3]);
            }
        }
    }
}

#[test]
fn function_belongs_to_the_preceding_file() {
    let text = "1. `src/a.rs`, `check`: `Question` (`src/b.rs`, `read`), then `write`.";
    let expected = [
        ("src/a.rs", "check"),
        ("src/b.rs", "read"),
        ("src/b.rs", "write"),
    ];
    let found = functions(text);
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}
