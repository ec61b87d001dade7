//! Checks that functions are short: clippy rejects those of more than 60 lines, this
//! that too many come near it.

use crate::{
    code::{bodies, production},
    sources::{Source, rust},
};

/// The maximum number of lines of nine functions out of ten.
const USUAL_LINES: usize = 25;

/// A function, and the number of lines of code in its body: without blank lines and
/// comments, as clippy counts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Function {
    lines: usize,
    place: String,
}

fn functions(sources: &[Source]) -> Vec<Function> {
    let files = production(sources).into_iter();
    files
        .flat_map(|(source, code)| functions_of(&source.path, &code.text))
        .collect()
}

fn functions_of(path: &str, code: &str) -> Vec<Function> {
    let functions = bodies(code).into_iter();
    functions
        .map(|(name, body)| Function {
            lines: body.lines().filter(|line| !line.trim().is_empty()).count(),
            place: format!("{path} `{name}`"),
        })
        .collect()
}

/// Returns the median, the length of nine out of ten and the longest functions, if
/// fewer than nine out of ten are short.
fn length_complaint(mut functions: Vec<Function>) -> Option<String> {
    functions.sort();
    let at = |share: usize| functions.get(functions.len() * share / 10);
    let lines = |share| at(share).map_or(0, |function| function.lines);
    let (median, usual) = (lines(5), lines(9));
    if usual <= USUAL_LINES {
        return None;
    }
    let longest = functions.iter().rev().take(20);
    let longest = longest.map(|function| format!("{} {}", function.lines, function.place));
    Some(format!(
        "of {} functions half have up to {median} lines, and nine out of ten up to {usual} \
         instead of {USUAL_LINES}; the longest are:\n{}",
        functions.len(),
        longest.collect::<Vec<_>>().join("\n")
    ))
}

#[test]
fn nine_of_ten_functions_are_short() {
    let functions: Vec<Function> = functions(&rust("src"));
    assert!(functions.len() > 2_000, "{}", functions.len());
    let complaint = length_complaint(functions);
    assert!(complaint.is_none(), "{}", complaint.unwrap_or_default());
}

#[test]
fn lines_of_a_body_are_counted_and_long_ones_reported() {
    let text = "fn one() { 1 }\n\
                impl A {\n    pub(super) async fn five<'a>(a: [u8; 2], f: fn(u8)) -> B {\n\
                \x20       // why\n        a;\n\n        \"SELECT\n         {}\";\n        {\n        }\n    }\n}\n\
                trait T { fn none(); }\n\
                #[cfg(test)]\nmod tests { fn no() { 1 } }\n";
    let found = functions(&[Source::new("src/a.rs", text)]);
    let found: Vec<(usize, &str)> = found
        .iter()
        .map(|function| (function.lines, function.place.as_str()))
        .collect();
    assert_eq!(found, [(1, "src/a.rs `one`"), (5, "src/a.rs `five`")]);

    let of = |lines: &[usize]| {
        let functions = lines.iter().map(|lines| Function {
            lines: *lines,
            place: "src/a.rs `f`".to_owned(),
        });
        length_complaint(functions.collect())
    };
    assert_eq!(of(&[1, 2, 3, 4, 5, 6, 7, 8, 25, 25]), None);
    let told = of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 26]).unwrap();
    assert!(told.contains("half have up to 6"), "{told}");
    assert!(told.contains("26 src/a.rs `f`"), "{told}");
}
