use std::{str::FromStr, sync::LazyLock};

use hashbrown::HashMap;

use super::{
    Audience, Edition, Permission, PermissionId, PermissionSet, ResourceType, Scope, ScopeId,
    ScopeKind, ScopeSet,
};

/// Permissions and scopes that are built into the program (rules 2.1, 5.3):
/// `data/permissions.csv` and `data/scopes.csv`.
#[expect(
    clippy::expect_used,
    reason = "the files are part of the program, and `serve` reads them before it answers"
)]
pub static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    Catalogue::parse(
        include_str!("../../data/permissions.csv"),
        include_str!("../../data/scopes.csv"),
    )
    .expect("the built-in catalogue is consistent")
});

/// All permissions and scopes, with their implications and requirements.
#[derive(Debug)]
pub struct Catalogue {
    permissions: Vec<Permission>,
    permission_ids: HashMap<&'static str, PermissionId>,
    pim_acls: HashMap<&'static str, PermissionId>,
    scopes: Vec<Scope>,
    scope_ids: HashMap<&'static str, ScopeId>,
    overall_access: PermissionSet,
}

/// Error in the files of the catalogue.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalogue {
    /// A row with the wrong number of cells, or with a quoted cell.
    #[error("`{file}` row {row}: not readable")]
    Unreadable {
        /// Name of the file.
        file: &'static str,
        /// Number of the row, from 1; the header is row 0.
        row: usize,
    },
    /// A cell with a value that is not allowed there.
    #[error("`{code}`: `{found}` is not a {expected}")]
    UnknownWord {
        /// Code of the row.
        code: String,
        /// The value found.
        found: String,
        /// The kind of value expected.
        expected: &'static str,
    },
    /// Two rows have the same code.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// The file has more rows than a set can hold.
    #[error("`{0}` has too many rows")]
    TooLarge(&'static str),
}

type Row = Vec<&'static str>;

impl Catalogue {
    fn parse(permissions: &'static str, scopes: &'static str) -> Result<Self, InvalidCatalogue> {
        let rows = rows("permissions.csv", permissions, 12)?;
        if rows.len() > usize::from(u8::MAX) {
            return Err(InvalidCatalogue::TooLarge("permissions.csv"));
        }
        let permission_ids = index(&rows, 0, PermissionId)?;
        let pim_acls = rows
            .iter()
            .filter_map(|row| Some((*row.get(10)?, *permission_ids.get(row.first()?)?)))
            .filter(|(acl, _)| !acl.is_empty())
            .collect();
        let permissions: Vec<Permission> = rows
            .iter()
            .map(|row| permission(row, &permission_ids))
            .collect::<Result<_, _>>()?;
        let rows = self::rows("scopes.csv", scopes, 5)?;
        if rows.len() > 64 {
            return Err(InvalidCatalogue::TooLarge("scopes.csv"));
        }
        let scope_ids = index(&rows, 0, ScopeId)?;
        let scopes = rows
            .iter()
            .map(|row| scope(row, &scope_ids, &permission_ids))
            .collect::<Result<_, _>>()?;
        let overall_access = set("api", "api.overall_access", &permission_ids)?;
        Ok(Self {
            permissions,
            permission_ids,
            pim_acls,
            scopes,
            scope_ids,
            overall_access,
        })
    }

    /// Returns every permission, in the order of the file.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// Returns every scope, in the order of the file.
    #[must_use]
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// Returns the permission with this code, in the spelling of the catalogue.
    #[must_use]
    pub fn find_permission(&self, code: &str) -> Option<&Permission> {
        self.permission_ids.get(code).map(|id| self.permission(*id))
    }

    /// Returns the permissions with these codes; ignores unknown ones.
    #[must_use]
    pub fn permissions_with(&self, codes: &[&str]) -> PermissionSet {
        let known = codes.iter().filter_map(|code| self.find_permission(code));
        known.map(|permission| permission.id).collect()
    }

