//! The comparison of an import's rows with the change set, without I/O.
//!
//! Each row is checked and applied to a [`ChangeSet`] in memory, in the order of
//! the files, so that a row that refers to a rejected row does not find its
//! entity and is rejected as well.

use hashbrown::{HashMap, HashSet};

use crate::{
    admin::{
        change_set::ChangeSet,
        entry::{
            AccessEntry, AppEntry, Entry, ImportFile, KeyColumns, LevelColumn, Place, Refusal, Row,
        },
        error::AdminError,
        fault::{Fault, Refused},
        interned_names::Names,
        outcome::Prune,
        plan::{
            CategoryPlace, DefaultRights, Outcome, PermissionsStep, Planned, Planner,
            offered_scopes,
        },
        refusals::Report,
        work::Work,
    },
    domain::{
        CATALOGUE, CategoryPatch, ChannelPatch, Chosen, Code, GridViewPatch, ItemKind, Level,
        SelectionPatch, SubjectKind, SubjectPatch,
    },
};

use super::lists::Lists;

/// A compact row of an `*_accesses.csv` file: groups by number.
#[derive(Debug)]
pub(in crate::admin) struct AccessRow {
    pub(super) place: Place,
    pub(super) code: Code,
    pub(super) columns: Box<[NumberedColumn]>,
    /// The level of the absent column, which is preserved; [`Level::Hidden`] if
    /// no column is absent.
    pub(super) kept: Level,
}

/// The groups of one column, by the numbers of their names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NumberedColumn {
    pub(super) column: &'static str,
    pub(super) level: Level,
    pub(super) names: Box<[u32]>,
}

impl AccessRow {
    pub(in crate::admin) fn new(place: Place, entry: AccessEntry, names: &mut Names) -> Self {
        let AccessEntry {
            code,
            columns,
            kept,
        } = entry;
        let columns = columns.into_iter().map(|column| {
            let LevelColumn {
                column,
                level,
                groups,
            } = column;
            NumberedColumn {
                column,
                level,
                names: groups
                    .into_iter()
                    .map(|group| names.number(group))
                    .collect(),
            }
        });
        Self {
            place,
            code,
            columns: columns.collect(),
            kept,
        }
    }

    pub(in crate::admin) fn place(&self) -> Place {
        self.place
    }
}

/// The parsed content of an import, products excluded.
#[derive(Debug)]
pub(super) struct Input {
    /// In the order of file and line.
    pub(super) rows: Vec<Row>,
    /// In the order of file and line.
    pub(super) access: Vec<AccessRow>,
    /// The codes and labels that access rows name.
    pub(super) group_names: Names,
    /// The names of the files' key columns.
    pub(super) key_columns: KeyColumns,
}

/// The round in which moves of stored categories are rejected as well.
///
/// After rejections the remaining category rows are checked again: a stored
/// category whose row is rejected stays where it is, and may block another one.
/// Once no stored category moves, nothing can be blocked any more.
const MOST_CATEGORY_ROUNDS: u32 = 8;

/// The steps of work for a row, and for each name in it.
const STEPS_OF_A_ROW: usize = 50;
pub(super) const STEPS_OF_A_NAME: usize = 8;

/// One pass over the rows.
pub(super) struct RowPlanner<'a> {
    pub(super) planner: Planner<'a>,
    pub(super) report: &'a mut Report,
    pub(super) key_columns: &'a KeyColumns,
    /// Number of (group, item) rights that access rows list and that stay.
    pub(super) rights_unchanged: u64,
    /// The positions of rejected rows.
    pub(super) refused: HashSet<Place>,
    pub(super) work: &'a mut Work,
}

