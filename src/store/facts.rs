use std::collections::HashMap;

use tokio_postgres::{Row, types::ToSql};

use crate::domain::{
    AttributeFacts, CATALOGUE, Code, Facts, FactsNeeded, GridViewFacts, GroupFacts, GroupId,
    GroupsNeeded, ItemFacts, ItemId, ItemKind, ItemRef, Level, ProductFacts, ProductKind,
    ProductRef, Revision, RoleFacts, RoleId, SubjectFacts, SubjectRef,
};

use super::{Snapshot, Store, StoreError};

/// Reads every fact of a set of questions: tagged rows, each one fact.
pub(super) const FACTS_SQL: &str = include_str!("facts.sql");

const STATEMENT: &str = "find_facts";

impl Store {
    /// Reads the facts of a tenant that some questions need, at one revision, in
    /// one round trip; `None` when there is no such tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer,
    /// [`StoreError::CorruptRow`] when what is stored breaks the domain's rules.
    pub async fn facts(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
    ) -> Result<Option<Facts>, StoreError> {
        let asked = Parameters::of(tenant, needed);
        assemble(&self.query(STATEMENT, FACTS_SQL, &asked.list()).await?)
    }
}

impl Snapshot<'_> {
    /// Reads the facts that some questions need, as [`Store::facts`].
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn facts(&self, needed: &FactsNeeded) -> Result<Facts, StoreError> {
        let asked = Parameters::of(&self.tenant().code, needed);
        let facts = assemble(&self.query(STATEMENT, FACTS_SQL, &asked.list()).await?)?;
        facts.ok_or_else(|| corrupt("no tenant, in a snapshot that has it".to_owned()))
    }
}

/// What the statement takes, in columns.
struct Parameters<'n> {
    tenant: &'n str,
    subject_types: Vec<&'n str>,
    subject_keys: Vec<&'n str>,
    item_types: Vec<&'n str>,
    item_keys: Vec<&'n str>,
    models: Vec<bool>,
    product_keys: Vec<&'n str>,
    attributes: Vec<&'n str>,
    grid_views: Vec<&'n str>,
    all_groups: bool,
}

impl<'n> Parameters<'n> {
    fn of(tenant: &'n Code, needed: &'n FactsNeeded) -> Self {
        let subjects = needed.subjects.iter();
        let (subject_types, subject_keys) = subjects
            .map(|s| (<&str>::from(s.kind), s.code.folded()))
            .unzip();
        let items = needed.items.iter();
        let (item_types, item_keys) = items
            .map(|i| (<&str>::from(i.kind), i.code.folded()))
            .unzip();
        let products = needed.products.iter();
        let (models, product_keys) = products
            .map(|p| (p.kind == ProductKind::Model, p.code.folded()))
            .unzip();
        Self {
            tenant: tenant.folded(),
            subject_types,
            subject_keys,
            item_types,
            item_keys,
            models,
            product_keys,
            attributes: needed.attributes.iter().map(Code::folded).collect(),
            grid_views: needed.grid_views.iter().map(Code::folded).collect(),
            all_groups: needed.groups == GroupsNeeded::All,
        }
    }

    fn list(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.tenant,
            &self.subject_types,
            &self.subject_keys,
            &self.item_types,
            &self.item_keys,
            &self.models,
            &self.product_keys,
            &self.attributes,
            &self.grid_views,
            &self.all_groups,
        ]
    }
}

/// A tenant's revision as PostgreSQL keeps it, never below 0.
pub(super) fn revision(stored: i64) -> Revision {
    Revision(stored.unsigned_abs())
}

fn assemble(rows: &[Row]) -> Result<Option<Facts>, StoreError> {
    let mut gathered = Gathered::default();
    for row in rows {
        gathered.add(row)?;
    }
    Ok(gathered.finish())
}

/// The rows as they come, by number; put together once all are there.
#[derive(Debug, Default)]
struct Gathered {
    tenant: Option<(Revision, crate::domain::Edition)>,
    subjects: HashMap<i32, (SubjectRef, SubjectFacts)>,
    memberships: Vec<(i32, GroupId)>,
    subject_roles: Vec<(i32, RoleId)>,
    scopes: Vec<(i32, crate::domain::ScopeId)>,
    roles: HashMap<RoleId, RoleFacts>,
    role_permissions: Vec<(RoleId, crate::domain::PermissionId)>,
    groups: HashMap<GroupId, GroupFacts>,
    rights: Vec<(GroupId, ItemId, Level)>,
    highest: Vec<(GroupId, ItemKind, Level)>,
    items: HashMap<ItemId, ItemFacts>,
    firsts: Vec<ItemId>,
    attributes: HashMap<Code, AttributeFacts>,
    grid_views: HashMap<i32, GridViewFacts>,
    grid_view_groups: Vec<(i32, ItemId)>,
    products: HashMap<i32, (ProductKind, Option<i32>, ProductFacts)>,
    product_categories: Vec<(i32, ItemId)>,
}

