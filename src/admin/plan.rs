//! What an import comes to: rows compared with the world, without I/O.
//!
//! Each row is checked and carried out on a [`World`] in memory, in the order
//! of the files, so that what refers to a refused row finds nothing and is
//! refused as well. What differs in the end is what is written.

mod apps;
mod catalog;
mod categories;
mod directory;
mod guards;
mod names;
mod rights;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::{Code, ItemKind, Level};

use super::{
    entry::{AccessTarget, Entry, GroupLevel, ImportFile, Place, Refusal, Row},
    error::AdminError,
    refusals::Report,
    staging::Names,
    world::World,
};

use self::names::GroupNames;

/// A row of an `*_accesses.csv` file, kept small: groups by number.
#[derive(Debug)]
pub(super) struct AccessRow {
    place: Place,
    target: AccessTarget,
    code: Code,
    /// Group, level, and the place in `columns` of the one that names it.
    levels: Box<[(u32, Level, u8)]>,
    columns: Box<[&'static str]>,
}

impl AccessRow {
    pub(super) fn new(
        place: Place,
        target: AccessTarget,
        code: Code,
        levels: Vec<GroupLevel>,
        names: &mut Names,
    ) -> Self {
        let mut columns: Vec<&'static str> = Vec::new();
        let mut highest: BTreeMap<u32, (Level, u8)> = BTreeMap::new();
        for GroupLevel {
            group,
            level,
            column,
        } in levels
        {
            if !columns.contains(&column) {
                columns.push(column);
            }
            let at = columns.iter().position(|known| *known == column);
            let at = at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
            let held = highest
                .entry(names.number(group))
                .or_insert((Level::Hidden, at));
            held.0 = held.0.or(level);
        }
        Self {
            place,
            target,
            code,
            levels: highest
                .into_iter()
                .map(|(group, (level, column))| (group, level, column))
                .collect(),
            columns: columns.into(),
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    fn is_same_as(&self, other: &Self) -> bool {
        let levels = |row: &Self| -> Vec<(u32, Level)> {
            let levels = row.levels.iter();
            levels.map(|(group, level, _)| (*group, *level)).collect()
        };
        self.target == other.target && self.code == other.code && levels(self) == levels(other)
    }

    fn column(&self, place: u8) -> &'static str {
        let column = self.columns.get(usize::from(place));
        column.copied().unwrap_or_default()
    }
}

/// What an import says, products aside.
#[derive(Debug)]
pub(super) struct Input {
    /// In the order of file and line.
    pub(super) rows: Vec<Row>,
    /// In the order of file and line.
    pub(super) access: Vec<AccessRow>,
    /// The codes and labels that access rows name.
    pub(super) group_names: Names,
}

/// What a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It defines something new.
    Created,
    /// It changes something stored.
    Changed,
    /// It says what is stored already.
    Unchanged,
}

impl Outcome {
    fn of_change(different: bool) -> Self {
        if different {
            Self::Changed
        } else {
            Self::Unchanged
        }
    }
}

/// Why a row is refused: the column, and what was wrong and is allowed.
#[derive(Debug)]
struct Bad {
    column: &'static str,
    message: String,
}

fn bad(column: &'static str, message: String) -> Bad {
    Bad { column, message }
}

type RowOutcome = Result<Outcome, Bad>;

/// A run over the rows.
struct Planner<'a> {
    world: &'a mut World,
    report: &'a mut Report,
    /// Rights that access rows named and that stay: (group, item) pairs.
    rights_unchanged: u64,
    /// Items that came with this import, in the order they came.
    new_items: Vec<i32>,
    /// New items that an access row speaks for.
    spoken_for: BTreeSet<i32>,
}

/// Carries out every row on the world. What is refused is in the report; the
/// answer is how many rights were named and stay.
///
/// # Errors
///
/// [`AdminError::LockOutGuard`] (rules 2.6), [`AdminError::AppLimit`]
/// (rules 5.2).
pub(super) fn plan(
    world: &mut World,
    report: &mut Report,
    input: &Input,
    actor: &str,
) -> Result<u64, AdminError> {
    let before = guards::Before::of(world);
    let mut planner = Planner {
        world,
        report,
        rights_unchanged: 0,
        new_items: Vec::new(),
        spoken_for: BTreeSet::new(),
    };
    let rows = planner.without_repetitions(&input.rows);
    let (apps, others): (Vec<&Row>, Vec<&Row>) = rows
        .into_iter()
        .partition(|row| row.place.file == ImportFile::Apps);
    planner.carry_out_rows(&others);
    planner.replace_rights(input);
    planner.give_defaults();
    for row in apps {
        if let Entry::App(entry) = &row.entry {
            let outcome = planner.connect_app(row.place, entry, actor);
            planner.note(row.place, outcome);
        }
    }
    let unchanged = planner.rights_unchanged;
    before.judge(world)?;
    Ok(unchanged)
}

