//! Checks that rules, tests and citations agree: each cited rule exists in
//! `docs/rules.md`, and each rule has a test.

use std::collections::BTreeSet;

use crate::sources::{Source, below, file, rust};

/// Rules that no test can cover, and why.
const WITHOUT_A_TEST: [(&str, &str); 2] = [
    ("5.11", "says what the service leaves to its callers"),
    (
        "6.1",
        "shown on several servers, by tests/coherence and tests/interleavings",
    ),
];

/// The rules and sections that `docs/rules.md` defines.
#[derive(Debug, PartialEq, Eq)]
struct Rules {
    /// The numbers of rules: `4.1`.
    numbers: BTreeSet<String>,
    /// The numbers of sections: `9`.
    sections: BTreeSet<String>,
}

impl Rules {
    fn parse(text: &str) -> Self {
        let mut rules = Self {
            numbers: BTreeSet::new(),
            sections: BTreeSet::new(),
        };
        for line in text.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                rules.sections.extend(leading_number(title));
            }
            let rule = line.strip_prefix("- **");
            let number = rule.and_then(|rule| rule.split_once("** "));
            rules
                .numbers
                .extend(number.map(|(number, _)| number.to_owned()));
        }
        rules
    }

    fn has(&self, number: &str) -> bool {
        self.numbers.contains(number) || self.sections.contains(number)
    }
}

/// Returns the number that a text begins with: `4.1`, `5.8a`, or `9`.
fn leading_number(text: &str) -> Option<String> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let whole = digits(text);
    if whole == 0 {
        return None;
    }
    let end = match text.get(whole..)?.strip_prefix('.').map(digits) {
        None | Some(0) => whole,
        Some(part) => whole + 1 + part,
    };
    // A single letter belongs to the number, the first letter of a word does not.
    let mut rest = text.get(end..)?.chars();
    let is_lettered = end > whole
        && rest
            .next()
            .is_some_and(|letter| letter.is_ascii_lowercase())
        && !rest.next().is_some_and(char::is_alphanumeric);
    let end = end + usize::from(is_lettered);
    text.get(..end).map(str::to_owned)
}

/// Returns the numbers after each `rules `, including lists such as `rules 4.4,
/// 4.5 and 9`, also where they continue on the next comment line.
fn citations(text: &str) -> Vec<String> {
    let flat: Vec<&str> = text
        .lines()
        .map(|line| line.trim_start().trim_start_matches(['/', '!']).trim())
        .collect();
    let flat = flat.join(" ");
    let mut cited = Vec::new();
    for (at, _) in flat.match_indices("ules ") {
        let mut rest = flat.get(at + "ules ".len()..).unwrap_or_default();
        while let Some(number) = leading_number(rest.trim_start_matches('§')) {
            rest = rest.trim_start_matches('§');
            rest = rest.get(number.len()..).unwrap_or_default();
            cited.push(number);
            let next = [", ", " and ", " or ", "; ", "–", "-"]
                .into_iter()
                .find_map(|between| rest.strip_prefix(between));
            let Some(next) = next else { break };
            rest = next;
        }
    }
    cited
}

/// Returns the numbers that are whole string literals, as in the steps of an
/// explanation: `"4.1"`.
fn quoted_numbers(text: &str) -> Vec<String> {
    text.split('"')
        .filter(|part| part.contains('.') && leading_number(part).as_deref() == Some(part))
        .map(str::to_owned)
        .collect()
}

/// Returns the rules that names of functions begin with: `4.1` for `rule_4_1_…`.
fn tested(text: &str) -> Vec<String> {
    text.match_indices("fn rule_")
        .filter_map(|(at, start)| {
            let mut parts = text.get(at + start.len()..)?.split('_');
            let number = format!("{}.{}", parts.next()?, parts.next()?);
            // `fn rule_on` is not a test.
            leading_number(&number).filter(|found| *found == number)
        })
        .collect()
}

