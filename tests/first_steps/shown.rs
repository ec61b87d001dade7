//! Compares the output of a command with the output that the page shows. The page
//! writes `...` for what it omits: the end of a string, further members, the entries
//! of a list.

use serde_json::Value;

/// Returns both texts if they differ.
pub(crate) fn difference(shown: &str, printed: &str) -> Option<String> {
    let agrees = match pattern(shown) {
        Some(pattern) => serde_json::from_str(printed).is_ok_and(|value| fits(&pattern, &value)),
        None => text(shown) == text(printed),
    };
    (!agrees).then(|| format!("shown:\n{shown}\nprinted:\n{printed}"))
}

/// Parses shown JSON as a pattern; a single member matches an object with others.
fn pattern(shown: &str) -> Option<Value> {
    let whole = if shown.starts_with('"') {
        format!("{{{shown}, \"...\": \"...\"}}")
    } else {
        shown.to_owned()
    };
    let value: Value = serde_json::from_str(&whole).ok()?;
    (value.is_object()).then_some(value)
}

/// Returns the lines without trailing white space.
fn text(output: &str) -> Vec<&str> {
    output.trim_end().lines().map(str::trim_end).collect()
}

fn fits(pattern: &Value, value: &Value) -> bool {
    match (pattern, value) {
        (Value::String(start), Value::String(value)) => match start.strip_suffix("...") {
            Some(start) => value.starts_with(start),
            None => start == value,
        },
        (Value::Array(patterns), Value::Array(values)) => {
            *patterns == [Value::from("...")]
                || patterns.len() == values.len()
                    && patterns.iter().zip(values).all(|(p, v)| fits(p, v))
        }
        (Value::Object(patterns), Value::Object(values)) => {
            let named = || patterns.iter().filter(|(name, _)| *name != "...");
            named().all(|(name, p)| values.get(name).is_some_and(|value| fits(p, value)))
                && (patterns.contains_key("...") || named().count() == values.len())
        }
        _ => pattern == value,
    }
}

#[test]
fn output_is_compared_with_the_page() {
    let cases = [
        ("allowed\n  level edit", "allowed  \n  level edit\n\n", true),
        ("allowed", "denied", false),
        (r#"{"a": 1}"#, "{ \"a\":\n1 }", true),
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false),
        (r#"{"a": 1, "...": "..."}"#, r#"{"a": 1, "b": 2}"#, true),
        (r#"{"a": ["..."]}"#, r#"{"a": [1, 2]}"#, true),
        (r#"{"a": "b..."}"#, r#"{"a": "bc"}"#, true),
        (r#"{"a": "c..."}"#, r#"{"a": "bc"}"#, false),
        (r#""a": [{"b": 1}]"#, r#"{"c": 1, "a": [{"b": 1}]}"#, true),
        (r#""a": [{"b": 1}]"#, r#"{"c": 1, "a": [{"b": 2}]}"#, false),
        (r#"{"a": 1}"#, "not JSON", false),
    ];
    for (shown, printed, agrees) in cases {
        let found = difference(shown, printed);
        assert_eq!(found.is_none(), agrees, "{shown} {printed} {found:?}");
    }
}