impl Planner<'_> {
    fn note(&mut self, place: Place, outcome: RowOutcome) {
        let report = self.report.known(place.file);
        match outcome {
            Ok(Outcome::Created) => report.created += 1,
            Ok(Outcome::Changed) => report.changed += 1,
            Ok(Outcome::Unchanged) => report.unchanged += 1,
            Err(Bad { column, message }) => self.report.refuse(Refusal {
                file: place.file.to_string(),
                line: place.line,
                column: column.to_owned(),
                message,
            }),
        }
    }

    /// The rows but those that repeat a key: word for word is fine, with other
    /// content is refused.
    fn without_repetitions<'r>(&mut self, rows: &'r [Row]) -> Vec<&'r Row> {
        let mut seen: HashMap<(ImportFile, &Code), &Row> = HashMap::new();
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(key) = key_of(row) else { continue };
            let Some(first) = seen.get(&key) else {
                seen.insert(key, row);
                kept.push(row);
                continue;
            };
            let outcome = if first.entry == row.entry {
                Ok(Outcome::Unchanged)
            } else {
                Err(repeated(row.place.key_column, key.1, first.place))
            };
            self.note(row.place, outcome);
        }
        kept
    }

    fn carry_out_rows(&mut self, rows: &[&Row]) {
        let categories: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|row| row.place.file == ImportFile::Categories)
            .collect();
        let mut groups = GroupNames::of(self.world);
        let mut at = ImportFile::UserGroups;
        let mut categories_done = false;
        for row in rows {
            if at == ImportFile::UserGroups && row.place.file != at {
                groups = GroupNames::of(self.world);
            }
            at = row.place.file;
            if at == ImportFile::Categories {
                continue;
            }
            if at > ImportFile::Categories && !categories_done {
                self.put_categories(&categories);
                categories_done = true;
            }
            let outcome = self.carry_out(row, &groups);
            self.note(row.place, outcome);
        }
        if !categories_done {
            self.put_categories(&categories);
        }
    }

    fn carry_out(&mut self, row: &Row, groups: &GroupNames) -> RowOutcome {
        let key = row.place.key_column;
        match &row.entry {
            Entry::UserGroup { code, label } => self.put_group(key, code, label),
            Entry::Role {
                code,
                label,
                audience,
                permissions,
            } => self.put_role(code, label.as_deref(), *audience, *permissions),
            Entry::User(entry) => self.put_user(entry, groups),
            Entry::Connection(entry) => self.put_connection(entry, groups),
            Entry::Item { kind, code } => self.put_item(key, *kind, code),
            Entry::Channel {
                code,
                tree,
                locales,
            } => self.put_channel(code, tree.as_ref(), locales.as_deref()),
            Entry::Attribute {
                code,
                group,
                scopable,
                localizable,
            } => self.put_attribute(code, group, *scopable, *localizable),
            Entry::GridView {
                code,
                attribute_groups,
            } => self.put_grid_view(code, attribute_groups.as_deref()),
            // These are taken elsewhere: all at once, or by SQL.
            Entry::Category { .. } | Entry::Product(_) | Entry::Access { .. } | Entry::App(_) => {
                Ok(Outcome::Unchanged)
            }
        }
    }
}

fn repeated(column: &'static str, code: &Code, first: Place) -> Bad {
    let (file, line) = (first.file, first.line);
    bad(
        column,
        format!(
            "`{code}` is on line {line} of `{file}` with other content; a key is there once, or identical"
        ),
    )
}

/// The key of a row and the code space it is of.
fn key_of(row: &Row) -> Option<(ImportFile, &Code)> {
    let file = row.place.file;
    match &row.entry {
        Entry::Item { kind, code } if kind.is_profile() => Some((ImportFile::ImportProfiles, code)),
        Entry::UserGroup { code, .. }
        | Entry::Role { code, .. }
        | Entry::Item { code, .. }
        | Entry::Category { code, .. }
        | Entry::Channel { code, .. }
        | Entry::Attribute { code, .. }
        | Entry::GridView { code, .. } => Some((file, code)),
        Entry::User(entry) | Entry::Connection(entry) => Some((file, &entry.code)),
        Entry::App(entry) => Some((file, &entry.code)),
        Entry::Product(_) | Entry::Access { .. } => None,
    }
}

/// What people call a kind of item.
fn noun(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Category => "category",
        ItemKind::Channel => "channel",
        ItemKind::Locale => "locale",
        ItemKind::AttributeGroup => "attribute group",
        ItemKind::AssetFamily => "asset family",
        ItemKind::ReferenceEntity => "reference entity",
        ItemKind::ImportProfile => "import profile",
        ItemKind::ExportProfile => "export profile",
    }
}

fn unknown(column: &'static str, noun: &str, code: &Code) -> Bad {
    bad(
        column,
        format!("{noun} `{code}` is neither stored nor defined by this import"),
    )
}
