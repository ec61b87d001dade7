use hashbrown::{HashMap, HashSet};

use crate::{admin::fault::Fault, domain::Code};

/// Maximum number of names of a reading that an error message lists.
const MAX_NAMED: usize = 10;

/// Names that contain commas. Adjacent items of a list may together be one of
/// them (`docs/import.md`).
#[derive(Debug, Default)]
pub(super) struct JoinedNames {
    /// The names by their parts, case-folded and joined by commas.
    by_parts: HashMap<String, Vec<Code>>,
    /// The first parts, case-folded.
    starts: HashSet<String>,
    /// Maximum number of parts of a name.
    longest: usize,
}

/// A possible step in reading a list: this many items, read as this name.
struct Step {
    items: usize,
    name: Code,
}

impl JoinedNames {
    pub(super) fn of<'n>(names: impl Iterator<Item = &'n Code>) -> Self {
        let mut joined = Self::default();
        for name in names {
            let Some(parts) = parts(name.as_str()) else {
                continue;
            };
            let folded: Vec<String> = parts.into_iter().map(Code::fold).collect();
            joined.longest = joined.longest.max(folded.len());
            joined.starts.extend(folded.first().cloned());
            let same = joined.by_parts.entry(folded.join(",")).or_default();
            if !same.contains(name) {
                same.push(name.clone());
            }
        }
        joined
    }

    /// True if a joined name may begin with this item.
    pub(super) fn may_begin_with(&self, item: &Code) -> bool {
        self.starts.contains(item.folded())
    }

    /// Resolves the items of a cell to names: each item itself, except for
    /// adjacent items that together are a known name.
    ///
    /// If the list has no complete reading, the longest readable part is
    /// returned, followed by the remaining items unchanged, so that the first
    /// unknown one comes next.
    ///
    /// # Errors
    ///
    /// Fails if the list has two complete readings.
    pub(super) fn read(
        &self,
        column: &str,
        items: &[Code],
        is_known: impl Fn(&Code) -> bool,
    ) -> Result<Vec<Code>, Fault> {
        if !items.iter().any(|item| self.may_begin_with(item)) {
            return Ok(items.to_vec());
        }
        let steps: Vec<Vec<Step>> = (0..items.len())
            .map(|at| self.steps(items.get(at..).unwrap_or_default(), &is_known))
            .collect();
        // Number of complete readings of the rest from each position; 2 means
        // several.
        let mut ways = vec![1_usize; items.len() + 1];
        for (at, here) in steps.iter().enumerate().rev() {
            let onward = here.iter().map(|step| ways.get(at + step.items));
            let found: usize = onward.flatten().sum();
            if let Some(way) = ways.get_mut(at) {
                *way = found.min(2);
            }
        }
        match ways.first() {
            Some(0) => Ok(furthest(items, &steps)),
            Some(2) => Err(two_readings(column, &steps, &ways)),
            _ => Ok(walk(0, &steps, &ways, 0)),
        }
    }

    fn steps(&self, items: &[Code], is_known: impl Fn(&Code) -> bool) -> Vec<Step> {
        let Some(first) = items.first() else {
            return Vec::new();
        };
        let mut steps = Vec::new();
        if is_known(first) {
            steps.push(Step {
                items: 1,
                name: first.clone(),
            });
        }
        if !self.may_begin_with(first) {
            return steps;
        }
        let mut run = first.folded().to_owned();
        for (count, item) in (2..=self.longest).zip(items.iter().skip(1)) {
            run.push(',');
            run.push_str(item.folded());
            let names = self.by_parts.get(&run).into_iter().flatten();
            steps.extend(names.map(|name| Step {
                items: count,
                name: name.clone(),
            }));
        }
        steps
    }
}

/// Splits a name that contains commas like the items of a list: a space may
/// follow a comma, and no part is empty.
fn parts(name: &str) -> Option<Vec<&str>> {
    let (first, rest) = name.split_once(',')?;
    let rest = rest
        .split(',')
        .map(|part| part.strip_prefix(' ').unwrap_or(part));
    let parts: Vec<&str> = std::iter::once(first).chain(rest).collect();
    let is_item = |part: &&str| !part.is_empty() && Code::trim(part) == *part;
    parts.iter().all(is_item).then_some(parts)
}

/// Returns the rest of a reading from `at`: at each position the first step that
/// leads to a complete reading, but at `at` itself the one after `passed` such
/// steps.
fn walk(at: usize, steps: &[Vec<Step>], ways: &[usize], passed: usize) -> Vec<Code> {
    let mut names = Vec::new();
    let (mut at, mut passed) = (at, passed);
    while let Some(here) = steps.get(at) {
        let leads_on = |step: &&Step| ways.get(at + step.items).is_some_and(|ways| *ways > 0);
        let Some(step) = here.iter().filter(leads_on).nth(passed) else {
            break;
        };
        names.push(step.name.clone());
        at += step.items;
        passed = 0;
    }
    names
}

