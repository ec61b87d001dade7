use pim_authz::domain::{Audience, Code, ItemKind};

use super::{
    batches::{key, reference, references},
    catalog::{items, models, mostly, roots},
    directory::{granted, groups, roles_for},
    wizard::{key_of_an_app, scopes},
    words::{
        ATTRIBUTE_GROUPS, ATTRIBUTES, CATEGORIES, CHANNELS, CONNECTIONS, GROUPS, LOCALES, MODELS,
        PRODUCTS, PROFILES, ROLES, USERS,
    },
};
use crate::{
    administration::{administered::Administered, file_rows::FileRows},
    support::Entropy,
};

/// The layout of a file: its name, its key column, its other required columns,
/// and its optional columns.
type Layout = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// The files with optional columns, in the order in which they are applied.
const LAYOUTS: [Layout; 9] = [
    ("user_groups.csv", "code", &["name"], &[]),
    (
        "user_roles.csv",
        "role",
        &[],
        &["label", "audience", "permissions"],
    ),
    ("users.csv", "username", &["roles"], &["groups", "enabled"]),
    (
        "connections.csv",
        "code",
        &["roles"],
        &["groups", "enabled"],
    ),
    ("categories.csv", "code", &[], &["parent"]),
    ("channels.csv", "code", &[], &["tree", "locales"]),
    (
        "attributes.csv",
        "code",
        &["group"],
        &["localizable", "scopable"],
    ),
    ("product_models.csv", "code", &[], &["parent", "categories"]),
    ("products.csv", "sku", &[], &["parent", "categories"]),
];

const PROFILES_FILE: Layout = (
    "job_profile_accesses.csv",
    "job_profile",
    &["execute_job_profile"],
    &["edit_job_profile"],
);

const APPS_FILE: Layout = (
    "apps.csv",
    "code",
    &["scopes"],
    &[
        "trees_own",
        "trees_edit",
        "trees_view",
        "locales_edit",
        "locales_view",
        "attribute_groups_edit",
        "attribute_groups_view",
    ],
);

/// One to three files, each without some of its columns; in most cases with the
/// file of apps.
pub(in super::super) fn random_files(model: &Administered, entropy: &mut Entropy) -> Vec<FileRows> {
    let mut layouts: Vec<&Layout> = entropy.some(12, &LAYOUTS.each_ref());
    // A root that is moved below another category can no longer be the tree of
    // a channel.
    let moves_roots = layouts.iter().any(|layout| layout.0 == "categories.csv");
    layouts.retain(|layout| !(moves_roots && layout.0 == "channels.csv"));
    if entropy.chance(25) {
        layouts.push(&PROFILES_FILE);
    }
    if layouts.is_empty() || entropy.chance(40) {
        layouts.push(&APPS_FILE);
    }
    layouts
        .into_iter()
        .map(|layout| random_file(model, layout, entropy))
        .collect()
}

/// Every file with optional columns.
fn layouts() -> Vec<&'static Layout> {
    LAYOUTS.iter().chain([&PROFILES_FILE, &APPS_FILE]).collect()
}

/// One file, without some of its columns.
pub(in super::super) fn one_random_file(model: &Administered, entropy: &mut Entropy) -> FileRows {
    let layouts = layouts();
    let layout = *entropy.pick(&layouts);
    random_file(model, layout, entropy)
}

/// One file with all of its columns, chosen in turn, and the same rows without
/// some of the columns, so that the import keeps the stored values.
pub(in super::super) fn whole_and_partial_file(
    model: &Administered,
    turn: usize,
    entropy: &mut Entropy,
) -> [FileRows; 2] {
    let layouts = layouts();
    let (name, key, required, optional) = *layouts[turn % layouts.len()];
    let mut columns = vec![key];
    columns.extend(required.iter().chain(optional));
    let whole = FileRows {
        name,
        rows: random_rows(model, name, key, &columns, entropy),
        columns,
    };
    let mut partial = whole.clone();
    for column in entropy.some(50, optional) {
        let at = partial.columns.iter().position(|name| *name == column);
        partial.columns.remove(at.unwrap());
        for row in &mut partial.rows {
            row.remove(at.unwrap());
        }
    }
    [whole, partial]
}

