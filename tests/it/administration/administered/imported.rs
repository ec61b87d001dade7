//! The effect of import files (`docs/import.md`), expressed as the equivalent
//! calls: the value of an absent column comes from the stored state.

use std::collections::BTreeSet;

use pim_authz::domain::{CATALOGUE, Code, ItemKind, ItemRef, Level};
use pim_authz::pb;

use super::{
    Administered, Chosen, Faults,
    apps::{has, offered, read_app},
    names::read,
};
use crate::{
    administration::file_rows::{FileRow, FileRows},
    support::World,
};

/// The columns of rights in `apps.csv`.
const COLUMNS: [(&str, ItemKind, Level); 7] = [
    ("trees_own", ItemKind::Category, Level::Own),
    ("trees_edit", ItemKind::Category, Level::Edit),
    ("trees_view", ItemKind::Category, Level::View),
    ("locales_edit", ItemKind::Locale, Level::Edit),
    ("locales_view", ItemKind::Locale, Level::View),
    (
        "attribute_groups_edit",
        ItemKind::AttributeGroup,
        Level::Edit,
    ),
    (
        "attribute_groups_view",
        ItemKind::AttributeGroup,
        Level::View,
    ),
];

fn list(codes: Vec<String>) -> pb::CodeList {
    pb::CodeList { codes }
}

fn text(code: Option<&Code>) -> String {
    code.map(Code::to_string).unwrap_or_default()
}

impl Administered {
    /// The state after an import of these files, given in the order in which
    /// they are applied; or the faults of the import.
    pub(in super::super) fn after_import(&self, files: &[FileRows]) -> Result<Self, Faults> {
        let mut next = self.clone();
        let mut bad_rows = Faults::default();
        for file in files {
            next.take_file(file, &mut bad_rows);
            if !bad_rows.are_none() {
                break; // the state may now contain a loop
            }
        }
        let mut faults = Faults::default();
        if bad_rows.are_none() {
            next.look_at_the_end(self, &mut faults);
        } else {
            faults.add("IMPORT_REFUSED");
        }
        if faults.are_none() {
            Ok(next)
        } else {
            Err(faults)
        }
    }

    fn take_file(&mut self, file: &FileRows, faults: &mut Faults) {
        let rows = || file.rows();
        match file.name {
            "user_groups.csv" => {
                let groups: Vec<pb::UserGroup> = rows().map(user_group).collect();
                self.put_groups(&groups, faults);
            }
            "user_roles.csv" => {
                let roles: Vec<pb::Role> = rows().map(|row| self.role_of(row)).collect();
                self.put_roles(&roles, faults);
            }
            "users.csv" => {
                let users: Vec<pb::User> = rows().map(user).collect();
                self.put_users(&users, faults);
            }
            "connections.csv" => {
                let entries: Vec<pb::Connection> = rows().map(connection).collect();
                self.put_connections(&entries, faults);
            }
            "categories.csv" => {
                let categories = rows().map(|row| pb::Category {
                    code: row.cell("code").to_owned(),
                    parent: row.find("parent").map(str::to_owned),
                });
                let request = pb::PutCategoriesRequest {
                    categories: categories.collect(),
                    ..Default::default()
                };
                self.put_categories(&request, faults);
            }
            "channels.csv" => {
                let channels = rows().map(|row| self.channel_of(row));
                let request = pb::PutChannelsRequest {
                    channels: channels.collect(),
                    ..Default::default()
                };
                self.put_channels(&request, faults);
            }
            "attributes.csv" => {
                let attributes: Vec<pb::Attribute> =
                    rows().map(|row| self.attribute_of(row)).collect();
                self.put_attributes(&attributes, faults);
            }
            "product_models.csv" | "products.csv" => {
                let products: Vec<pb::Product> =
                    rows().map(|row| product(file.name, row)).collect();
                self.put_products(&products, faults);
            }
            "job_profile_accesses.csv" => {
                rows().for_each(|row| self.take_profile_rights(row, faults));
            }
            "apps.csv" => rows().for_each(|row| self.take_app(row, faults)),
            other => panic!("no such file: {other}"),
        }
    }

