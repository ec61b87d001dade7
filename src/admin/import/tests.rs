use std::sync::Arc;

use strum::IntoEnumIterator as _;

use crate::{
    admin::{
        change_set::{ChangeSet, Table},
        effect_counter,
        entry::{
            AccessEntry, AppEntry, Entry, ImportFile, KeyColumns, LevelColumn, Place, Row,
            UnknownWords,
        },
        error::AdminError,
        interned_names::Names,
        outcome::Prune,
        refusals::Report,
        work::{Patience, Work},
    },
    domain::{
        Audience, CATALOGUE, Category, CategoryPatch, Chosen, Code, Edition, GroupId, Item, ItemId,
        ItemKind, Label, Level, PermissionSet, PlainItem, RequestedPermissions, RolePatch,
        ScopeSet, SelectionPatch, SubjectKind, SubjectPatch, UserGroup,
    },
    store::{ProductCounts, StoredEntities},
};

use super::rows::{AccessRow, Input, plan};

/// An import of a tenant, built row by row.
struct Importing {
    change_set: ChangeSet,
    input: Input,
    line: u64,
}

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

fn codes(text: &str) -> Vec<Code> {
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(code)
        .collect()
}

impl Importing {
    fn into(edition: Edition) -> Self {
        let mut stored = StoredEntities::default();
        let all = UserGroup {
            code: code("All"),
            label: Label::default(),
            private: false,
        };
        stored.groups.insert(GroupId::ALL, all);
        let mut key_columns = KeyColumns::default();
        ImportFile::iter().for_each(|file| key_columns.insert(file, "code".to_owned()));
        Self {
            change_set: ChangeSet::new(edition, 1, stored),
            input: Input {
                rows: Vec::new(),
                access: Vec::new(),
                group_names: Names::default(),
                key_columns,
            },
            line: 1,
        }
    }

    fn place(&mut self, file: ImportFile) -> Place {
        self.line += 1;
        Place {
            file,
            line: self.line,
        }
    }

    fn row(mut self, file: ImportFile, entry: Entry) -> Self {
        let place = self.place(file);
        self.input.rows.push(Row { place, entry });
        self
    }

    fn group(self, text: &str, label: &str) -> Self {
        let label = label.parse().unwrap();
        self.row(
            ImportFile::UserGroups,
            Entry::UserGroup(UserGroup {
                code: code(text),
                label,
                private: false,
            }),
        )
    }

    fn role(self, text: &str, audience: Audience, permissions: RequestedPermissions) -> Self {
        let role = RolePatch {
            code: code(text),
            label: None,
            audience: Some(audience),
            permissions: Some(permissions),
        };
        let entry = Entry::Role {
            role,
            unknown_permissions: UnknownWords::default(),
        };
        self.row(ImportFile::UserRoles, entry)
    }

    fn user(self, text: &str, roles: &str, groups: &str) -> Self {
        let user = SubjectPatch {
            code: code(text),
            roles: Some(codes(roles)),
            groups: Some(codes(groups)),
            enabled: None,
        };
        self.row(ImportFile::Users, Entry::Subject(SubjectKind::User, user))
    }

    fn locale(self, text: &str) -> Self {
        let kind = ItemKind::Locale;
        self.row(
            ImportFile::Locales,
            Entry::Item(PlainItem {
                kind,
                code: code(text),
            }),
        )
    }

    fn category(self, text: &str, parent: &str) -> Self {
        let parent = Some(codes(parent).pop());
        self.row(
            ImportFile::Categories,
            Entry::Category(CategoryPatch {
                code: code(text),
                parent,
            }),
        )
    }

    fn app(self, text: &str, scopes: &str, selections: &[(ItemKind, Level, Chosen)]) -> Self {
        let scope = |word: &str| CATALOGUE.find_scope(word).unwrap().id;
        let selection = |(kind, level, chosen): &(ItemKind, Level, Chosen)| {
            let patch = SelectionPatch {
                kind: *kind,
                level: *level,
                chosen: chosen.clone(),
            };
            ("cell", patch)
        };
        let entry = AppEntry {
            code: code(text),
            scopes: scopes.split(',').map(scope).collect::<ScopeSet>(),
            unknown_scopes: UnknownWords::default(),
            selections: selections.iter().map(selection).collect(),
        };
        self.row(ImportFile::Apps, Entry::App(entry))
    }