    /// Returns the codes of permissions, in the order of the file.
    pub fn permission_codes(
        &self,
        permissions: &PermissionSet,
    ) -> impl Iterator<Item = &'static str> {
        permissions.iter().map(|id| self.permission(id).code)
    }

    /// Returns the codes of scopes, in the order of the file.
    pub fn scope_codes(&self, scopes: ScopeSet) -> impl Iterator<Item = &'static str> {
        scopes.iter().map(|id| self.scope(id).code)
    }

    /// Returns the permission of one of the PIM's own ACL identifiers, with or
    /// without the prefix `action:`.
    #[must_use]
    pub fn find_pim_acl(&self, acl: &str) -> Option<&Permission> {
        let acl = acl.strip_prefix("action:").unwrap_or(acl);
        self.pim_acls.get(acl).map(|id| self.permission(*id))
    }

    /// Returns the scope with this code.
    #[must_use]
    pub fn find_scope(&self, code: &str) -> Option<&Scope> {
        self.scope_ids.get(code).map(|id| self.scope(*id))
    }

    /// Returns the permission with this position in the catalogue.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "only the catalogue makes a `PermissionId`"
    )]
    pub fn permission(&self, id: PermissionId) -> &Permission {
        &self.permissions[usize::from(id.0)]
    }

    /// Returns the scope with this position in the catalogue.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "only the catalogue makes a `ScopeId`"
    )]
    pub fn scope(&self, id: ScopeId) -> &Scope {
        &self.scopes[usize::from(id.0)]
    }

    /// Returns the permissions in effect for a holder of `granted`: implications
    /// first, then requirements (rules 2.3), then the edition (rules 2.4).
    #[must_use]
    pub fn counted(&self, granted: &PermissionSet, edition: Edition) -> PermissionSet {
        let held = self.with_implied(granted);
        self.permissions
            .iter()
            .filter(|p| held.contains(p.id) && held.is_superset(&p.requires))
            .filter(|p| !p.enterprise || edition.is_enterprise())
            .map(|p| p.id)
            .collect()
    }

    /// Returns `granted` and the permissions that it implies (rules 2.3), without
    /// checking requirements.
    #[must_use]
    pub fn with_implied(&self, granted: &PermissionSet) -> PermissionSet {
        let mut held = *granted;
        loop {
            let before = held;
            for permission in &self.permissions {
                if permission.implied_by.intersects(&held) {
                    held.insert(permission.id);
                }
            }
            if held == before {
                return held;
            }
        }
    }

    /// Returns `scopes` and the scopes that they imply: write implies read,
    /// delete implies write (rules 5.3).
    #[must_use]
    pub fn with_implied_scopes(&self, scopes: ScopeSet) -> ScopeSet {
        let mut held = scopes;
        loop {
            let before = held;
            for id in before.iter() {
                held = held.union(self.scope(id).implies);
            }
            if held == before {
                return held;
            }
        }
    }

    /// Returns the permissions of an app with `scopes`: those of the scopes' rows
    /// and, with any scope of kind `authorization`, `api.overall_access`
    /// (rules 5.4, 5.5).
    #[must_use]
    pub fn permissions_of_scopes(&self, scopes: ScopeSet) -> PermissionSet {
        self.with_implied_scopes(scopes)
            .iter()
            .map(|id| self.scope(id))
            .filter(|scope| scope.kind == ScopeKind::Authorization)
            .fold(PermissionSet::default(), |held, scope| {
                held.union(&scope.permissions).union(&self.overall_access)
            })
    }
}

fn rows(
    file: &'static str,
    text: &'static str,
    cells: usize,
) -> Result<Vec<Row>, InvalidCatalogue> {
    // Rows with quotes are rejected, so cells need no unquoting and can be
    // borrowed.
    text.lines()
        .enumerate()
        .skip(1)
        .map(|(row, line)| {
            let row_cells: Row = line.split(',').collect();
            if row_cells.len() != cells || line.contains('"') {
                return Err(InvalidCatalogue::Unreadable { file, row });
            }
            Ok(row_cells)
        })
        .collect()
}

fn index<T: Copy>(
    rows: &[Row],
    column: usize,
    id: fn(u8) -> T,
) -> Result<HashMap<&'static str, T>, InvalidCatalogue> {
    let mut ids = HashMap::new();
    for (place, row) in (0_u8..).zip(rows) {
        let code = row.get(column).copied().unwrap_or_default();
        if ids.insert(code, id(place)).is_some() {
            return Err(InvalidCatalogue::Twice(code.to_owned()));
        }
    }
    Ok(ids)
}

fn permission(
    row: &Row,
    ids: &HashMap<&'static str, PermissionId>,
) -> Result<Permission, InvalidCatalogue> {
    let &[
        code,
        label,
        _section,
        _subsection,
        audience,
        edition,
        implied_by,
        requires,
        types,
        level,
        acl,
        _source,
    ] = row.as_slice()
    else {
        return Err(InvalidCatalogue::Unreadable {
            file: "permissions.csv",
            row: 0,
        });
    };
    let audience = match audience {
        "ui" => Audience::User,
        "api" => Audience::Connection,
        other => return Err(unknown(code, other, "audience")),
    };
    Ok(Permission {
        id: word(code, code, ids, "permission")?,
        code,
        label,
        audience,
        enterprise: is_enterprise(code, edition)?,
        implied_by: set(code, implied_by, ids)?,
        requires: set(code, requires, ids)?,
        resource_types: list(types)
            .map(|text| parsed(code, text, "resource type"))
            .collect::<Result<Vec<ResourceType>, _>>()?,
        level: list(level)
            .map(|text| parsed(code, text, "level"))
            .next()
            .transpose()?,
        pim_acl: (!acl.is_empty()).then_some(acl),
    })
}

