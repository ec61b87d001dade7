//! Checks the shape of files: short, named for their content, in the right place.

use crate::sources::{Source, rust};

/// The maximum number of lines of a file.
const MOST_LINES: usize = 500;

/// Names that do not describe the content of a file.
const EMPTY_NAMES: [&str; 7] = [
    "utils", "util", "common", "helpers", "helper", "misc", "shared",
];

fn shape_complaints(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut complaints = Vec::new();
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        complaints.push(format!("{path} has {lines} lines; split it"));
    }
    if path.ends_with("/mod.rs") {
        complaints.push(format!("{path} belongs beside its folder, as `foo.rs`"));
    }
    for part in path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            complaints.push(format!("{path}: `{part}` does not say what it holds"));
        }
    }
    complaints
}

#[test]
fn files_are_short_and_named_for_their_content() {
    let complaints: Vec<String> = ["src", "tests"]
        .into_iter()
        .flat_map(rust)
        .flat_map(|source| shape_complaints(&source))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn long_file_and_meaningless_name_are_reported() {
    let long = "\n".repeat(MOST_LINES + 1);
    let cases = [
        ("src/store/mod.rs", "", 1),
        ("src/utils.rs", "", 1),
        ("src/rpc/helpers/check.rs", "", 1),
        ("src/rpc.rs", long.as_str(), 1),
        ("tests/it/main.rs", "", 0),
    ];
    for (path, text, found) in cases {
        let complaints = shape_complaints(&Source::new(path, text));
        assert_eq!(complaints.len(), found, "{path} {complaints:?}");
    }
}
