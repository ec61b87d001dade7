//! Checks that each statement that merges access rights in SQL, as the engine does, is
//! compared with the engine in `tests/it/effective_twins.rs`.

use crate::sources::{Source, below, file, rust};

/// The aggregate of SQL that merges levels (rules 3.5).
const MERGES: &str = "bit_or(";

/// Returns the names of a file's statements that merge levels.
fn merging_statements(source: &Source) -> Vec<String> {
    let merging = source.text.match_indices(MERGES);
    merging
        .filter_map(|(at, _)| {
            let before = &source.text[..at];
            let statement = match before.rsplit_once("\"-- ") {
                Some((_, statement)) => statement,
                None => before.strip_prefix("-- ")?,
            };
            statement.split_whitespace().next().map(str::to_owned)
        })
        .collect()
}

#[test]
fn every_statement_that_merges_levels_is_compared_with_the_engine() {
    let compared = file("tests/it/effective_twins.rs").text;
    let sources = [rust("src/store"), below("src/store", "sql")].concat();
    let statements: Vec<String> = sources.iter().flat_map(merging_statements).collect();
    assert!(statements.len() > 3, "{statements:?}");
    for statement in statements {
        assert!(compared.contains(&format!("`{statement}`")), "{statement}");
    }
}

#[test]
fn merging_statements_are_named() {
    let cases = [
        ("src/store/a.sql", "-- find_a\n-- why\nSELECT bit_or(level)"),
        (
            "src/store/a.rs",
            "\"-- b\n SELECT 1\"; \"-- find_a\n SELECT bit_or(x)\"",
        ),
    ];
    for (path, text) in cases {
        assert_eq!(merging_statements(&Source::new(path, text)), ["find_a"]);
    }
}