fn scope(
    row: &Row,
    ids: &HashMap<&'static str, ScopeId>,
    permissions: &HashMap<&'static str, PermissionId>,
) -> Result<Scope, InvalidCatalogue> {
    let &[code, kind, edition, implies, grants] = row.as_slice() else {
        return Err(InvalidCatalogue::Unreadable {
            file: "scopes.csv",
            row: 0,
        });
    };
    Ok(Scope {
        id: word(code, code, ids, "scope")?,
        code,
        kind: parsed(code, kind, "kind")?,
        enterprise: is_enterprise(code, edition)?,
        implies: list(implies)
            .map(|text| word(code, text, ids, "scope"))
            .collect::<Result<_, _>>()?,
        permissions: set(code, grants, permissions)?,
    })
}

fn list(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('|').filter(|word| !word.is_empty())
}

fn set(
    code: &str,
    cell: &'static str,
    ids: &HashMap<&'static str, PermissionId>,
) -> Result<PermissionSet, InvalidCatalogue> {
    list(cell)
        .map(|text| word(code, text, ids, "permission"))
        .collect()
}

fn word<T: Copy>(
    code: &str,
    text: &str,
    ids: &HashMap<&'static str, T>,
    expected: &'static str,
) -> Result<T, InvalidCatalogue> {
    ids.get(text)
        .copied()
        .ok_or_else(|| unknown(code, text, expected))
}

fn parsed<T: FromStr>(
    code: &str,
    text: &str,
    expected: &'static str,
) -> Result<T, InvalidCatalogue> {
    text.parse().map_err(|_| unknown(code, text, expected))
}

fn is_enterprise(code: &str, edition: &str) -> Result<bool, InvalidCatalogue> {
    match edition {
        "all" => Ok(false),
        "enterprise" => Ok(true),
        other => Err(unknown(code, other, "edition")),
    }
}

fn unknown(code: &str, found: &str, expected: &'static str) -> InvalidCatalogue {
    InvalidCatalogue::UnknownWord {
        code: code.to_owned(),
        found: found.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(codes: &[&str], edition: Edition) -> Vec<&'static str> {
        let granted = CATALOGUE.permissions_with(codes);
        let counted = CATALOGUE.counted(&granted, edition);
        CATALOGUE.permission_codes(&counted).collect()
    }

    #[test]
    fn rule_2_1_catalogue_has_219_permissions_and_29_scopes() {
        assert_eq!(CATALOGUE.permissions().len(), 219);
        assert_eq!(CATALOGUE.scopes().len(), 29);
        assert!(CATALOGUE.find_permission("product.fly").is_none());
        let acl = CATALOGUE
            .find_pim_acl("action:pim_enrich_product_index")
            .unwrap();
        assert_eq!(acl.code, "product.list");
    }

    #[test]
    fn rule_2_3_implications_apply_before_requirements() {
        use Edition::Community;
        assert_eq!(
            held(&["category.edit"], Community),
            [
                "category.edit",
                "category.manage_template",
                "category.edit_attributes"
            ],
            "reorder is implied, but requires list"
        );
        assert_eq!(held(&["app.manage"], Community), ["app.manage", "app.open"]);
        assert_eq!(held(&["category.view_history"], Community), [""; 0]);
        assert_eq!(held(&["api.product.list"], Community), [""; 0]);
    }

    #[test]
    fn rule_2_4_enterprise_permissions_count_in_enterprise_only() {
        assert_eq!(held(&["rule.list"], Edition::Growth), [""; 0]);
        assert_eq!(held(&["rule.list"], Edition::Enterprise), ["rule.list"]);
    }

    #[test]
    fn rule_5_5_scope_grants_own_implied_and_overall_access() {
        let scopes = |codes: &[&str]| -> Vec<&'static str> {
            let scopes = codes
                .iter()
                .map(|code| CATALOGUE.find_scope(code).unwrap().id)
                .collect();
            let held = CATALOGUE.permissions_of_scopes(scopes);
            CATALOGUE.permission_codes(&held).collect()
        };
        assert_eq!(scopes(&["openid", "email"]), [""; 0]);
        assert_eq!(
            scopes(&["delete_products"]),
            [
                "api.overall_access",
                "api.product.list",
                "api.product.edit",
                "api.product.remove"
            ]
        );
    }
}
