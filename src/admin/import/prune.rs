use std::collections::BTreeSet;

use hashbrown::HashSet;

use crate::{
    admin::{
        coded_kind::CodedKind,
        entry::{Entry, ImportFile, Row},
        outcome::Prune,
        plan::Cascade,
    },
    domain::{Code, ItemId, ItemKind, SubjectKind},
};

use super::rows::{Input, RowPlanner};

/// The kinds in the order of pruning: referring ones before those that they refer
/// to.
const KINDS: [CodedKind; 15] = [
    CodedKind::Subjects(SubjectKind::App),
    CodedKind::Subjects(SubjectKind::User),
    CodedKind::Subjects(SubjectKind::Connection),
    CodedKind::UserGroups,
    CodedKind::Roles,
    CodedKind::GridViews,
    CodedKind::Attributes,
    CodedKind::Items(ItemKind::AttributeGroup),
    CodedKind::Items(ItemKind::Channel),
    CodedKind::Items(ItemKind::Locale),
    CodedKind::Items(ItemKind::Category),
    CodedKind::Items(ItemKind::AssetFamily),
    CodedKind::Items(ItemKind::ReferenceEntity),
    CodedKind::Items(ItemKind::ImportProfile),
    CodedKind::Items(ItemKind::ExportProfile),
];

impl CodedKind {
    /// Returns the files that list the entities of this kind, and what messages call
    /// them.
    fn listed_in(self) -> (&'static [ImportFile], &'static str) {
        use ImportFile as F;
        match self {
            Self::Subjects(SubjectKind::App) => (&[F::Apps], "apps"),
            Self::Subjects(SubjectKind::User) => (&[F::Users], "users"),
            Self::Subjects(SubjectKind::Connection) => (&[F::Connections], "connections"),
            Self::UserGroups => (&[F::UserGroups], "user groups"),
            Self::Roles => (&[F::UserRoles], "roles"),
            Self::GridViews => (&[F::GridViews], "grid views"),
            Self::Attributes => (&[F::Attributes], "attributes"),
            Self::Items(kind) => match kind {
                ItemKind::AttributeGroup => (&[F::AttributeGroups], "attribute groups"),
                ItemKind::Channel => (&[F::Channels], "channels"),
                ItemKind::Locale => (&[F::Locales], "locales"),
                ItemKind::Category => (&[F::Categories], "categories"),
                ItemKind::AssetFamily => (&[F::AssetFamilies], "asset families"),
                ItemKind::ReferenceEntity => (&[F::ReferenceEntities], "reference entities"),
                ItemKind::ImportProfile => {
                    (&[F::ImportProfiles, F::JobProfiles], "import profiles")
                }
                ItemKind::ExportProfile => {
                    (&[F::ExportProfiles, F::JobProfiles], "export profiles")
                }
            },
        }
    }

    /// Returns the files of entities that would be deleted as well: a rejected
    /// row in one of them prevents the pruning.
    fn referring(self) -> &'static [ImportFile] {
        if self == Self::Items(ItemKind::AttributeGroup) {
            return &[ImportFile::Attributes];
        }
        &[]
    }

    /// Returns the code that a row names of this kind.
    fn named_by(self, entry: &Entry) -> Option<&Code> {
        let is_of_kind = match (self, entry) {
            (Self::UserGroups, Entry::UserGroup(_))
            | (Self::Roles, Entry::Role { .. })
            | (Self::Attributes, Entry::Attribute(_))
            | (Self::GridViews, Entry::GridView(_))
            | (Self::Items(ItemKind::Category), Entry::Category(_))
            | (Self::Items(ItemKind::Channel), Entry::Channel(_))
            | (Self::Subjects(SubjectKind::App), Entry::App(_)) => true,
            (Self::Subjects(kind), Entry::Subject(of, _)) => kind == *of,
            (Self::Items(kind), Entry::Item(item)) => kind == item.kind,
            (_, _) => false,
        };
        is_of_kind.then(|| entry.code())
    }
}

/// True if the share to remove needs confirmation: more than a fifth.
pub(super) fn is_too_much(gone: u64, of: u64) -> bool {
    gone.saturating_mul(5) > of
}