/// Applies every row to the change set; `pruning` is what to remove, of the kinds
/// of which files.
///
/// Rejections are added to the report. Returns the number of rights that are
/// listed and stay.
///
/// # Errors
///
/// [`AdminError::DeadlinePassed`] when the caller no longer waits.
pub(super) fn plan(
    change_set: &mut ChangeSet,
    report: &mut Report,
    input: &Input,
    pruning: (Prune, &[ImportFile]),
    actor: &str,
    work: &mut Work,
) -> Result<u64, AdminError> {
    let mut run = RowPlanner {
        planner: Planner::new(change_set),
        report,
        key_columns: &input.key_columns,
        rights_unchanged: 0,
        refused: HashSet::new(),
        work,
    };
    let (prune, files) = pruning;
    run.prune(prune, files, input);
    let rows = run.without_repetitions(&input.rows)?;
    let (apps, others): (Vec<&Row>, Vec<&Row>) = rows
        .iter()
        .copied()
        .partition(|row| row.place.file == ImportFile::Apps);
    run.carry_out_rows(&others)?;
    run.replace_rights(input)?;
    if prune != Prune::Nothing {
        run.planner.delete_stray_attributes();
    }
    run.prune_rights(prune, files, input);
    run.planner.give_defaults(DefaultRights::Given);
    // Apps change nothing that their selections refer to.
    let lists = (!apps.is_empty()).then(|| Lists::of(run.planner.change_set));
    for row in apps {
        if let (Entry::App(entry), Some(lists)) = (&row.entry, &lists) {
            let outcome = run.connect_app(row.place, entry, lists, actor);
            run.note(row.place, Some(&entry.code), outcome);
        }
    }
    run.note_carried_out(&rows);
    Ok(run.rights_unchanged)
}

