use crate::{
    admin::entry::{AccessEntry, AppEntry, Entry, LevelColumn, UnknownWords},
    domain::{
        AttributePatch, Audience, CATALOGUE, CategoryPatch, ChannelPatch, Code, GridViewPatch,
        ItemKind, Level, PermissionSet, PlainItem, ProductKind, ProductPatch, RequestedPermissions,
        RolePatch, ScopeSet, SelectionPatch, SubjectPatch, UserGroup,
    },
};

use super::{
    cells::{BadCell, Cells, bad},
    layout::{LevelColumns, SELECTIONS, Shape},
    quoting::{brief, shown},
};

/// Parses a row into the entry of its file's shape; fails on the first bad cell.
pub(super) fn entry(shape: Shape, cells: &Cells<'_>) -> Result<Entry, BadCell> {
    match shape {
        Shape::UserGroup => Ok(Entry::UserGroup(UserGroup {
            code: cells.key()?,
            label: cells.label("name")?,
            private: false,
        })),
        Shape::Role => role(cells),
        Shape::Subject(kind) => Ok(Entry::Subject(kind, subject(cells)?)),
        Shape::Item(kind) => Ok(Entry::Item(PlainItem {
            kind,
            code: cells.key()?,
        })),
        Shape::Category => Ok(Entry::Category(CategoryPatch {
            code: cells.key()?,
            parent: cells.find_code("parent")?,
        })),
        Shape::Channel => Ok(Entry::Channel(ChannelPatch {
            code: cells.key()?,
            tree: cells.find_code("tree")?,
            locales: cells.find_codes("locales")?,
        })),
        Shape::Attribute => Ok(Entry::Attribute(AttributePatch {
            code: cells.key()?,
            group: Some(cells.code("group")?),
            scopable: cells.find_flag("scopable", false)?,
            localizable: cells.find_flag("localizable", false)?,
        })),
        Shape::JobProfile => Ok(Entry::Item(PlainItem {
            code: cells.key()?,
            kind: profile_kind(cells)?,
        })),
        Shape::GridView => Ok(Entry::GridView(GridViewPatch {
            code: cells.key()?,
            attribute_groups: cells.find_codes("attribute_groups")?,
        })),
        Shape::Product(kind) => product(kind, cells),
        Shape::Access(columns) => access(columns, cells),
        Shape::App => app(cells),
    }
}

/// Parses the key of a row, whether or not its other cells are valid.
pub(super) fn key(shape: Shape, cells: &Cells<'_>) -> Result<Code, BadCell> {
    if let Shape::Product(ProductKind::Product) = shape {
        return cells.key_or("uuid");
    }
    cells.key()
}

fn role(cells: &Cells<'_>) -> Result<Entry, BadCell> {
    let label = match cells.find("label") {
        Some(_) => Some(cells.label("label")?),
        None => None,
    };
    let mut unknown_permissions = UnknownWords::default();
    let role = RolePatch {
        code: cells.key()?,
        label,
        audience: audience(cells)?,
        permissions: permissions(cells, &mut unknown_permissions),
    };
    Ok(Entry::Role {
        role,
        unknown_permissions,
    })
}

/// Parses the audience; an empty cell is the default, since every role has an
/// audience. `None` if the file lacks the column.
fn audience(cells: &Cells<'_>) -> Result<Option<Audience>, BadCell> {
    let Some(word) = cells.find("audience") else {
        return Ok(None);
    };
    if word.is_empty() {
        return Ok(Some(Audience::User));
    }
    word.to_ascii_lowercase().parse().map(Some).map_err(|_| {
        let message = format!(
            "{} is no audience; allowed are `user` and `connection`",
            shown(word)
        );
        bad("audience", message)
    })
}

/// Parses the permissions; collects words that the permission catalogue lacks in
/// `unknown`. `None` if the file lacks the column.
fn permissions(cells: &Cells<'_>, unknown: &mut UnknownWords) -> Option<RequestedPermissions> {
    cells.find("permissions")?;
    let mut set = PermissionSet::default();
    let mut every = false;
    for word in cells.words("permissions") {
        if word == "*" {
            every = true;
            continue;
        }
        let found = CATALOGUE
            .find_permission(word)
            .or_else(|| CATALOGUE.find_pim_acl(word));
        match found {
            Some(permission) => set.insert(permission.id),
            None => unknown.insert(brief(word)),
        }
    }
    Some(if every {
        RequestedPermissions::EveryAllowed
    } else {
        RequestedPermissions::Only(set)
    })
}

fn subject(cells: &Cells<'_>) -> Result<SubjectPatch, BadCell> {
    Ok(SubjectPatch {
        code: cells.key()?,
        roles: Some(cells.codes("roles")?),
        groups: cells.find_codes("groups")?,
        enabled: cells.find_flag("enabled", true)?,
    })
}

fn profile_kind(cells: &Cells<'_>) -> Result<ItemKind, BadCell> {
    let word = cells.text("type");
    let lower = word.to_ascii_lowercase();
    match (lower.contains("import"), lower.contains("export")) {
        (true, false) => Ok(ItemKind::ImportProfile),
        (false, true) => Ok(ItemKind::ExportProfile),
        (true, true) | (false, false) => {
            let message = format!(
                "{} names no kind of profile; a type holds the word `import` or `export`, not both",
                shown(word)
            );
            Err(bad("type", message))
        }
    }
}

fn product(kind: ProductKind, cells: &Cells<'_>) -> Result<Entry, BadCell> {
    let product = ProductPatch {
        kind,
        code: key(Shape::Product(kind), cells)?,
        parent: cells.find_code("parent")?,
        categories: cells.find_codes("categories")?,
    };
    Ok(Entry::Product {
        product,
        rest: cells.rest(),
    })
}

fn access(columns: LevelColumns, cells: &Cells<'_>) -> Result<Entry, BadCell> {
    let code = cells.key()?;
    let mut named = Vec::new();
    let mut kept = Level::Hidden;
    for (column, level) in columns {
        match cells.find_codes(column)? {
            Some(groups) => named.push(LevelColumn {
                column,
                level: *level,
                groups,
            }),
            None => kept = kept.or(*level),
        }
    }
    Ok(Entry::Access(AccessEntry {
        code,
        columns: named,
        kept,
    }))
}

fn app(cells: &Cells<'_>) -> Result<Entry, BadCell> {
    let mut scopes = ScopeSet::default();
    let mut unknown_scopes = UnknownWords::default();
    for word in cells.words("scopes") {
        match CATALOGUE.find_scope(word) {
            Some(scope) => scopes.insert(scope.id),
            None => unknown_scopes.insert(brief(word)),
        }
    }
    let code = cells.key()?;
    let mut selections = Vec::new();
    for column in &SELECTIONS {
        if let Some(chosen) = cells.chosen(column.name)? {
            let patch = SelectionPatch {
                kind: column.kind,
                level: column.level,
                chosen,
            };
            selections.push((column.name, patch));
        }
    }
    Ok(Entry::App(AppEntry {
        code,
        scopes,
        unknown_scopes,
        selections,
    }))
}