fn citation_complaints(source: &Source, rules: &Rules) -> Vec<String> {
    let mut cited = citations(&source.text);
    if source.module() == Some("engine") {
        cited.extend(quoted_numbers(&source.text));
    }
    cited.extend(tested(&source.text));
    cited
        .into_iter()
        .filter(|number| !rules.has(number))
        .map(|number| format!("{} cites rule {number}, which is not there", source.path))
        .collect()
}

fn untested(rules: &Rules, tested: &BTreeSet<String>) -> Vec<String> {
    let excused = |number: &&String| WITHOUT_A_TEST.iter().any(|(rule, _)| rule == *number);
    rules
        .numbers
        .iter()
        .filter(|number| !excused(number))
        .filter(|number| !tested.contains(*number))
        .cloned()
        .collect()
}

fn rules_of_the_product() -> Rules {
    Rules::parse(&file("docs/rules.md").text)
}

/// Returns all sources that cite rules, without this folder, whose examples are no
/// citations.
fn citing() -> Vec<Source> {
    let mut sources = rust("src");
    sources.extend(rust("tests"));
    sources.extend(below("proto", "proto"));
    sources.retain(|source| !source.path.starts_with("tests/architecture/"));
    sources
}

#[test]
fn every_cited_rule_exists() {
    let rules = rules_of_the_product();
    let complaints: Vec<String> = citing()
        .iter()
        .flat_map(|source| citation_complaints(source, &rules))
        .collect();
    assert_eq!(complaints, Vec::<String>::new());
}

#[test]
fn every_rule_has_a_test_with_its_number() {
    let tested: BTreeSet<String> = citing()
        .iter()
        .flat_map(|source| tested(&source.text))
        .collect();
    assert_eq!(
        untested(&rules_of_the_product(), &tested),
        Vec::<String>::new()
    );
}

#[test]
fn rules_keep_their_numbers() {
    let rules = rules_of_the_product();
    let per_section = [
        ("1", 7),
        ("2", 6),
        ("3", 9),
        ("4", 12),
        ("5", 11),
        ("6", 1),
        ("7", 1),
        ("8", 2),
        ("9", 0),
    ];
    for (section, count) in per_section {
        for rule in 1..=count {
            let number = format!("{section}.{rule}");
            assert!(rules.numbers.contains(&number), "rule {number} is gone");
        }
        assert!(rules.sections.contains(section), "section {section}");
    }
    assert!(WITHOUT_A_TEST.iter().all(|(rule, _)| rules.has(rule)));
}

#[test]
fn unknown_citation_and_untested_rule_are_reported() {
    let rules = Rules::parse(
        "## 4. Products\n\n- **4.1** One.\n- **4.2** Two.\n\
         - **4.3** Three.\n- **4.3a** And.\n\n## 9. Actions\n",
    );
    let cases = [
        // path              text                                     complaints
        ("src/a.rs", "/// (rules 4.1, 4.2, 9).", 0),
        ("src/a.rs", "/// (rules 4.1,\n/// 4.9).", 1),
        ("src/a.rs", "/// Rules 4.1 and 7.1 say so; rules §9 too.", 1),
        ("src/a.rs", "fn rule_5_1_is_not_there() {}", 1),
        ("src/a.rs", "fn rule_4_3_is_there() {}", 0),
        ("src/a.rs", "fn rule_4_3a_is_there() {}", 0),
        ("src/a.rs", "/// (rules 4.3a) and rules 4.3b", 1),
        ("src/a.rs", "fn rule_on(self) {}", 0),
        ("src/engine/a.rs", "rule: \"4.7\"", 1),
        ("src/engine/a.rs", "rule: \"4.3\"", 0),
        ("src/a.rs", "\"4.7\" is no rule here", 0),
    ];
    for (path, text, found) in cases {
        let complaints = citation_complaints(&Source::new(path, text), &rules);
        assert_eq!(complaints.len(), found, "{text} {complaints:?}");
    }
    let tested = ["4.1", "4.2", "4.3a"].map(str::to_owned).into();
    assert_eq!(untested(&rules, &tested), ["4.3"]);
}