/// Returns the message for a kind that is not pruned.
pub(super) fn too_much(entity: &str, gone: u64, of: u64) -> String {
    format!(
        "{gone} of {of} {entity} are not named here and would be removed, more than a fifth; set `prune_all` if that is meant"
    )
}

impl RowPlanner<'_> {
    /// Removes what the files in the import do not list (`docs/import.md`). Runs
    /// before the rows, so that a row that refers to a removed entity is
    /// rejected.
    pub(super) fn prune(&mut self, prune: Prune, files: &[ImportFile], input: &Input) {
        if prune == Prune::Nothing {
            return;
        }
        let attributes = input.rows.iter();
        let attributes = attributes.filter_map(|row| CodedKind::Attributes.named_by(&row.entry));
        self.planner
            .exempt_attributes(attributes.cloned().collect());
        for what in KINDS {
            let (listing, _) = what.listed_in();
            let present = listing.iter().find(|file| files.contains(*file));
            if let Some(file) = present
                && self.report.may_prune(listing)
                && self.report.may_prune(what.referring())
            {
                self.prune_kind(prune, *file, what, &input.rows);
            }
        }
    }

    fn prune_kind(&mut self, prune: Prune, file: ImportFile, what: CodedKind, rows: &[Row]) {
        let named: HashSet<&Code> = rows
            .iter()
            .filter_map(|row| what.named_by(&row.entry))
            .collect();
        let stored = self.stored(what);
        let gone: Vec<Code> = stored
            .iter()
            .filter(|code| !named.contains(code))
            .cloned()
            .collect();
        let count = |codes: &[Code]| u64::try_from(codes.len()).unwrap_or(u64::MAX);
        let (removed, of) = (count(&gone), count(&stored));
        if prune == Prune::UpToAFifth && is_too_much(removed, of) {
            let (_, entities) = what.listed_in();
            let message = too_much(entities, removed, of);
            self.report.refuse_whole(file, message);
            return;
        }
        self.report.known(file).removed += removed;
        self.remove(what, &gone, &named);
    }

    /// Returns the stored codes of a kind, except `All` and the private groups of
    /// apps, which are deleted only with their tenant or app.
    fn stored(&self, what: CodedKind) -> Vec<Code> {
        let change_set = &*self.planner.change_set;
        let all = change_set.all_group();
        let mut codes: Vec<Code> = match what {
            CodedKind::UserGroups => {
                let groups = change_set.groups.iter();
                let groups = groups.filter(|(id, group)| !group.private && Some(*id) != all);
                groups.map(|(_, group)| group.code.clone()).collect()
            }
            CodedKind::Roles => change_set.roles.codes().collect(),
            CodedKind::Attributes => change_set.attributes.codes().collect(),
            CodedKind::GridViews => change_set.grid_views.codes().collect(),
            CodedKind::Items(kind) => {
                let items = change_set.items_of(kind);
                items.map(|(_, item)| item.code().clone()).collect()
            }
            CodedKind::Subjects(kind) => {
                let subjects = change_set.subjects.values();
                let subjects = subjects.filter(|subject| subject.kind == kind);
                subjects.map(|subject| subject.code.clone()).collect()
            }
        };
        codes.sort();
        codes
    }

    fn remove(&mut self, what: CodedKind, gone: &[Code], named: &HashSet<&Code>) {
        if let CodedKind::Items(ItemKind::Category) = what {
            self.remove_categories(gone, named);
            return;
        }
        for code in gone {
            let removed = self.planner.delete(what, code, Cascade::Delete);
            debug_assert!(removed.is_ok(), "what is stored can be found");
        }
        self.planner.end_deletions();
    }

    /// Removes exactly the categories in `gone`: a listed category below a
    /// removed one gets its new place from its row.
    fn remove_categories(&mut self, gone: &[Code], named: &HashSet<&Code>) {
        let change_set = &mut *self.planner.change_set;
        let find = |code| change_set.find_item(ItemKind::Category, code);
        let gone: BTreeSet<ItemId> = gone.iter().filter_map(find).collect();
        let moved: Vec<ItemId> = named.iter().filter_map(|code| find(code)).collect();
        for id in moved {
            change_set.items.change(id, |category| {
                let parent = category.parent().filter(|parent| !gone.contains(parent));
                category.move_below(parent);
            });
        }
        self.planner.delete_categories(&gone);
    }
}