impl Gathered {
    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let fact: &str = row.get("fact");
        let a: i32 = row.get("a");
        let b: Option<i32> = row.get("b");
        let second = || b.ok_or_else(|| corrupt(format!("{fact} without its second number")));
        match fact {
            "tenant" => self.tenant = Some((revision(row.get("n")), parsed(row, "s")?)),
            "subject" => self.add_subject(a, row)?,
            "membership" => self.memberships.push((a, GroupId(second()?))),
            "group" => self.add_group(a, row)?,
            "subject_role" => self.subject_roles.push((a, RoleId(second()?))),
            "role" => {
                let role = RoleFacts {
                    code: parsed(row, "s")?,
                    permissions: <_>::default(),
                };
                self.roles.insert(RoleId(a), role);
            }
            "role_permission" => {
                // A code that a newer release stored is not known here, so it
                // cannot be asked here either: it grants nothing.
                if let Some(permission) = CATALOGUE.find_permission(text(row, "s")?) {
                    self.role_permissions.push((RoleId(a), permission.id));
                }
            }
            "scope" => {
                if let Some(scope) = CATALOGUE.find_scope(text(row, "s")?) {
                    self.scopes.push((a, scope.id));
                }
            }
            "item" => {
                let item = ItemFacts {
                    kind: parsed(row, "u")?,
                    code: parsed(row, "s")?,
                };
                self.items.insert(ItemId(a), item);
            }
            "first" => self.firsts.push(ItemId(a)),
            "attribute" => self.add_attribute(a, row)?,
            "grid_view" => {
                let view = GridViewFacts {
                    code: parsed(row, "s")?,
                    attribute_groups: Vec::new(),
                };
                self.grid_views.insert(a, view);
            }
            "grid_view_group" => self.grid_view_groups.push((a, ItemId(second()?))),
            "product" => self.add_product(a, b, row)?,
            "product_category" => self.product_categories.push((a, ItemId(second()?))),
            "right" => self
                .rights
                .push((GroupId(a), ItemId(second()?), level(row)?)),
            "highest" => self
                .highest
                .push((GroupId(a), parsed(row, "u")?, level(row)?)),
            other => return Err(corrupt(format!("unknown fact `{other}`"))),
        }
        Ok(())
    }

    fn add_subject(&mut self, id: i32, row: &Row) -> Result<(), StoreError> {
        let code: Code = parsed(row, "s")?;
        let subject = SubjectRef {
            kind: parsed(row, "u")?,
            code: code.clone(),
        };
        let facts = SubjectFacts {
            code,
            enabled: row.get("x"),
            groups: Vec::new(),
            roles: Vec::new(),
            scopes: <_>::default(),
        };
        self.subjects.insert(id, (subject, facts));
        Ok(())
    }

    fn add_group(&mut self, id: i32, row: &Row) -> Result<(), StoreError> {
        let group = GroupFacts {
            code: parsed(row, "s")?,
            private: row.get("x"),
            rights: HashMap::new(),
            highest_channel: Level::Hidden,
            highest_locale: Level::Hidden,
        };
        self.groups.insert(GroupId(id), group);
        Ok(())
    }

    fn add_attribute(&mut self, group: i32, row: &Row) -> Result<(), StoreError> {
        let code: Code = parsed(row, "s")?;
        let attribute = AttributeFacts {
            code: code.clone(),
            group: ItemId(group),
            scopable: row.get("x"),
            localizable: row.get("y"),
        };
        self.attributes.insert(code, attribute);
        Ok(())
    }

    fn add_product(&mut self, id: i32, parent: Option<i32>, row: &Row) -> Result<(), StoreError> {
        let model: bool = row.get("x");
        let kind = if model {
            ProductKind::Model
        } else {
            ProductKind::Product
        };
        let facts = ProductFacts {
            code: parsed(row, "s")?,
            parent: None,
            categories: Vec::new(),
        };
        self.products.insert(id, (kind, parent, facts));
        Ok(())
    }

    fn finish(mut self) -> Option<Facts> {
        let (revision, edition) = self.tenant?;
        self.join_directory();
        self.join_rights();
        let products = self.join_products();
        for (view, group) in self.grid_view_groups {
            if let Some(view) = self.grid_views.get_mut(&view) {
                view.attribute_groups.push(group);
            }
        }
        let first = |kind| {
            let mut firsts = self.firsts.iter().copied();
            firsts.find(|id| self.items.get(id).is_some_and(|item| item.kind == kind))
        };
        let (first_channel, first_locale) = (first(ItemKind::Channel), first(ItemKind::Locale));
        let items = self
            .items
            .iter()
            .map(|(id, item)| (item_ref(item), *id))
            .collect();
        let views = self.grid_views.into_values().map(|mut view| {
            view.attribute_groups
                .sort_by_key(|id| self.items.get(id).map(|item| item.code.clone()));
            (view.code.clone(), view)
        });
        Some(Facts {
            revision,
            edition,
            subjects: self.subjects.into_values().collect(),
            roles: self.roles,
            groups: self.groups,
            items,
            grid_views: views.collect(),
            item_facts: self.items,
            first_channel,
            first_locale,
            attributes: self.attributes,
            products,
        })
    }

    fn join_directory(&mut self) {
        for (role, permission) in &self.role_permissions {
            if let Some(role) = self.roles.get_mut(role) {
                role.permissions.insert(*permission);
            }
        }
        for (subject, group) in &self.memberships {
            if let Some((_, facts)) = self.subjects.get_mut(subject) {
                facts.groups.push(*group);
            }
        }
        for (subject, role) in &self.subject_roles {
            if let Some((_, facts)) = self.subjects.get_mut(subject) {
                facts.roles.push(*role);
            }
        }
        for (subject, scope) in &self.scopes {
            if let Some((_, facts)) = self.subjects.get_mut(subject) {
                facts.scopes.insert(*scope);
            }
        }
        let (groups, roles) = (&self.groups, &self.roles);
        for (_, facts) in self.subjects.values_mut() {
            facts
                .groups
                .sort_by_key(|id| groups.get(id).map(|group| &group.code));
            facts
                .roles
                .sort_by_key(|id| roles.get(id).map(|role| &role.code));
        }
    }

    fn join_rights(&mut self) {
        for (group, item, level) in &self.rights {
            if let Some(group) = self.groups.get_mut(group) {
                group.rights.insert(*item, *level);
            }
        }
        for (group, kind, level) in &self.highest {
            let Some(group) = self.groups.get_mut(group) else {
                continue;
            };
            if *kind == ItemKind::Channel {
                group.highest_channel = *level;
            } else {
                group.highest_locale = *level;
            }
        }
    }

    fn join_products(&mut self) -> HashMap<ProductRef, ProductFacts> {
        for (product, category) in &self.product_categories {
            if let Some((_, _, facts)) = self.products.get_mut(product) {
                facts.categories.push(*category);
            }
        }
        let codes: HashMap<i32, Code> = self
            .products
            .iter()
            .map(|(id, (_, _, facts))| (*id, facts.code.clone()))
            .collect();
        let joined = std::mem::take(&mut self.products).into_values();
        let joined = joined.map(|(kind, parent, mut facts)| {
            facts.parent = parent.and_then(|id| codes.get(&id).cloned());
            (
                ProductRef {
                    kind,
                    code: facts.code.clone(),
                },
                facts,
            )
        });
        joined.collect()
    }
}

fn item_ref(item: &ItemFacts) -> ItemRef {
    ItemRef {
        kind: item.kind,
        code: item.code.clone(),
    }
}

fn corrupt(message: String) -> StoreError {
    StoreError::CorruptRow {
        statement: STATEMENT,
        message,
    }
}

fn text<'r>(row: &'r Row, column: &str) -> Result<&'r str, StoreError> {
    let text: Option<&str> = row.get(column);
    text.ok_or_else(|| corrupt(format!("column `{column}` is null")))
}

fn parsed<T: std::str::FromStr>(row: &Row, column: &str) -> Result<T, StoreError> {
    let text = text(row, column)?;
    text.parse()
        .map_err(|_| corrupt(format!("column `{column}` holds `{text}`")))
}

fn level(row: &Row) -> Result<Level, StoreError> {
    level_of_bits(STATEMENT, row.get("n"))
}

/// The level that is stored as these bits.
pub(super) fn level_of_bits(statement: &'static str, stored: i64) -> Result<Level, StoreError> {
    let level = u8::try_from(stored).map(Level::from_bits);
    level.map_err(|_| StoreError::CorruptRow {
        statement,
        message: format!("level {stored}"),
    })
}
