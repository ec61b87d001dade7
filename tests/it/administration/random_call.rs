//! Random writes over a small vocabulary, so that they often meet existing
//! entities: updates, refusals and cascades.

mod batches;
mod catalog;
mod directory;
mod files;
mod rights;
mod wizard;

use super::{administered::Administered, calls::Call};
use crate::support::Entropy;

pub(super) use catalog::{of_a_vocabulary, withheld_channel};
pub(super) use files::{apps_file, one_random_file, random_files, whole_and_partial_file};
pub(super) use rights::{beside_the_steps, of_an_app};
pub(super) use wizard::{app, cancel, edition, outside_the_steps, start, step, this_step};

/// Most of these vocabularies match those of the random questions.
mod words {
    pub(super) const USERS: [&str; 4] = ["julia", "Mary", "admin", "peter"];
    pub(super) const CONNECTIONS: [&str; 3] = ["erp", "Shop", "feed"];
    pub(super) const APPS: [&str; 2] = ["translator", "Sync"];
    pub(super) const GROUPS: [&str; 3] = ["Redactors", "manager", "Équipe"];
    pub(super) const ROLES: [&str; 5] = ["Administrator", "Editor", "intern", "API", "feeds"];
    pub(super) const CATEGORIES: [&str; 7] = [
        "Master",
        "audio",
        "1111111171",
        "Été",
        "print",
        "sale",
        "sub",
    ];
    pub(super) const CHANNELS: [&str; 3] = ["ecommerce", "Print", "mobile"];
    pub(super) const LOCALES: [&str; 3] = ["en_US", "fr_FR", "de_DE"];
    pub(super) const ATTRIBUTE_GROUPS: [&str; 3] = ["General", "marketing", "ERP"];
    pub(super) const ATTRIBUTES: [&str; 4] = ["sku", "Price", "name", "description"];
    pub(super) const PRODUCTS: [&str; 4] = ["hat", "SONY-1", "4711", "Shirt"];
    pub(super) const MODELS: [&str; 4] = ["Shirt", "shirt-red", "boots", "red"];
    pub(super) const FAMILIES: [&str; 2] = ["packshots", "Videos"];
    pub(super) const ENTITIES: [&str; 2] = ["brands", "Colors"];
    pub(super) const PROFILES: [&str; 3] = ["csv_import", "CSV_export", "xlsx"];
    pub(super) const VIEWS: [&str; 2] = ["my view", "Empty"];
}

/// A random write that fits the state of `model`; never one of the steps that
/// connect an app.
pub(super) fn random_call(model: &Administered, entropy: &mut Entropy) -> Call {
    match entropy.below(20) {
        0..5 => directory::put(entropy),
        5..11 => catalog::put(model, entropy),
        11 => directory::delete(entropy),
        12..15 => catalog::delete(model, entropy),
        15..19 => rights::write(model, entropy),
        _ => wizard::outside_the_steps(entropy),
    }
}

/// Writes that fill a new tenant.
pub(super) fn filling(model: &Administered, entropy: &mut Entropy) -> Vec<Call> {
    let mut calls = directory::filling(entropy);
    calls.extend(catalog::filling(model, entropy));
    calls
}
