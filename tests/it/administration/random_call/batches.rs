use pim_authz::{domain::Code, pb};

use crate::support::Entropy;

/// The same code, sometimes in another case (rules 1.5).
pub(super) fn spelled(text: &str, entropy: &mut Entropy) -> String {
    match entropy.below(12) {
        10 => text.to_lowercase(),
        11 => text.to_uppercase(),
        _ => text.to_owned(),
    }
}

/// One of the words; rarely an empty text, which is not a code.
pub(super) fn key(words: &[&str], entropy: &mut Entropy) -> String {
    if entropy.chance(1) {
        return String::new();
    }
    let word = *entropy.pick(words);
    spelled(word, entropy)
}

/// A reference to one of the words; rarely to one that never exists.
pub(super) fn reference(words: &[&str], entropy: &mut Entropy) -> String {
    if entropy.chance(2) {
        return "nowhere".to_owned();
    }
    let word = *entropy.pick(words);
    spelled(word, entropy)
}

/// References to some of the words, in either order.
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

/// A list with this probability, or `None`.
pub(super) fn maybe(
    percent: usize,
    codes: Vec<String>,
    entropy: &mut Entropy,
) -> Option<pb::CodeList> {
    entropy.chance(percent).then(|| list(codes))
}

/// One to five entries with distinct keys. Sometimes one entry is repeated,
/// either identical or changed by `contradict`.
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

/// Codes to delete, each once. Where entities can refer to each other, several
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
