use std::{hash::Hash, sync::Arc};

use hashbrown::HashMap;
use tokio_postgres::Row;

use crate::domain::{
    Attribute, CATALOGUE, Code, Edition, FactKey, Facts, GridViewFacts, GridViewId, GroupFacts,
    GroupId, ItemFacts, ItemId, ItemKind, ItemRef, Level, PermissionId, ProductFacts, ProductId,
    ProductKind, ProductRef, Revision, RoleFacts, RoleId, ScopeId, SubjectFacts, SubjectId,
    SubjectRef, Vocabulary,
};

use super::{STATEMENT, level_of_bits};
use crate::store::{AsOf, IndexedProduct, StoreError, TenantId, tenants::revision};

/// Collects fact rows by id, in any order; joined once all are read.
#[derive(Debug, Default)]
pub(super) struct FactRows {
    tenant: Option<(TenantId, Revision, Edition)>,
    as_of: Option<(u64, u64, bool)>,
    pending: Vec<FactKey>,
    subjects: HashMap<SubjectId, (SubjectRef, SubjectFacts)>,
    memberships: Vec<(SubjectId, GroupId)>,
    subject_roles: Vec<(SubjectId, RoleId)>,
    scopes: Vec<(SubjectId, ScopeId)>,
    roles: HashMap<RoleId, RoleFacts>,
    role_permissions: Vec<(RoleId, PermissionId)>,
    groups: HashMap<GroupId, GroupFacts>,
    group_ids: Vec<GroupId>,
    rights: Vec<(GroupId, ItemId, Level)>,
    highest: Vec<(GroupId, ItemKind, Level)>,
    items: HashMap<ItemId, ItemFacts>,
    firsts: Vec<ItemId>,
    attributes: HashMap<Code, Attribute>,
    grid_views: HashMap<GridViewId, GridViewFacts>,
    grid_view_groups: Vec<(GridViewId, ItemId)>,
    products: HashMap<ProductId, (ProductKind, Option<ProductId>, ProductFacts)>,
    product_categories: Vec<(ProductId, ItemId)>,
}