impl RowPlanner<'_> {
    fn warn(&mut self, file: ImportFile, warnings: impl IntoIterator<Item = String>) {
        let report = self.report.known(file);
        for warning in warnings {
            report.warn(warning);
        }
    }

    /// Connects or re-authorizes an app, as the wizard would (rules 5).
    fn connect_app(
        &mut self,
        place: Place,
        entry: &AppEntry,
        lists: &Lists,
        actor: &str,
    ) -> Planned {
        let AppEntry {
            code,
            scopes,
            unknown_scopes,
            selections,
        } = entry;
        let edition = self.planner.change_set.edition;
        let (granted, ungranted) = offered_scopes(*scopes, edition);
        let owner = format!("app `{code}`");
        let unknown = unknown_scopes.warnings(&owner, "scope");
        let not_offered = ungranted.iter().map(|id| {
            let scope = CATALOGUE.scope(id).code;
            format!(
                "app `{code}`: scope `{scope}` is not offered in the {edition} edition; not granted"
            )
        });
        self.warn(place.file, unknown.into_iter().chain(not_offered));
        let change_set = &*self.planner.change_set;
        let resolved = selections.iter().map(|(column, patch)| {
            let chosen = match &patch.chosen {
                Chosen::All => Chosen::All,
                Chosen::Codes(codes) => {
                    Chosen::Codes(lists.items(change_set, patch.kind, column, codes)?)
                }
            };
            Ok((*column, SelectionPatch { chosen, ..*patch }))
        });
        let resolved = resolved.collect::<Result<Vec<_>, Fault>>()?;
        let step = PermissionsStep::of(granted, edition);
        let column = self.key_columns.of(place.file);
        let patches = resolved.iter().map(|(column, patch)| (*column, patch));
        let choice = self.planner.select(patches, step)?;
        self.planner
            .connect_app(column, code, granted, &choice, actor)
    }

    /// Records the outcome of a row. `key` is the key that it names, unless an
    /// earlier row names the same.
    pub(super) fn note(&mut self, place: Place, key: Option<&Code>, outcome: Planned) {
        let report = self.report.known(place.file);
        match outcome {
            Ok(Outcome::Created) => report.created += 1,
            Ok(Outcome::Changed) => report.changed += 1,
            Ok(Outcome::Unchanged) => report.unchanged += 1,
            Err(fault) => {
                self.refused.insert(place);
                self.report.refuse(Refusal {
                    file: place.file.to_string(),
                    line: place.line,
                    message: message(&fault.refused),
                    column: fault.field,
                    key: key.cloned(),
                });
            }
        }
    }

    /// Removes the keys of these rows from those left out, except for rejected
    /// rows.
    fn note_carried_out(&mut self, rows: &[&Row]) {
        for row in rows {
            if let Some((_, code)) = key_of(row)
                && !self.refused.contains(&row.place)
            {
                self.report.carried_out(row.place.file, code);
            }
        }
    }

    /// Returns the rows without those that repeat a key: identical repetitions
    /// are ignored, different ones are rejected.
    fn without_repetitions<'r>(&mut self, rows: &'r [Row]) -> Result<Vec<&'r Row>, AdminError> {
        let mut seen: HashMap<(ImportFile, &Code), &Row> = HashMap::new();
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            self.work.step(STEPS_OF_A_ROW)?;
            let Some(key) = key_of(row) else { continue };
            let Some(first) = seen.get(&key) else {
                seen.insert(key, row);
                kept.push(row);
                continue;
            };
            let outcome = if first.entry == row.entry {
                Ok(Outcome::Unchanged)
            } else {
                let column = self.key_columns.of(row.place.file);
                Err(repeated(column, key.1, first.place))
            };
            self.note(row.place, None, outcome);
        }
        Ok(kept)
    }

    fn carry_out_rows(&mut self, rows: &[&Row]) -> Result<(), AdminError> {
        let categories: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|row| row.place.file == ImportFile::Categories)
            .collect();
        let mut lists = Lists::of(self.planner.change_set);
        let mut at = ImportFile::UserGroups;
        let mut categories_done = false;
        for row in rows {
            self.work.step(STEPS_OF_A_ROW)?;
            let before = at;
            at = row.place.file;
            if at == ImportFile::Categories {
                continue;
            }
            if at > ImportFile::Categories && !categories_done {
                self.put_categories(&categories);
                categories_done = true;
            }
            if at != before {
                // Earlier rows may have created entities that this file refers
                // to.
                lists = Lists::of(self.planner.change_set);
            }
            let outcome = self.carry_out(row, &lists);
            let key = key_of(row).map(|(_, code)| code);
            self.note(row.place, key, outcome);
        }
        if !categories_done {
            self.put_categories(&categories);
        }
        Ok(())
    }

    fn carry_out(&mut self, row: &Row, lists: &Lists) -> Planned {
        let key = self.key_columns.of(row.place.file);
        let planner = &mut self.planner;
        match &row.entry {
            Entry::UserGroup(group) => match planner.put_group(key, group) {
                // A row for `All` changes nothing (`docs/import.md`).
                Err(Fault {
                    refused: Refused::GroupAllIsFixed,
                    ..
                }) => Ok(Outcome::Unchanged),
                outcome => outcome,
            },
            Entry::Role {
                role,
                unknown_permissions,
            } => {
                let outcome = planner.put_role(role);
                let code = &role.code;
                let unknown = unknown_permissions.warnings(&format!("role `{code}`"), "permission");
                self.warn(row.place.file, unknown);
                outcome
            }
            Entry::Subject(kind, subject) => put_subject(planner, *kind, subject, lists),
            Entry::Item(item) => planner.put_item(key, item.kind, &item.code),
            Entry::Channel(channel) => {
                let (kind, locales) = (ItemKind::Locale, channel.locales.as_deref());
                let locales = lists.items_given(planner.change_set, kind, "locales", locales)?;
                planner.put_channel(&ChannelPatch {
                    locales,
                    ..channel.clone()
                })
            }
            Entry::Attribute(attribute) => planner.put_attribute(attribute),
            Entry::GridView(view) => {
                let (kind, groups) = (ItemKind::AttributeGroup, view.attribute_groups.as_deref());
                let groups =
                    lists.items_given(planner.change_set, kind, "attribute_groups", groups)?;
                planner.put_grid_view(&GridViewPatch {
                    attribute_groups: groups,
                    ..view.clone()
                })
            }
            // These are handled elsewhere: all at once, or by SQL.
            Entry::Category(_) | Entry::Product { .. } | Entry::Access(_) | Entry::App(_) => {
                Ok(Outcome::Unchanged)
            }
        }
    }

    /// Applies all category rows at once: parents may come after children.
    fn put_categories(&mut self, rows: &[&Row]) {
        let requested = rows.iter().filter_map(|row| {
            let Entry::Category(CategoryPatch { code, parent }) = &row.entry else {
                return None;
            };
            let parent = match parent {
                Some(parent) => parent.clone(),
                None => self.planner.stored_parent(code),
            };
            Some((row.place, code, parent))
        });
        let requested: Vec<(Place, &Code, Option<Code>)> = requested.collect();
        let places = requested.iter().map(|(place, code, parent)| {
            let parent = parent.as_ref();
            (*place, CategoryPlace { code, parent })
        });
        let mut given: Vec<(Place, CategoryPlace<'_>)> = places.collect();
        for round in 1.. {
            let places = given.iter().map(|row| row.1);
            let mut refused = self.planner.refused_categories(places.clone());
            if refused.is_empty() {
                break;
            }
            if round >= MOST_CATEGORY_ROUNDS {
                self.planner.refuse_moves(places.clone(), &mut refused);
            }
            self.planner.refuse_categories_below(places, &mut refused);
            let mut at = 0;
            given.retain(|(place, category)| {
                let fault = refused.get(&at).cloned();
                at += 1;
                let stays = fault.is_none();
                if let Some(fault) = fault {
                    self.note(*place, Some(category.code), Err(fault));
                }
                stays
            });
        }
        let outcomes = self.planner.store_categories(given.iter().map(|row| row.1));
        for ((place, category), outcome) in given.iter().zip(outcomes) {
            self.note(*place, Some(category.code), Ok(outcome));
        }
    }
}