    fn locale_rights(mut self, text: &str, groups: &str) -> Self {
        let place = self.place(ImportFile::LocaleAccesses);
        let column = LevelColumn {
            column: "view_products",
            level: Level::View,
            groups: codes(groups),
        };
        let entry = AccessEntry {
            code: code(text),
            columns: vec![column],
            kept: Level::Hidden,
        };
        let row = AccessRow::new(place, entry, &mut self.input.group_names);
        self.input.access.push(row);
        self
    }

    /// Plans the import; returns the number of rights that stay.
    fn plan(&mut self, report: &mut Report, work: &mut Work) -> Result<u64, AdminError> {
        self.input.rows.sort_by_key(|row| row.place);
        let actor = "user:julia";
        let nothing = (Prune::Nothing, [].as_slice());
        plan(
            &mut self.change_set,
            report,
            &self.input,
            nothing,
            actor,
            work,
        )
    }

    /// Plans the import and returns the rejections as `line column: message`.
    fn refused(&mut self) -> Vec<String> {
        let mut report = Report::default();
        self.plan(&mut report, &mut Work::default()).unwrap();
        let refused = report.finish(Vec::new(), false).refused.into_iter();
        refused
            .map(|r| format!("{} {}: {}", r.line, r.column, r.message))
            .collect()
    }
}

fn permissions(codes: &[&str]) -> RequestedPermissions {
    let ids = codes
        .iter()
        .map(|code| CATALOGUE.find_permission(code).unwrap().id);
    RequestedPermissions::Only(ids.collect::<PermissionSet>())
}

#[test]
fn group_code_takes_precedence_over_label() {
    let mut importing = Importing::into(Edition::Enterprise)
        .group("a", "Editors")
        .group("editors", "Others")
        .group("b", "Twins")
        .group("c", "twins")
        .user("julia", "", "EDITORS,others")
        .user("mary", "", "Twins");
    assert_eq!(
        importing.refused(),
        ["7 groups: `Twins` is the label of 2 user groups; name the group by its code"]
    );
    let change_set = &importing.change_set;
    let julia = change_set
        .find_subject(SubjectKind::User, &code("julia"))
        .unwrap();
    let groups = change_set.subjects.get(julia).unwrap().groups.iter();
    let names: Vec<&str> = groups
        .map(|id| change_set.groups.get(*id).unwrap().code.as_str())
        .collect();
    assert_eq!(names, ["All", "editors"]);
}

#[test]
fn rule_1_4_private_app_groups_are_rejected() {
    let mut importing = Importing::into(Edition::Enterprise)
        .group("APP:mine", "")
        .group("all", "Everyone")
        .user("julia", "", "app:shop")
        .app("shop", "read_products", &[]);
    let refused = importing.refused();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused[0].contains("`APP:mine` is an app's own"),
        "{refused:?}"
    );
    assert!(
        refused[1].contains("`app:shop` is the private group of app `shop`"),
        "{refused:?}"
    );
}

#[test]
fn rule_2_4_and_2_5_audience_and_edition_limit_role_permissions() {
    let mut importing = Importing::into(Edition::Growth)
        .role(
            "every",
            Audience::Connection,
            RequestedPermissions::EveryAllowed,
        )
        .role("ui", Audience::Connection, permissions(&["product.list"]))
        .role("rules", Audience::User, permissions(&["rule.list"]))
        .user("julia", "every", "");
    let refused = importing.refused();
    let heads: Vec<&str> = refused
        .iter()
        .map(|text| text.split(':').next().unwrap())
        .collect();
    assert_eq!(heads, ["3 permissions", "4 permissions", "5 roles"]);
    let every = importing.change_set.roles.find(0, &code("every")).unwrap();
    let held = &importing.change_set.roles.get(every).unwrap().permissions;
    assert!(
        held.iter()
            .map(|id| CATALOGUE.permission(id))
            .all(|p| p.code.starts_with("api.") && !p.enterprise)
    );
}