    fn role_of(&self, row: FileRow<'_>) -> pb::Role {
        let code = row.cell("role");
        let stored = code
            .parse()
            .ok()
            .and_then(|code| self.role_labels.get(&code));
        let audience = match row.find("audience") {
            None => pb::Audience::Unspecified,
            Some("connection") => pb::Audience::Connection,
            Some(_) => pb::Audience::User,
        };
        pb::Role {
            code: code.to_owned(),
            label: match row.find("label") {
                Some(label) => label.to_owned(),
                None => stored.cloned().unwrap_or_default(),
            },
            audience: audience.into(),
            // A permission outside the catalogue is only a warning
            // (`docs/import.md`).
            permissions: row.list("permissions").map(|mut words| {
                words.retain(|word| CATALOGUE.find_permission(word).is_some());
                list(words)
            }),
        }
    }

    fn channel_of(&self, row: FileRow<'_>) -> pb::Channel {
        let code = row.cell("code");
        let stored = code.parse().ok().and_then(|code| self.channels.get(&code));
        let stored = stored.cloned().unwrap_or_default();
        let tree = row.find("tree").map(str::to_owned);
        let locales = stored.locales.iter().map(Code::to_string);
        pb::Channel {
            code: code.to_owned(),
            tree: tree.unwrap_or_else(|| text(stored.tree.as_ref())),
            locales: row.list("locales").unwrap_or_else(|| locales.collect()),
        }
    }

    fn attribute_of(&self, row: FileRow<'_>) -> pb::Attribute {
        let code = row.cell("code");
        let stored = code.parse().ok();
        let stored = stored.and_then(|code| self.world.attributes.get(&code));
        let is = |column, stored: Option<bool>| {
            let given = row.flag(column, false);
            given.or(stored).unwrap_or_default()
        };
        pb::Attribute {
            code: code.to_owned(),
            group: row.cell("group").to_owned(),
            scopable: is("scopable", stored.map(|stored| stored.scopable)),
            localizable: is("localizable", stored.map(|stored| stored.localizable)),
        }
    }

    /// Replaces all rights on a profile, except those of apps' private groups;
    /// edit flags are kept where their column is absent.
    fn take_profile_rights(&mut self, row: FileRow<'_>, faults: &mut Faults) {
        let Some(code) = read(row.cell("job_profile"), faults) else {
            return;
        };
        let kinds = [ItemKind::ImportProfile, ItemKind::ExportProfile];
        let Some(kind) = kinds.into_iter().find(|kind| self.has(*kind, &code)) else {
            faults.add("PROFILE_NOT_FOUND");
            return;
        };
        let item = ItemRef { kind, code };
        let may_execute = self.named_groups(row.list("execute_job_profile"), faults);
        let given = row.list("edit_job_profile");
        let is_given = given.is_some();
        let may_edit = self.named_groups(given, faults);
        for group in self.world.groups.clone() {
            let held = self.world.right(&group, &item);
            let edits = if is_given {
                may_edit.contains(&group)
            } else {
                held.allows(Level::Edit)
            };
            let level = match (may_execute.contains(&group), edits) {
                (true, true) => Level::ExecuteAndEdit,
                (true, false) => Level::Execute,
                (false, true) => Level::Edit,
                (false, false) => Level::Hidden,
            };
            self.world.rights.insert((group, item.clone()), level);
        }
    }

    fn named_groups(&self, words: Option<Vec<String>>, faults: &mut Faults) -> BTreeSet<Code> {
        self.joined(&list(words.unwrap_or_default()), faults)
    }

