//! Renders a world as the files that the PIM would export (`import.md`).

use pim_authz::domain::{CATALOGUE, Code, ItemKind, ItemRef, Level, ProductKind};

use super::world::{Member, World};

/// A file: its name, its header, and the levels of its columns after the key.
type RightsFile = (&'static str, &'static str, &'static [Level]);

const VIEW_EDIT: &[Level] = &[Level::View, Level::Edit];

/// Files of access rights, each with the kinds of items that it covers.
const RIGHTS_FILES: [(&[ItemKind], RightsFile); 7] = [
    (
        &[ItemKind::Category],
        (
            "product_category_accesses.csv",
            "category;view_items;edit_items;own_items",
            &[Level::View, Level::Edit, Level::Own],
        ),
    ),
    (
        &[ItemKind::Channel],
        (
            "channel_accesses.csv",
            "channel;view_products;edit_products",
            VIEW_EDIT,
        ),
    ),
    (
        &[ItemKind::Locale],
        (
            "locale_accesses.csv",
            "locale;view_products;edit_products",
            VIEW_EDIT,
        ),
    ),
    (
        &[ItemKind::AttributeGroup],
        (
            "attribute_group_accesses.csv",
            "attribute_group;view_attributes;edit_attributes",
            VIEW_EDIT,
        ),
    ),
    (
        &[ItemKind::AssetFamily],
        (
            "asset_family_accesses.csv",
            "asset_family;view;edit",
            VIEW_EDIT,
        ),
    ),
    (
        &[ItemKind::ReferenceEntity],
        (
            "reference_entity_accesses.csv",
            "reference_entity;view;edit",
            VIEW_EDIT,
        ),
    ),
    (
        &[ItemKind::ImportProfile, ItemKind::ExportProfile],
        (
            "job_profile_accesses.csv",
            "job_profile;execute_job_profile;edit_job_profile",
            &[Level::Execute, Level::Edit],
        ),
    ),
];

impl World {
    /// Returns every file of `import.md`, as name and content, for this world.
    /// Each item has a row of rights, so that no default applies (rules 3.8).
    ///
    /// # Panics
    ///
    /// Panics if an app has rights that the wizard cannot grant (rules 5.6, 5.7).
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let mut files = self.catalog_files();
        files.extend(self.directory_files());
        files.extend(self.rights_files());
        files
    }

    fn catalog_files(&self) -> Vec<(String, String)> {
        let parent = |code: &Code| self.category_parents.get(code).map(Code::to_string);
        let categories = self.items_of(ItemKind::Category).map(|category| {
            vec![
                category.code.to_string(),
                parent(&category.code).unwrap_or_default(),
            ]
        });
        let attributes = self.attributes.iter().map(|(code, attribute)| {
            vec![
                code.to_string(),
                attribute.group.to_string(),
                flag(attribute.localizable),
                flag(attribute.scopable),
            ]
        });
        let views = self.grid_views.iter();
        let views = views.map(|(code, groups)| vec![code.to_string(), list(groups)]);
        vec![
            self.codes("channels.csv", ItemKind::Channel),
            self.codes("locales.csv", ItemKind::Locale),
            file("categories.csv", "code;parent", categories),
            self.codes("attribute_groups.csv", ItemKind::AttributeGroup),
            file(
                "attributes.csv",
                "code;group;localizable;scopable",
                attributes,
            ),
            self.products("product_models.csv", "code", ProductKind::Model),
            self.products("products.csv", "sku", ProductKind::Product),
            self.codes("asset_families.csv", ItemKind::AssetFamily),
            self.codes("reference_entities.csv", ItemKind::ReferenceEntity),
            self.codes("import_profiles.csv", ItemKind::ImportProfile),
            self.codes("export_profiles.csv", ItemKind::ExportProfile),
            file("grid_views.csv", "code;attribute_groups", views),
        ]
    }

    fn codes(&self, name: &str, kind: ItemKind) -> (String, String) {
        let items = self.items_of(kind);
        file(name, "code", items.map(|item| vec![item.code.to_string()]))
    }

    fn products(&self, name: &str, key: &str, kind: ProductKind) -> (String, String) {
        let products = self.products.iter().filter(|(of, _)| of.kind == kind);
        let rows = products.map(|(of, product)| {
            let parent = product.parent.as_ref();
            vec![
                of.code.to_string(),
                list(&product.categories),
                parent.map(Code::to_string).unwrap_or_default(),
            ]
        });
        file(name, &format!("{key};categories;parent"), rows)
    }

    fn directory_files(&self) -> Vec<(String, String)> {
        let groups = self.groups.iter();
        let groups = groups.map(|code| vec![code.to_string(), code.to_string()]);
        let roles = self.roles.iter().map(|(code, role)| {
            let permissions = role.permissions.iter();
            let permissions: Vec<&str> = permissions
                .map(|id| CATALOGUE.permission(id).code)
                .collect();
            vec![
                code.to_string(),
                role.audience.to_string(),
                permissions.join(","),
            ]
        });
        let apps = self.apps.keys().map(|app| self.app_row(app));
        vec![
            file("user_groups.csv", "code;name", groups),
            file("user_roles.csv", "role;audience;permissions", roles),
            file(
                "users.csv",
                "username;groups;roles;enabled",
                self.users.iter().map(member_row),
            ),
            file(
                "connections.csv",
                "code;groups;roles;enabled",
                self.connections.iter().map(member_row),
            ),
            file(
                "apps.csv",
                "code;scopes;trees_own;trees_edit;trees_view;locales_edit;locales_view;\
                 attribute_groups_edit;attribute_groups_view",
                apps,
            ),
        ]
    }

    fn app_row(&self, app: &Code) -> Vec<String> {
        self.assert_that_the_wizard_could_leave(app);
        let scopes = self.apps[app].iter().map(|id| CATALOGUE.scope(id).code);
        let held = |kind, level| self.held_by_app(app, kind, level);
        vec![
            app.to_string(),
            scopes.collect::<Vec<_>>().join(","),
            held(ItemKind::Category, Level::Own),
            held(ItemKind::Category, Level::Edit),
            held(ItemKind::Category, Level::View),
            held(ItemKind::Locale, Level::Edit),
            held(ItemKind::Locale, Level::View),
            held(ItemKind::AttributeGroup, Level::Edit),
            held(ItemKind::AttributeGroup, Level::View),
        ]
    }

    /// Returns the items on which an app has exactly this level; only the roots
    /// for categories.
    fn held_by_app(&self, app: &Code, kind: ItemKind, level: Level) -> String {
        let group = Self::private_group(app);
        let held = self
            .items_of(kind)
            .filter(|item| !self.category_parents.contains_key(&item.code) || !is_category(item))
            .filter(|item| self.right(&group, item) == level);
        list(held.map(|item| &item.code))
    }

    fn assert_that_the_wizard_could_leave(&self, app: &Code) {
        let group = Self::private_group(app);
        for item in &self.items {
            let held = self.right(&group, item);
            let expected = match item.kind {
                ItemKind::Channel => Level::Edit,
                ItemKind::Category => {
                    let (kind, code) = (item.kind, self.root_of(&item.code));
                    self.right(&group, &ItemRef { kind, code })
                }
                ItemKind::Locale | ItemKind::AttributeGroup => held,
                ItemKind::AssetFamily
                | ItemKind::ReferenceEntity
                | ItemKind::ImportProfile
                | ItemKind::ExportProfile => Level::Hidden,
            };
            assert_eq!(held, expected, "the wizard cannot give `{app}` {item}");
        }
    }

    fn rights_files(&self) -> Vec<(String, String)> {
        RIGHTS_FILES
            .iter()
            .map(|(kinds, (name, header, levels))| {
                let items = kinds.iter().flat_map(|kind| self.items_of(*kind));
                file(
                    name,
                    header,
                    items.map(|item| self.rights_row(item, levels)),
                )
            })
            .collect()
    }

    /// Returns a row with the groups that have each column's level, as the PIM
    /// writes it: a group with a higher level is also named in the lower columns.
    fn rights_row(&self, item: &ItemRef, levels: &[Level]) -> Vec<String> {
        let holders = |level: &Level| {
            let groups = self.groups.iter();
            list(groups.filter(|group| self.right(group, item).allows(*level)))
        };
        let columns = levels.iter().map(holders);
        std::iter::once(item.code.to_string())
            .chain(columns)
            .collect()
    }
}

fn is_category(item: &ItemRef) -> bool {
    item.kind == ItemKind::Category
}

fn member_row((code, member): (&Code, &Member)) -> Vec<String> {
    vec![
        code.to_string(),
        list(&member.groups),
        list(&member.roles),
        flag(!member.disabled),
    ]
}

fn flag(is_set: bool) -> String {
    u8::from(is_set).to_string()
}

fn list<'a>(codes: impl IntoIterator<Item = &'a Code>) -> String {
    let codes: Vec<&str> = codes.into_iter().map(Code::as_str).collect();
    assert!(
        codes.iter().all(|code| !code.contains(',')),
        "a list cannot hold a code with a comma: {codes:?}"
    );
    codes.join(",")
}

fn file(name: &str, header: &str, rows: impl IntoIterator<Item = Vec<String>>) -> (String, String) {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .from_writer(Vec::new());
    writer.write_record(header.split(';')).unwrap();
    for row in rows {
        writer.write_record(row).unwrap();
    }
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    (name.to_owned(), text)
}