#[test]
fn rule_5_6_rights_not_offered_by_the_wizard_are_rejected() {
    let cases = [
        // edition scopes kind level chosen, offered?
        ("enterprise read_products category view *", true),
        ("enterprise read_products category edit *", false),
        ("enterprise read_products locale edit -", true),
        ("enterprise write_products category own *", true),
        ("enterprise write_products locale own *", false),
        ("enterprise write_products category view child", false),
        ("enterprise read_categories category view *", false),
        ("growth read_products category view *", false),
    ];
    for (case, offered) in cases {
        let words: Vec<&str> = case.split(' ').collect();
        let chosen = match words[4] {
            "*" => Chosen::All,
            "-" => Chosen::Codes(Vec::new()),
            listed => Chosen::Codes(codes(listed)),
        };
        let selection = (words[2].parse().unwrap(), words[3].parse().unwrap(), chosen);
        let mut importing = Importing::into(words[0].parse().unwrap())
            .category("child", "master")
            .category("master", "")
            .app("shop", words[1], &[selection]);
        let refused = importing.refused();
        assert_eq!(refused.is_empty(), offered, "{case}: {refused:?}");
    }
}

/// A stored category, by its number.
fn stored_category(id: i32, text: &str, parent: Option<i32>) -> (ItemId, Item) {
    let category = Category {
        code: code(text),
        parent: parent.map(ItemId),
    };
    (ItemId(id), Item::Category(category))
}

#[test]
fn mutually_blocking_categories_are_rejected_in_few_rounds() {
    // `c0` is stored below `c1`, that below `c2` and so on. Whichever row is
    // rejected leaves a category where it closes the next loop.
    const CHAIN: i32 = 40;
    let mut importing = Importing::into(Edition::Enterprise)
        .category("other", "c0")
        .category("c0", "other");
    let stored = (0..CHAIN).map(|place| {
        let parent = (place + 1 < CHAIN).then_some(11 + place);
        stored_category(10 + place, &format!("c{place}"), parent)
    });
    let other = stored_category(9, "other", None);
    importing.change_set.items = Table::of(stored.chain([other]).collect());
    for place in 1..CHAIN {
        importing = importing.category(&format!("c{place}"), &format!("c{}", place - 1));
    }
    let refused = importing.refused();
    let loops = refused.iter().filter(|text| text.contains("below itself"));
    let others = refused.iter().filter(|text| text.contains("cannot move"));
    assert_eq!((loops.count(), others.count()), (9, 32), "{refused:#?}");
    assert_eq!(importing.change_set.items.changes().count(), 0);
}

#[test]
fn access_row_replaces_rights_and_errors_name_its_columns() {
    let mut importing = Importing::into(Edition::Enterprise)
        .group("a", "")
        .locale("en_US")
        .locale("fr_FR")
        .locale_rights("EN_us", "a")
        .locale_rights("en_US", "A")
        .locale_rights("en_US", "All")
        .locale_rights("fr_FR", "nobody")
        .locale_rights("nowhere", "a");
    let refused = importing.refused();
    let heads: Vec<&str> = refused
        .iter()
        .map(|text| text.split(':').next().unwrap())
        .collect();
    assert_eq!(
        heads,
        ["7 code", "8 view_products", "9 code"],
        "{refused:?}"
    );
    let change_set = &importing.change_set;
    let of = |text| {
        change_set
            .rights
            .of(change_set.find_item(ItemKind::Locale, &code(text)).unwrap())
    };
    let group = change_set.groups.find(0, &code("a")).unwrap();
    assert_eq!(of("en_US"), [(group, Level::View)]);
    assert_eq!(of("fr_FR"), [(GroupId::ALL, Level::Edit)]);
}

#[test]
fn import_stops_after_its_caller_left() {
    let work_of_nobody = || Work::new(Patience::of(None, &Arc::new(())));
    let is_ended = |planned: Result<u64, AdminError>| {
        assert!(matches!(planned, Err(AdminError::DeadlinePassed)));
    };
    let with_row = || Importing::into(Edition::Enterprise).group("Redactors", "");
    let with_rights = || Importing::into(Edition::Enterprise).locale_rights("en_US", "All");
    for mut import in [with_row(), with_rights()] {
        is_ended(import.plan(&mut Report::default(), &mut work_of_nobody()));
    }
    let mut planned = Importing::into(Edition::Enterprise)
        .locale("en_US")
        .locale_rights("en_US", "All");
    assert_eq!(planned.refused(), Vec::<String>::new());
    let counted = effect_counter::effect_of(
        &planned.change_set,
        &<[ProductCounts; 2]>::default(),
        false,
        &mut work_of_nobody(),
    );
    assert!(matches!(counted, Err(AdminError::DeadlinePassed)));
}