    /// Stores a connected app; each column of rights is applied on its own.
    fn take_app(&mut self, row: FileRow<'_>, faults: &mut Faults) {
        let Some(app) = read_app(row.cell("code"), faults) else {
            return;
        };
        let (scopes, _) = offered(&self.world, &row.list("scopes").unwrap());
        let needs_permissions = self.world.edition.is_enterprise() && has(scopes, "read_products");
        let highest = if has(scopes, "write_products") {
            Level::Own
        } else {
            Level::View
        };
        let mut given: BTreeSet<Chosen> = BTreeSet::new();
        let is_there = |axis: ItemKind, level: Level| {
            let mut columns = COLUMNS.iter().filter(|column| row.find(column.0).is_some());
            columns.any(|(_, of, at)| *of == axis && *at == level)
        };
        for (column, axis, level) in COLUMNS {
            let Some(words) = row.list(column) else {
                continue;
            };
            if !(words.is_empty() || needs_permissions && highest.allows(level)) {
                faults.unfit();
            }
            given.extend(self.chosen_in(axis, level, &words, faults));
        }
        self.store_app(&app, scopes, "user:admin");
        let any = COLUMNS.iter().any(|column| row.find(column.0).is_some());
        let connected = self.apps.get_mut(&app).unwrap();
        connected.passed |= needs_permissions && any;
        let stored = connected.chosen.iter().cloned();
        let kept: BTreeSet<Chosen> = stored
            .filter(|(axis, bits, _)| !is_there(*axis, Level::from_bits(*bits)))
            .collect();
        connected.chosen = kept.union(&given).cloned().collect();
        for (_, axis, _) in COLUMNS {
            for item in self.items_of(axis) {
                self.take_right_of_app(&app, item, &given, &kept, is_there);
            }
        }
    }

    fn chosen_in(
        &self,
        axis: ItemKind,
        level: Level,
        words: &[String],
        faults: &mut Faults,
    ) -> BTreeSet<Chosen> {
        if words.iter().any(|word| word == "*") {
            return BTreeSet::from([(axis, level.bits(), None)]);
        }
        let codes = self.named(axis, words, faults);
        if codes
            .iter()
            .any(|code| self.world.category_parents.contains_key(code))
            && axis == ItemKind::Category
        {
            faults.unfit();
        }
        let chosen = codes
            .into_iter()
            .map(|code| (axis, level.bits(), Some(code)));
        chosen.collect()
    }

    /// Sets the app's right on one item: new selections for the levels whose
    /// columns are present, stored selections for the others.
    fn take_right_of_app(
        &mut self,
        app: &Code,
        item: ItemRef,
        given: &BTreeSet<Chosen>,
        kept: &BTreeSet<Chosen>,
        is_there: impl Fn(ItemKind, Level) -> bool,
    ) {
        let group = World::private_group(app);
        let held = self.world.right(&group, &item);
        let root = match item.kind {
            ItemKind::Category => self.world.root_of(&item.code),
            _ => item.code.clone(),
        };
        let levels = |chosen: &BTreeSet<Chosen>| -> Vec<Level> {
            let chosen = chosen.iter().filter(|(axis, _, code)| {
                *axis == item.kind && code.as_ref().is_none_or(|code| *code == root)
            });
            chosen.map(|(_, bits, _)| Level::from_bits(*bits)).collect()
        };
        let mut level = levels(given).into_iter().fold(Level::Hidden, Level::or);
        if held == Level::Hidden || !is_there(item.kind, held) {
            level = level.or(held);
        } else {
            let lower = levels(kept).into_iter();
            let lower = lower.filter(|lower| *lower != held && held.allows(*lower));
            level = lower.fold(level, Level::or);
        }
        self.world.rights.insert((group, item), level);
    }
}

fn user_group(row: FileRow<'_>) -> pb::UserGroup {
    let name = row.cell("name");
    pb::UserGroup {
        code: row.find("code").unwrap_or(name).to_owned(),
        label: name.to_owned(),
        private: false,
    }
}

fn user(row: FileRow<'_>) -> pb::User {
    pb::User {
        code: row.cell("username").to_owned(),
        groups: row.list("groups").map(list),
        roles: row.list("roles").map(list),
        enabled: row.flag("enabled", true),
    }
}

fn connection(row: FileRow<'_>) -> pb::Connection {
    pb::Connection {
        code: row.cell("code").to_owned(),
        groups: row.list("groups").map(list),
        roles: row.list("roles").map(list),
        enabled: row.flag("enabled", true),
    }
}

fn product(file: &str, row: FileRow<'_>) -> pb::Product {
    let (key, kind) = match file {
        "products.csv" => ("sku", pb::ProductKind::Product),
        _ => ("code", pb::ProductKind::Model),
    };
    pb::Product {
        code: row.cell(key).to_owned(),
        kind: kind.into(),
        parent: row.find("parent").map(str::to_owned),
        categories: row.list("categories").map(list),
    }
}