impl FactRows {
    pub(super) fn of(rows: &[Row]) -> Result<Self, StoreError> {
        let mut fact_rows = Self::default();
        for row in rows {
            fact_rows.add(row)?;
        }
        Ok(fact_rows)
    }

    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let fact: &str = row.get("fact");
        let a: i32 = row.get("a");
        let b: Option<i32> = row.get("b");
        let second = || b.ok_or_else(|| corrupt(format!("{fact} without its second number")));
        match fact {
            "as_of" | "pending" => self.add_as_of(fact, row)?,
            "group_id" => self.group_ids.push(GroupId(a)),
            "tenant" => {
                let revision = revision(row.get("n"));
                self.tenant = Some((TenantId(a), revision, parsed(row, "s")?));
            }
            "subject" => self.add_subject(SubjectId(a), row)?,
            "membership" => self.memberships.push((SubjectId(a), GroupId(second()?))),
            "group" => self.add_group(GroupId(a), row)?,
            "subject_role" => self.subject_roles.push((SubjectId(a), RoleId(second()?))),
            "role" => {
                let (code, permissions) = (parsed(row, "s")?, <_>::default());
                self.roles
                    .insert(RoleId(a), RoleFacts { code, permissions });
            }
            "role_permission" => self.add_permission(RoleId(a), row)?,
            "scope" => self.add_scope(SubjectId(a), row)?,
            "item" => {
                let item = ItemFacts {
                    kind: parsed(row, "u")?,
                    code: parsed(row, "s")?,
                    parent: b.map(ItemId),
                };
                self.items.insert(ItemId(a), item);
            }
            "first" => self.firsts.push(ItemId(a)),
            "attribute" => self.add_attribute(ItemId(a), row)?,
            "grid_view" => {
                let view = GridViewFacts {
                    code: parsed(row, "s")?,
                    attribute_groups: Vec::new(),
                };
                self.grid_views.insert(GridViewId(a), view);
            }
            "grid_view_group" => {
                self.grid_view_groups
                    .push((GridViewId(a), ItemId(second()?)));
            }
            "product" => self.add_product(ProductId(a), b.map(ProductId), row)?,
            "product_category" => {
                self.product_categories
                    .push((ProductId(a), ItemId(second()?)));
            }
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

    fn add_as_of(&mut self, fact: &str, row: &Row) -> Result<(), StoreError> {
        if fact == "pending" {
            self.pending.push(parsed(row, "s")?);
            return Ok(());
        }
        let seq: i64 = row.get("n");
        self.as_of = Some((seq.unsigned_abs(), parsed(row, "s")?, row.get("x")));
        Ok(())
    }

    fn add_subject(&mut self, id: SubjectId, row: &Row) -> Result<(), StoreError> {
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

    fn add_group(&mut self, id: GroupId, row: &Row) -> Result<(), StoreError> {
        let group = GroupFacts {
            code: parsed(row, "s")?,
            private: row.get("x"),
            rights: HashMap::new(),
            highest_channel: Level::Hidden,
            highest_locale: Level::Hidden,
        };
        self.groups.insert(id, group);
        Ok(())
    }

    fn add_permission(&mut self, role: RoleId, row: &Row) -> Result<(), StoreError> {
        // A permission of a newer release is unknown here and cannot be
        // requested here either, so it grants nothing.
        if let Some(permission) = CATALOGUE.find_permission(text(row, "s")?) {
            self.role_permissions.push((role, permission.id));
        }
        Ok(())
    }

    fn add_scope(&mut self, subject: SubjectId, row: &Row) -> Result<(), StoreError> {
        if let Some(scope) = CATALOGUE.find_scope(text(row, "s")?) {
            self.scopes.push((subject, scope.id));
        }
        Ok(())
    }

    fn add_attribute(&mut self, group: ItemId, row: &Row) -> Result<(), StoreError> {
        let code: Code = parsed(row, "s")?;
        let attribute = Attribute {
            code: code.clone(),
            group,
            scopable: row.get("x"),
            localizable: row.get("y"),
        };
        self.attributes.insert(code, attribute);
        Ok(())
    }

    fn add_product(
        &mut self,
        id: ProductId,
        parent: Option<ProductId>,
        row: &Row,
    ) -> Result<(), StoreError> {
        let facts = ProductFacts {
            code: parsed(row, "s")?,
            parent: None,
            categories: Vec::new(),
        };
        self.products.insert(id, (row.get("x"), parent, facts));
        Ok(())
    }

    /// Returns the log position of the read and the keys pending then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the rows were read from a standby,
    /// [`StoreError::CorruptRow`] if `head` is empty.
    pub(super) fn as_of(&mut self) -> Result<AsOf, StoreError> {
        let (seq, epoch, standby) = self
            .as_of
            .ok_or_else(|| corrupt("the table `head` is empty".to_owned()))?;
        if standby {
            return Err(StoreError::standby());
        }
        Ok(AsOf {
            seq,
            epoch,
            pending: std::mem::take(&mut self.pending),
        })
    }

    /// Returns the facts; `None` if the tenant does not exist.
    pub(super) fn facts(mut self) -> Option<Facts> {
        let (_, revision, _) = self.tenant?;
        self.join_subjects();
        let products = shared(self.products());
        let groups = shared(self.groups());
        let subjects = std::mem::take(&mut self.subjects);
        let roles = shared(self.roles());
        let vocabulary = self.vocabulary()?;
        Some(Facts {
            revision,
            vocabulary: Arc::new(vocabulary),
            subjects: shared(subjects.into_values()),
            roles,
            groups,
            products,
        })
    }

    /// Returns the tenant and its revision; `None` if the tenant does not exist.
    pub(super) fn tenant(&self) -> Option<(TenantId, Revision)> {
        self.tenant.map(|(id, revision, _)| (id, revision))
    }

    /// Returns the facts that all questions share; `None` if the tenant does not
    /// exist.
    pub(super) fn vocabulary(mut self) -> Option<Vocabulary> {
        let (_, _, edition) = self.tenant?;
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
        let items = self.items.iter();
        let items = items.map(|(id, item)| (item_ref(item), *id)).collect();
        let views = self.grid_views.into_values().map(|mut view| {
            view.attribute_groups
                .sort_by_key(|id| self.items.get(id).map(|item| item.code.clone()));
            (view.code.clone(), view)
        });
        Some(Vocabulary {
            edition,
            items,
            grid_views: views.collect(),
            item_facts: self.items,
            first_channel,
            first_locale,
            attributes: self.attributes,
            groups: self.group_ids,
        })
    }

    /// Returns the roles with their permissions.
    fn roles(&mut self) -> HashMap<RoleId, RoleFacts> {
        for (role, permission) in &self.role_permissions {
            if let Some(role) = self.roles.get_mut(role) {
                role.permissions.insert(*permission);
            }
        }
        std::mem::take(&mut self.roles)
    }

    /// Returns the user groups with their access rights.
    pub(super) fn groups(&mut self) -> HashMap<GroupId, GroupFacts> {
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
        std::mem::take(&mut self.groups)
    }

    fn join_subjects(&mut self) {
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

    /// Returns the products and models with their ids.
    pub(super) fn numbered_products(mut self) -> Vec<IndexedProduct> {
        self.join_categories();
        let numbered = self.products.into_iter();
        let numbered = numbered.map(|(id, (kind, parent, facts))| IndexedProduct {
            product: ProductRef {
                kind,
                code: facts.code,
            },
            id,
            parent,
            categories: facts.categories,
        });
        numbered.collect()
    }

    fn join_categories(&mut self) {
        for (product, category) in &self.product_categories {
            if let Some((_, _, facts)) = self.products.get_mut(product) {
                facts.categories.push(*category);
            }
        }
    }

    fn products(&mut self) -> HashMap<ProductRef, ProductFacts> {
        self.join_categories();
        let codes: HashMap<ProductId, Code> = self
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

fn shared<K: Eq + Hash, V>(facts: impl IntoIterator<Item = (K, V)>) -> HashMap<K, Arc<V>> {
    let shared = facts.into_iter().map(|(key, fact)| (key, Arc::new(fact)));
    shared.collect()
}

fn item_ref(item: &ItemFacts) -> ItemRef {
    ItemRef {
        kind: item.kind,
        code: item.code.clone(),
    }
}

pub(super) fn corrupt(message: String) -> StoreError {
    StoreError::corrupt(STATEMENT, message)
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