fn put_subject(
    planner: &mut Planner<'_>,
    kind: SubjectKind,
    patch: &SubjectPatch,
    lists: &Lists,
) -> Planned {
    let groups = patch.groups.as_ref();
    let groups = groups
        .map(|items| lists.groups.list("groups", items))
        .transpose()?;
    let roles = patch.roles.as_ref();
    let roles = roles
        .map(|items| lists.roles(planner.change_set, items))
        .transpose()?;
    planner.put_subject(kind, patch, groups, roles.as_deref())
}

/// Returns the message of a rejection, for a person who can correct the files.
pub(super) fn message(refused: &Refused) -> String {
    if let Refused::NotFound { entity, code } = refused {
        let entity = entity.words();
        return format!("{entity} `{code}` is neither stored nor defined by this import");
    }
    refused.to_string()
}

pub(super) fn repeated(column: &str, code: &Code, first: Place) -> Fault {
    let (file, line) = (first.file, first.line);
    Fault::invalid(
        column,
        format!(
            "`{code}` is on line {line} of `{file}` with other content; a key is there once, or identical"
        ),
    )
}

/// Returns the key of a row and its code space.
fn key_of(row: &Row) -> Option<(ImportFile, &Code)> {
    let code = row.entry.code();
    match &row.entry {
        Entry::Item(item) if item.kind.is_profile() => Some((ImportFile::ImportProfiles, code)),
        Entry::Product { .. } | Entry::Access(_) => None,
        Entry::UserGroup(_)
        | Entry::Role { .. }
        | Entry::Subject(..)
        | Entry::Item(_)
        | Entry::Category(_)
        | Entry::Channel(_)
        | Entry::Attribute(_)
        | Entry::GridView(_)
        | Entry::App(_) => Some((row.place.file, code)),
    }
}
