use pim_authz::{domain::Code, pb};

use crate::support::Entropy;

/// The same code in another case, now and then (rules 1.5).
pub(super) fn spelled(text: &str, tape: &mut Entropy) -> String {
    match tape.below(12) {
        10 => text.to_lowercase(),
        11 => text.to_uppercase(),
        _ => text.to_owned(),
    }
}

/// One of the words; seldom what is not there or is no code at all.
pub(super) fn key(words: &[&str], tape: &mut Entropy) -> String {
    if tape.chance(1) {
        return String::new();
    }
    let word = *tape.pick(words);
    spelled(word, tape)
}

/// A reference to one of the words; seldom to what never is there.
pub(super) fn reference(words: &[&str], tape: &mut Entropy) -> String {
    if tape.chance(2) {
        return "nowhere".to_owned();
    }
    let word = *tape.pick(words);
    spelled(word, tape)
}

/// References to some of the words, in no order.
pub(super) fn references(percent: usize, words: &[&str], tape: &mut Entropy) -> Vec<String> {
    let mut some: Vec<String> = Vec::new();
    for word in tape.some(percent, words) {
        some.push(spelled(word, tape));
    }
    if tape.chance(2) {
        some.push("nowhere".to_owned());
    }
    if tape.chance(50) {
        some.reverse();
    }
    some
}

pub(super) fn list(codes: Vec<String>) -> pb::CodeList {
    pb::CodeList { codes }
}

/// A list in most cases, or nothing said.
pub(super) fn maybe(
    percent: usize,
    codes: Vec<String>,
    tape: &mut Entropy,
) -> Option<pb::CodeList> {
    tape.chance(percent).then(|| list(codes))
}

/// One to four entries of different keys; now and then one of them twice, the
/// same or, if `contradict` can, with other content.
pub(super) fn entries<E: Clone + PartialEq>(
    tape: &mut Entropy,
    code: impl Fn(&E) -> String,
    contradict: impl Fn(&mut E),
    mut make: impl FnMut(&mut Entropy) -> E,
) -> Vec<E> {
    let mut entries: Vec<E> = Vec::new();
    let size = 1 + tape.below(4) * tape.below(2);
    for _ in 0..=size {
        let entry = make(tape);
        let key = Code::fold(&code(&entry));
        if entries.iter().all(|other| Code::fold(&code(other)) != key) {
            entries.push(entry);
        }
    }
    if tape.chance(5) {
        let mut again = tape.pick(&entries).clone();
        if tape.chance(40) {
            contradict(&mut again);
        }
        entries.push(again);
    }
    entries
}

/// Codes to delete, each once. Where things can refer to each other several
/// are deleted only with `cascade`.
pub(super) fn doomed(
    words: &[&str],
    refer_to_each_other: bool,
    tape: &mut Entropy,
) -> (Vec<String>, bool) {
    let cascade = tape.chance(40);
    let mut codes = vec![key(words, tape)];
    if tape.chance(30) && (cascade || !refer_to_each_other) {
        let other = reference(words, tape);
        if Code::fold(&other) != Code::fold(&codes[0]) {
            codes.push(other);
        }
    }
    (codes, cascade)
}