/// A file of connected apps.
pub(in super::super) fn apps_file(model: &Administered, entropy: &mut Entropy) -> FileRows {
    random_file(model, &APPS_FILE, entropy)
}

fn random_file(model: &Administered, layout: &Layout, entropy: &mut Entropy) -> FileRows {
    let (name, key, required, optional) = *layout;
    let mut columns = vec![key];
    columns.extend_from_slice(required);
    columns.extend(entropy.some(60, optional));
    if name == "user_groups.csv" && entropy.chance(30) {
        // Without `code` the name is the code.
        columns = vec!["name"];
    }
    let key = if columns == ["name"] { "name" } else { key };
    if entropy.chance(30) {
        columns.reverse();
    }
    FileRows {
        name,
        rows: random_rows(model, name, key, &columns, entropy),
        columns,
    }
}

fn random_rows(
    model: &Administered,
    name: &str,
    key: &str,
    columns: &[&str],
    entropy: &mut Entropy,
) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..=entropy.below(3) {
        let code = key_of(model, name, entropy);
        let is_blank = columns.len() == 1 && code.is_empty();
        if is_blank || keys.contains(&Code::fold(&code)) {
            continue;
        }
        keys.push(Code::fold(&code));
        let scopes = scopes(entropy);
        let offered = Offered::of(model, &scopes, entropy);
        let cells = columns.iter().map(|column| match *column {
            column if column == key => code.clone(),
            "scopes" => scopes.join(","),
            column if !offered.gives(column) => String::new(),
            column => cell(model, (name, column), &code, entropy),
        });
        rows.push(cells.collect());
    }
    rows
}

/// What the permissions step offers to an app; most rows stay within it
/// (rules 5.6).
#[derive(Clone, Copy, PartialEq)]
enum Offered {
    Nothing,
    View,
    Everything,
}

impl Offered {
    fn of(model: &Administered, scopes: &[String], entropy: &mut Entropy) -> Self {
        let has = |text: &str| scopes.iter().any(|scope| scope == text);
        if entropy.chance(8) {
            return Self::Everything;
        }
        if !model.world.edition.is_enterprise() || !has("read_products") {
            return Self::Nothing;
        }
        if has("write_products") {
            Self::Everything
        } else {
            Self::View
        }
    }

    /// Whether a cell of the column may have content.
    fn gives(self, column: &str) -> bool {
        let kinds = ["trees_", "locales_", "attribute_groups_"];
        let is_of_rights = kinds.iter().any(|kind| column.starts_with(kind));
        match self {
            Self::Everything => true,
            Self::View => !is_of_rights || column.ends_with("_view"),
            Self::Nothing => !is_of_rights,
        }
    }
}

fn key_of(model: &Administered, file: &str, entropy: &mut Entropy) -> String {
    match file {
        "user_groups.csv" => key(&GROUPS, entropy),
        "user_roles.csv" => key(&ROLES, entropy),
        "users.csv" => key(&USERS, entropy),
        "connections.csv" => key(&CONNECTIONS, entropy),
        "categories.csv" => key(&CATEGORIES, entropy),
        "channels.csv" => key(&CHANNELS, entropy),
        "attributes.csv" => key(&ATTRIBUTES, entropy),
        "product_models.csv" => key(&MODELS, entropy),
        "products.csv" => key(&PRODUCTS, entropy),
        "job_profile_accesses.csv" => key_of_a_profile(model, entropy),
        _ => key_of_an_app(entropy),
    }
}