/// Returns the reading of the longest readable part of a list, and the items that
/// follow it.
fn furthest(items: &[Code], steps: &[Vec<Step>]) -> Vec<Code> {
    let mut reached_by: Vec<Option<(usize, &Code)>> = vec![None; items.len() + 1];
    let mut end = 0;
    for (at, here) in steps.iter().enumerate() {
        if at > 0 && reached_by.get(at).is_none_or(Option::is_none) {
            continue;
        }
        end = at;
        for step in here {
            if let Some(place) = reached_by.get_mut(at + step.items) {
                place.get_or_insert((at, &step.name));
            }
        }
    }
    let mut names = Vec::new();
    let mut at = end;
    while let Some(Some((from, name))) = reached_by.get(at) {
        names.push((*name).clone());
        at = *from;
    }
    names.reverse();
    names.extend(items.iter().skip(end).cloned());
    names
}

/// Returns the error for a list with several readings: two of them, from where
/// they diverge.
fn two_readings(column: &str, steps: &[Vec<Step>], ways: &[usize]) -> Fault {
    let mut at = 0;
    while let Some(here) = steps.get(at) {
        let mut onward = here
            .iter()
            .filter(|step| ways.get(at + step.items).is_some_and(|ways| *ways > 0));
        let Some(first) = onward.next() else { break };
        if onward.next().is_some() {
            break;
        }
        at += first.items;
    }
    let one = named(&walk(at, steps, ways, 0));
    let other = named(&walk(at, steps, ways, 1));
    Fault::invalid(
        column,
        format!(
            "the list can be read as {one}, and as {other}; names of one of them need codes without a comma"
        ),
    )
}

fn named(names: &[Code]) -> String {
    let mut shown: Vec<String> = names
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("`{name}`"))
        .collect();
    if names.len() > MAX_NAMED {
        shown.push("…".to_owned());
    }
    shown.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(texts: &[&str]) -> Vec<Code> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// Resolves a cell, given the known names.
    fn read(known: &[&str], cell: &str) -> Result<Vec<String>, String> {
        let known = codes(known);
        let items: Vec<&str> = cell.split(',').map(Code::trim).collect();
        let joined = JoinedNames::of(known.iter());
        let read = joined.read("groups", &codes(&items), |code| known.contains(code));
        match read {
            Ok(names) => Ok(names.iter().map(Code::to_string).collect()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    #[test]
    fn adjacent_items_are_joined_into_a_known_name() {
        let cases: [(&[&str], &str, &[&str]); 9] = [
            // known                          cell                  read as
            (
                &["IT", "Sales, EMEA"],
                "IT,Sales, EMEA",
                &["IT", "Sales, EMEA"],
            ),
            (
                &["IT", "Sales,EMEA"],
                "sales, emea,IT",
                &["Sales,EMEA", "IT"],
            ),
            (&["a,b", "c"], "a,b,c,a,b", &["a,b", "c", "a,b"]),
            (&["a, b,c", "a"], "a,b,c,a", &["a, b,c", "a"]),
            // An unreadable rest stays as it is, from the first bad item on.
            (&["a,b"], "a,b,x,a,b", &["a,b", "x", "a", "b"]),
            (&["a,b"], "a,c", &["a", "c"]),
            (&["a", "a,b"], "a,c", &["a", "c"]),
            (&["a,", ",b", "a,,b", "a,  b", "a ,b"], "a,b", &["a", "b"]),
            (&["a"], "a,a", &["a", "a"]),
        ];
        for (known, cell, expected) in cases {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(read(known, cell), Ok(expected), "{known:?} {cell}");
        }
    }

    #[test]
    fn list_with_two_readings_is_rejected_naming_both() {
        let known = ["All", "Sales", "EMEA", "Sales, EMEA"];
        assert_eq!(
            read(&known, "All, Sales, EMEA"),
            Err(
                "groups: the list can be read as `Sales` and `EMEA`, and as `Sales, EMEA`; \
                 names of one of them need codes without a comma"
                    .to_owned()
            )
        );
        let spelled = read(&["a,b", "a, b"], "a,b").unwrap_err();
        assert!(spelled.contains("`a,b`, and as `a, b`"), "{spelled}");
        let overlapping = read(&["a,b", "b,c", "a", "c"], "a,b,c").unwrap_err();
        assert!(overlapping.contains("`a` and `b,c`"), "{overlapping}");
        // An incomplete reading does not count.
        let one = read(&["a,b", "b,c", "a"], "a,b,c");
        assert_eq!(one, Ok(vec!["a".to_owned(), "b,c".to_owned()]));
    }

    #[test]
    fn long_lists_are_parsed_in_linear_time() {
        let cell = "a,b,".repeat(50_000) + "a,b";
        assert_eq!(read(&["a,b"], &cell).unwrap().len(), 50_001);
        assert!(read(&["a,b", "a", "b"], &cell).unwrap_err().contains('…'));
    }
}
