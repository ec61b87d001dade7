use pim_authz::{domain::Code, pb};

use crate::support::Entropy;

/// The same code in another case, now and then (rules 1.5).
pub(super) fn spelled(text: &str, entropy: &mut Entropy) -> String {
    match entropy.below(12) {
        10 => text.to_lowercase(),
        11 => text.to_uppercase(),
        _ => text.to_owned(),
    }
}

/// One of the words; seldom what is not there or is no code at all.
pub(super) fn key(words: &[&str], entropy: &mut Entropy) -> String {
    if entropy.chance(1) {
        return String::new();
    }
    let word = *entropy.pick(words);
    spelled(word, entropy)
}

/// A reference to one of the words; seldom to what never is there.
pub(super) fn reference(words: &[&str], entropy: &mut Entropy) -> String {
    if entropy.chance(2) {
        return "nowhere".to_owned();
    }
    let word = *entropy.pick(words);
    spelled(word, entropy)
}

/// References to some of the words, in no order.
pub(super) fn references(percent: usize, words: &[&str], entropy: &mut Entropy) -> Vec<String> {
    let mut some: Vec<String> = Vec::new();
    for word in entropy.some(percent, words) {
        some.push(spelled(word, entropy));
    }
    if entropy.chance(2) {
        some.push("nowhere".to_owned());
    }
    if entropy.chance(50) {
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
    entropy: &mut Entropy,
) -> Option<pb::CodeList> {
    entropy.chance(percent).then(|| list(codes))
}

/// One to four entries of different keys; now and then one of them twice, the
/// same or, if `contradict` can, with other content.
pub(super) fn entries<E: Clone + PartialEq>(
    entropy: &mut Entropy,
    code: impl Fn(&E) -> String,
    contradict: impl Fn(&mut E),
    mut make: impl FnMut(&mut Entropy) -> E,
) -> Vec<E> {
    let mut entries: Vec<E> = Vec::new();
    let size = 1 + entropy.below(4) * entropy.below(2);
    for _ in 0..=size {
        let entry = make(entropy);
        let key = Code::fold(&code(&entry));
        if entries.iter().all(|other| Code::fold(&code(other)) != key) {
            entries.push(entry);
        }
    }
    if entropy.chance(5) {
        let mut again = entropy.pick(&entries).clone();
        if entropy.chance(40) {
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
    entropy: &mut Entropy,
) -> (Vec<String>, bool) {
    let cascade = entropy.chance(40);
    let mut codes = vec![key(words, entropy)];
    if entropy.chance(30) && (cascade || !refer_to_each_other) {
        let other = reference(words, entropy);
        if Code::fold(&other) != Code::fold(&codes[0]) {
            codes.push(other);
        }
    }
    (codes, cascade)
}