/// The content of one cell; a quarter of the cells are empty.
fn cell(
    model: &Administered,
    (file, column): (&str, &str),
    code: &str,
    entropy: &mut Entropy,
) -> String {
    let is_empty = entropy.chance(25) && column != "group";
    let text = match (file, column) {
        ("users.csv", "roles") => stored_roles(model, Audience::User, entropy).join(","),
        ("connections.csv", "roles") => {
            stored_roles(model, Audience::Connection, entropy).join(",")
        }
        ("attributes.csv", "group") => {
            let stored = items(model, ItemKind::AttributeGroup);
            reference(&mostly(&stored, &ATTRIBUTE_GROUPS, entropy), entropy)
        }
        ("categories.csv", "parent") => {
            let stored = items(model, ItemKind::Category);
            reference(&mostly(&stored, &CATEGORIES, entropy), entropy)
        }
        (_, "parent") => {
            let stored = models(model);
            reference(&mostly(&stored, &MODELS, entropy), entropy)
        }
        (_, "categories") => {
            let stored = items(model, ItemKind::Category);
            references(25, &mostly(&stored, &CATEGORIES, entropy), entropy).join(",")
        }
        (_, "name") => (*entropy.pick(&["Writers", "Bosses", "Team 1"])).to_owned(),
        (_, "label") => (*entropy.pick(&["Writer", "Boss"])).to_owned(),
        (_, "audience") => audience(code, entropy).to_owned(),
        (_, "permissions") => granted(code, entropy).join(","),
        (_, "groups" | "execute_job_profile" | "edit_job_profile") => {
            stored_groups(model, entropy).join(",")
        }
        (_, "enabled" | "localizable" | "scopable") => (*entropy.pick(&["0", "1"])).to_owned(),
        (_, "locales") => {
            let stored = items(model, ItemKind::Locale);
            references(40, &mostly(&stored, &LOCALES, entropy), entropy).join(",")
        }
        (_, "tree") => one_of(&roots(model), entropy),
        (_, "locales_edit" | "locales_view") => chosen(&items(model, ItemKind::Locale), entropy),
        (_, "attribute_groups_edit" | "attribute_groups_view") => {
            chosen(&items(model, ItemKind::AttributeGroup), entropy)
        }
        _ => chosen(&roots(model), entropy),
    };
    if is_empty { String::new() } else { text }
}

/// Stored groups that a member can join; rarely others.
fn stored_groups(model: &Administered, entropy: &mut Entropy) -> Vec<String> {
    if entropy.chance(10) {
        return groups(entropy);
    }
    let stored: Vec<&str> = model.world.groups.iter().map(Code::as_str).collect();
    references(35, &stored, entropy)
}

/// Stored roles for this audience; rarely others.
fn stored_roles(model: &Administered, audience: Audience, entropy: &mut Entropy) -> Vec<String> {
    if entropy.chance(10) {
        return roles_for(audience == Audience::Connection, entropy);
    }
    let roles = model.world.roles.iter();
    let roles = roles.filter(|(_, role)| role.audience == audience);
    let stored: Vec<&str> = roles.map(|(code, _)| code.as_str()).collect();
    references(50, &stored, entropy)
}

/// The code of a profile, usually a stored one.
fn key_of_a_profile(model: &Administered, entropy: &mut Entropy) -> String {
    let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
    let stored: Vec<String> = kinds.iter().flat_map(|kind| items(model, *kind)).collect();
    key(&mostly(&stored, &PROFILES, entropy), entropy)
}

fn audience(role: &str, entropy: &mut Entropy) -> &'static str {
    let usual = match role.to_lowercase().as_str() {
        "api" | "feeds" => "connection",
        _ => "user",
    };
    if entropy.chance(90) {
        return usual;
    }
    let audiences = ["user", "connection"];
    let audience: &&'static str = entropy.pick(&audiences);
    audience
}

fn one_of(words: &[String], entropy: &mut Entropy) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.is_empty() {
        return String::new();
    }
    reference(&words, entropy)
}

/// Everything, one entry, or nothing.
fn chosen(words: &[String], entropy: &mut Entropy) -> String {
    if entropy.chance(25) {
        return "*".to_owned();
    }
    one_of(words, entropy)
}
