use rand::seq::index;

use super::{GeneratorError, Plan, Topic, access::READERS, files::Files};

/// Writes who is there: groups, roles, users, connections and apps.
pub(super) fn write(plan: &Plan, files: &mut Files) -> Result<(), GeneratorError> {
    files.add("user_groups.csv", "name", |rows| {
        let readers = READERS.iter().map(|(code, _)| (*code).to_owned());
        let mut groups = (0..plan.groups).map(group).chain(readers);
        groups.try_for_each(|code| rows.write(format_args!("{code}")))
    })?;
    files.add_rows(
        "user_roles.csv",
        "role;audience;permissions",
        &[
            "administrator;user;*",
            "redactor;user;product.list,product.create,product.edit_attributes,category.list",
            "erp;connection;api.overall_access,api.product.list,api.product.edit",
        ],
    )?;
    let mut chance = plan.chance(Topic::Users);
    files.add("users.csv", "username;roles;groups", |rows| {
        rows.write(format_args!("admin;administrator;"))?;
        for (code, _) in READERS {
            rows.write(format_args!("{code};redactor;{code}"))?;
        }
        (0..plan.users).try_for_each(|number| {
            let joined = index::sample(
                &mut chance,
                index_of(plan.groups),
                index_of(plan.groups_per_user),
            );
            let joined: Vec<String> = joined.iter().map(|n| format!("group_{n}")).collect();
            rows.write(format_args!("user_{number};redactor;{}", joined.join(",")))
        })
    })?;
    files.add_rows(
        "connections.csv",
        "code;roles;groups",
        &["erp;erp;All", "shop;erp;group_0"],
    )?;
    files.add_rows(
        "apps.csv",
        "code;scopes;trees_view;locales_view;attribute_groups_view",
        &[
            "translator;read_products;*;*;*",
            "syndication;read_products;category_0;en_US;marketing",
        ],
    )
}

/// The code of a user group.
pub(super) fn group(number: u32) -> String {
    format!("group_{number}")
}

/// A count as an index of what is in memory.
pub(super) fn index_of(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
