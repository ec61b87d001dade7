use std::io;

use rand::RngExt as _;

use super::{
    CatalogSize, GeneratorError,
    draws::{Stream, draws, some_of},
    folder::{Folder, Table},
    names::{Group, List, Named, category},
    reader::Reader,
};

const ADMINISTRATOR: &str = "ROLE_ADMINISTRATOR";
const REDACTOR: &str = "ROLE_REDACTOR";
const CONNECTION: &str = "ROLE_CONNECTION";

/// Code, label, audience and permissions of each role.
const ROLES: [[&str; 4]; 3] = [
    [ADMINISTRATOR, "Administrator", "user", "*"],
    [
        REDACTOR,
        "Redactor",
        "user",
        "product.list,product.create,product.edit_attributes,product.view_categories,\
         product.view_history,product.comment,product.remove,category.list,category.edit_attributes,\
         import_profile.launch,export_profile.launch",
    ],
    [
        CONNECTION,
        "Connection",
        "connection",
        "api.overall_access,api.product.list,api.product.edit,api.category.list,api.channel.list,\
         api.locale.list,api.attribute.list,api.attribute_group.list",
    ],
];

/// Returns the groups of users, including those of the readers.
fn groups(size: &CatalogSize) -> impl Iterator<Item = Group> {
    let numbered = (1..=size.groups).map(Group::Numbered);
    numbered.chain(Reader::ALL.map(Group::Reader))
}

/// Writes user groups, roles, users, connections and apps.
pub(super) fn write(folder: &mut Folder, size: &CatalogSize) -> Result<(), GeneratorError> {
    folder.write("user_groups.csv", "code;name", |table| {
        groups(size).try_for_each(|group| match group {
            Group::Reader(reader) => table.row(&[&group, &reader.label()]),
            Group::Numbered(number) => table.row(&[&group, &format_args!("Group {number}")]),
            Group::All => Ok(()),
        })
    })?;
    let header = "role;label;audience;permissions";
    folder.write("user_roles.csv", header, |table| {
        ROLES
            .iter()
            .try_for_each(|[role, label, audience, permissions]| {
                table.row(&[role, label, audience, permissions])
            })
    })?;
    let mut chance = draws(size.seed, Stream::Directory);
    folder.write("users.csv", "username;roles;groups;enabled", |table| {
        table.row(&[&"admin", &ADMINISTRATOR, &"", &1])?;
        for reader in Reader::ALL {
            table.row(&[&reader.code(), &REDACTOR, &Group::Reader(reader), &1])?;
        }
        (1..=size.users).try_for_each(|number| {
            let groups = some_of(&mut chance, size.groups, size.groups_per_user);
            let groups = List(groups.iter().map(|group| Group::Numbered(*group)));
            table.row(&[&Named("user", number), &REDACTOR, &groups, &1])
        })
    })?;
    folder.write("connections.csv", "code;roles;groups;enabled", |table| {
        (1..=size.connections.into()).try_for_each(|number| {
            let groups = some_of(&mut chance, size.groups, 1);
            let groups = List(groups.iter().map(|group| Group::Numbered(*group)));
            table.row(&[&Named("connection", number), &CONNECTION, &groups, &1])
        })
    })?;
    let header = "code;scopes;trees_edit;trees_view;locales_edit;locales_view;\
                  attribute_groups_edit;attribute_groups_view";
    folder.write("apps.csv", header, |table| {
        (1..=size.apps).try_for_each(|number| {
            let tree = chance.random_range(1..=size.trees);
            app(table, number, tree)
        })
    })
}

/// Writes an app, with rights on one tree; apps with odd numbers may write too.
fn app(table: &mut Table, number: u32, tree: u32) -> io::Result<()> {
    let code = Named("app", number.into());
    let tree = category(tree);
    if number.is_multiple_of(2) {
        return table.row(&[&code, &"read_products", &"", &tree, &"", &"*", &"", &"*"]);
    }
    table.row(&[&code, &"write_products", &tree, &"", &"*", &"", &"*", &""])
}
