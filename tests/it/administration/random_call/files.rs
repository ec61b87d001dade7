use pim_authz::domain::{Code, ItemKind};

use super::{
    batches::{key, reference, references},
    catalog::{items, models, mostly, roots},
    directory::{granted, groups, roles_for},
    wizard::scopes,
    words::{
        APPS, ATTRIBUTE_GROUPS, ATTRIBUTES, CATEGORIES, CHANNELS, CONNECTIONS, GROUPS, LOCALES,
        MODELS, PRODUCTS, PROFILES, ROLES, USERS,
    },
};
use crate::{
    administration::{administered::Administered, file_rows::FileRows},
    support::Entropy,
};

/// A file: its name, its key column, the columns that it must have, and the
/// others.
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

/// One to three files, each without some of its columns; in most cases the
/// apps among them.
pub(in super::super) fn random_files(model: &Administered, tape: &mut Entropy) -> Vec<FileRows> {
    let mut layouts: Vec<&Layout> = tape.some(12, &LAYOUTS.each_ref());
    // A root that goes below another is no tree of a channel any more.
    let moves_roots = layouts.iter().any(|layout| layout.0 == "categories.csv");
    layouts.retain(|layout| !(moves_roots && layout.0 == "channels.csv"));
    if tape.chance(25) {
        layouts.push(&PROFILES_FILE);
    }
    if layouts.is_empty() || tape.chance(40) {
        layouts.push(&APPS_FILE);
    }
    layouts
        .into_iter()
        .map(|layout| random_file(model, layout, tape))
        .collect()
}

fn random_file(model: &Administered, layout: &Layout, tape: &mut Entropy) -> FileRows {
    let (name, key, required, optional) = *layout;
    let mut columns = vec![key];
    columns.extend_from_slice(required);
    columns.extend(tape.some(60, optional));
    if name == "user_groups.csv" && tape.chance(30) {
        // Without `code` the name is the code.
        columns = vec!["name"];
    }
    let key = if columns == ["name"] { "name" } else { key };
    if tape.chance(30) {
        columns.reverse();
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for _ in 0..=tape.below(3) {
        let code = key_of(name, tape);
        let is_blank = columns.len() == 1 && code.is_empty();
        if is_blank || keys.contains(&Code::fold(&code)) {
            continue;
        }
        keys.push(Code::fold(&code));
        // What only reads products is offered `view` alone (rules 5.6).
        let only_view = tape.chance(60);
        let cells = columns.iter().map(|column| match *column {
            column if column == key => code.clone(),
            column if only_view && (column.ends_with("_edit") || column.ends_with("_own")) => {
                String::new()
            }
            column => cell(model, (name, column), &code, tape),
        });
        rows.push(cells.collect());
    }
    FileRows {
        name,
        columns,
        rows,
    }
}

fn key_of(file: &str, tape: &mut Entropy) -> String {
    match file {
        "user_groups.csv" => key(&GROUPS, tape),
        "user_roles.csv" => key(&ROLES, tape),
        "users.csv" => key(&USERS, tape),
        "connections.csv" => key(&CONNECTIONS, tape),
        "categories.csv" => key(&CATEGORIES, tape),
        "channels.csv" => key(&CHANNELS, tape),
        "attributes.csv" => key(&ATTRIBUTES, tape),
        "product_models.csv" => key(&MODELS, tape),
        "products.csv" => key(&PRODUCTS, tape),
        "job_profile_accesses.csv" => key(&PROFILES, tape),
        _ => key(&APPS, tape),
    }
}

/// One cell; a quarter of them are empty.
fn cell(
    model: &Administered,
    (file, column): (&str, &str),
    code: &str,
    tape: &mut Entropy,
) -> String {
    let is_empty = tape.chance(25) && column != "group";
    let text = match (file, column) {
        ("users.csv", "roles") => roles_for(false, tape).join(","),
        ("connections.csv", "roles") => roles_for(true, tape).join(","),
        ("attributes.csv", "group") => reference(&ATTRIBUTE_GROUPS, tape),
        ("categories.csv", "parent") => {
            let stored = items(model, ItemKind::Category);
            reference(&mostly(&stored, &CATEGORIES, tape), tape)
        }
        (_, "parent") => {
            let stored = models(model);
            reference(&mostly(&stored, &MODELS, tape), tape)
        }
        (_, "categories") => {
            let stored = items(model, ItemKind::Category);
            references(25, &mostly(&stored, &CATEGORIES, tape), tape).join(",")
        }
        (_, "name") => (*tape.pick(&["Writers", "Bosses", "Team 1"])).to_owned(),
        (_, "label") => (*tape.pick(&["Writer", "Boss"])).to_owned(),
        (_, "audience") => audience(code, tape).to_owned(),
        (_, "permissions") => granted(code, tape).join(","),
        (_, "groups" | "execute_job_profile" | "edit_job_profile") => groups(tape).join(","),
        (_, "enabled" | "localizable" | "scopable") => (*tape.pick(&["0", "1"])).to_owned(),
        (_, "locales") => references(30, &LOCALES, tape).join(","),
        (_, "tree") => one_of(&roots(model), tape),
        (_, "scopes") => scopes(tape).join(","),
        (_, "locales_edit" | "locales_view") => chosen(&LOCALES.map(str::to_owned), tape),
        (_, "attribute_groups_edit" | "attribute_groups_view") => {
            chosen(&ATTRIBUTE_GROUPS.map(str::to_owned), tape)
        }
        _ => chosen(&roots(model), tape),
    };
    if is_empty { String::new() } else { text }
}

fn audience(role: &str, tape: &mut Entropy) -> &'static str {
    let usual = match role.to_lowercase().as_str() {
        "api" | "feeds" => "connection",
        _ => "user",
    };
    if tape.chance(90) {
        return usual;
    }
    let audiences = ["user", "connection"];
    let audience: &&'static str = tape.pick(&audiences);
    audience
}

fn one_of(words: &[String], tape: &mut Entropy) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.is_empty() {
        return String::new();
    }
    reference(&words, tape)
}

/// Everything, one, or nothing.
fn chosen(words: &[String], tape: &mut Entropy) -> String {
    if tape.chance(25) {
        return "*".to_owned();
    }
    one_of(words, tape)
}
