use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::entry::{AppEntry, AppSelection, Chosen, Place},
    domain::{CATALOGUE, Code, ItemKind, Level, ScopeSet, SubjectKind},
    store::{AppRow, GroupRow, Selection, SelectionAxis, SubjectRow},
};

use super::{Bad, Outcome, Planner, RowOutcome, bad, noun, rights::axis_of, unknown};

/// What the permissions step offers (rules 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PermissionsStep {
    /// It is not asked.
    NotAsked,
    /// The highest level that it offers.
    UpTo(Level),
}

impl Planner<'_> {
    /// Connects an app, or authorizes it again, as the wizard would (rules 5).
    pub(super) fn connect_app(
        &mut self,
        place: Place,
        entry: &AppEntry,
        actor: &str,
    ) -> RowOutcome {
        let scopes = self.granted_scopes(place, entry);
        let step = self.permissions_step(scopes);
        let selections = self.selections(entry, step)?;
        let (subject, group, outcome) = self.app_subject(entry, place.key_column)?;
        let old = self.world.apps.get(&subject).cloned();
        let selections = match (step, &old) {
            // Rights of an app that is not asked about them stay (rules 5.8).
            (PermissionsStep::NotAsked, Some(old)) => old.selections.clone(),
            (PermissionsStep::NotAsked | PermissionsStep::UpTo(_), _) => selections,
        };
        let later_channels = old.as_ref().is_none_or(|old| old.later_channels);
        let app = AppRow {
            group,
            connected_by: old
                .as_ref()
                .map_or_else(|| actor.to_owned(), |old| old.connected_by.clone()),
            later_channels,
            scopes,
            selections,
        };
        let mut different = old.as_ref() != Some(&app);
        if old.is_none() || step != PermissionsStep::NotAsked {
            different |= self.give_app_rights(&app);
        }
        self.world.put_app(subject, app);
        Ok(match outcome {
            Outcome::Created => Outcome::Created,
            Outcome::Changed | Outcome::Unchanged => Outcome::of_change(different),
        })
    }

    /// The scopes that are granted; the others are a warning (rules 5.3).
    fn granted_scopes(&mut self, place: Place, entry: &AppEntry) -> ScopeSet {
        let edition = self.world.edition;
        let app = &entry.code;
        let mut warnings: Vec<String> = Vec::new();
        for word in &entry.unknown_scopes {
            warnings.push(format!("app `{app}`: `{word}` is not a scope; not granted"));
        }
        let mut granted = ScopeSet::default();
        for scope in entry.scopes.iter().map(|id| CATALOGUE.scope(id)) {
            if scope.is_offered_in(edition) {
                granted.insert(scope.id);
            } else {
                warnings.push(format!(
                    "app `{app}`: scope `{}` is not offered in the {edition} edition; not granted",
                    scope.code
                ));
            }
        }
        self.report.known(place.file).warnings.extend(warnings);
        granted
    }

    fn permissions_step(&self, scopes: ScopeSet) -> PermissionsStep {
        let held = CATALOGUE.with_implied_scopes(scopes);
        let holds = |code: &str| {
            CATALOGUE
                .find_scope(code)
                .is_some_and(|scope| held.contains(scope.id))
        };
        if !self.world.edition.is_enterprise() || !holds("read_products") {
            return PermissionsStep::NotAsked;
        }
        PermissionsStep::UpTo(if holds("write_products") {
            Level::Own
        } else {
            Level::View
        })
    }

    fn selections(
        &self,
        entry: &AppEntry,
        step: PermissionsStep,
    ) -> Result<BTreeSet<Selection>, Bad> {
        let mut chosen = BTreeSet::new();
        for selection in &entry.selections {
            let AppSelection {
                kind,
                level,
                column,
                chosen: choice,
            } = selection;
            if *choice == Chosen::Codes(Vec::new()) {
                continue;
            }
            match step {
                PermissionsStep::NotAsked => {
                    let message = "the permissions step is asked in the enterprise edition for an app with a products scope only; leave the cell empty";
                    return Err(bad(column, message.to_owned()));
                }
                PermissionsStep::UpTo(highest) if !highest.allows(*level) => {
                    let message =
                        format!("read-only products scopes are offered `view` only, not `{level}`");
                    return Err(bad(column, message));
                }
                PermissionsStep::UpTo(_) => {}
            }
            let Some(axis) =
                axis_of(*kind).filter(|axis| *axis == SelectionAxis::Tree || *level != Level::Own)
            else {
                let message = format!(
                    "`{level}` cannot be given on a {}; `view` and `edit` can",
                    noun(*kind)
                );
                return Err(bad(column, message));
            };
            let level = level.bits();
            match choice {
                Chosen::All => {
                    chosen.insert(Selection {
                        axis,
                        level,
                        item: None,
                    });
                }
                Chosen::Codes(codes) => {
                    for code in codes {
                        let item = Some(self.choosable(*kind, column, code)?);
                        chosen.insert(Selection { axis, level, item });
                    }
                }
            }
        }
        Ok(chosen)
    }

    fn choosable(&self, kind: ItemKind, column: &'static str, code: &Code) -> Result<i32, Bad> {
        let id = self
            .world
            .find_item(kind, code)
            .ok_or_else(|| unknown(column, noun(kind), code))?;
        if self
            .world
            .items
            .get(id)
            .is_some_and(|item| item.parent.is_some())
        {
            return Err(bad(
                column,
                format!(
                    "category `{code}` is not the root of a tree; rights are given on whole trees"
                ),
            ));
        }
        Ok(id)
    }

    /// The app's subject and private group; made if they are not there.
    fn app_subject(
        &mut self,
        entry: &AppEntry,
        column: &'static str,
    ) -> Result<(i32, i32, Outcome), Bad> {
        if let Some(id) = self.world.find_subject(SubjectKind::App, &entry.code)
            && let Some(app) = self.world.apps.get(&id)
        {
            return Ok((id, app.group, Outcome::Unchanged));
        }
        let name = format!("app:{}", entry.code);
        let code: Code = name
            .parse()
            .map_err(|error| bad(column, format!("the code of its group, `{name}`, {error}")))?;
        let group = self.world.next_id();
        let label = String::new();
        self.world.groups.insert(
            group,
            GroupRow {
                code,
                label,
                private: true,
            },
        );
        let subject = self.world.next_id();
        let row = SubjectRow {
            code: entry.code.clone(),
            kind: SubjectKind::App,
            enabled: true,
            roles: BTreeSet::new(),
            groups: BTreeSet::from([group]),
        };
        self.world.subjects.insert(subject, row);
        Ok((subject, group, Outcome::Created))
    }

    /// Makes the rights of the app's group what was chosen; channels are given
    /// while they are the app's own (rules 5.7). Whether any is different.
    fn give_app_rights(&mut self, app: &AppRow) -> bool {
        let mut chosen: BTreeMap<(SelectionAxis, Option<i32>), Level> = BTreeMap::new();
        for selection in &app.selections {
            let held = chosen.entry((selection.axis, selection.item)).or_default();
            *held = held.or(Level::from_bits(selection.level));
        }
        let rows = self.world.items.iter().map(|(id, item)| (id, item.kind));
        let items: Vec<(i32, ItemKind)> = rows.collect();
        let mut different = false;
        for (id, kind) in items {
            let level = match kind {
                ItemKind::Channel if app.later_channels => Level::Edit,
                kind => {
                    let Some(axis) = axis_of(kind) else { continue };
                    let chosen_at = if kind == ItemKind::Category {
                        self.world.root_of(id)
                    } else {
                        id
                    };
                    let of = |item| chosen.get(&(axis, item)).copied().unwrap_or_default();
                    // `all` wins over a list: per level, so the highest of both.
                    of(None).or(of(Some(chosen_at)))
                }
            };
            let held = self
                .world
                .rights
                .of(id)
                .iter()
                .find(|(group, _)| *group == app.group);
            let held = held.map_or(Level::Hidden, |(_, level)| *level);
            if held != level {
                different = true;
                self.world.rights.set(id, app.group, level);
            }
        }
        different
    }
}
