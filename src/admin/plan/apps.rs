use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::{entry::Chosen, fault::Fault},
    domain::{
        CATALOGUE, Code, Edition, ItemKind, Level, Noun, ScopeId, ScopeSet, SubjectKind, inherit,
    },
    store::{AppRow, GroupRow, Selection, SelectionAxis, SubjectRow},
};

use super::{Outcome, Planned, Planner, defaults::axis_of};

/// What the permissions step offers (rules 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum PermissionsStep {
    /// It is not asked.
    NotAsked,
    /// The highest level that it offers.
    UpTo(Level),
}

impl PermissionsStep {
    /// The step of an app with these scopes, in a tenant of this edition.
    pub(in crate::admin) fn of(scopes: ScopeSet, edition: Edition) -> Self {
        let held = CATALOGUE.with_implied_scopes(scopes);
        let holds = |code: &str| {
            CATALOGUE
                .find_scope(code)
                .is_some_and(|scope| held.contains(scope.id))
        };
        if !edition.is_enterprise() || !holds("read_products") {
            return Self::NotAsked;
        }
        Self::UpTo(if holds("write_products") {
            Level::Own
        } else {
            Level::View
        })
    }
}

/// What is chosen of one kind of item at one level.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct AppRight<'a> {
    /// `Category` for trees, `Locale` or `AttributeGroup`.
    pub(in crate::admin) kind: ItemKind,
    pub(in crate::admin) level: Level,
    /// The field or column that says it.
    pub(in crate::admin) field: &'a str,
    pub(in crate::admin) chosen: &'a Chosen,
}

/// The scopes asked for that are granted in an edition; the others as a second
/// set (rules 5.3).
pub(in crate::admin) fn offered_scopes(asked: ScopeSet, edition: Edition) -> (ScopeSet, ScopeSet) {
    let is_offered = |id: &ScopeId| CATALOGUE.scope(*id).is_offered_in(edition);
    let (granted, ungranted): (Vec<_>, Vec<_>) = asked.iter().partition(is_offered);
    (
        granted.into_iter().collect(),
        ungranted.into_iter().collect(),
    )
}

impl Planner<'_> {
    /// What the permissions step comes to, if it may be so (rules 5.6).
    pub(in crate::admin) fn select<'r>(
        &self,
        rights: impl Iterator<Item = AppRight<'r>>,
        step: PermissionsStep,
    ) -> Result<BTreeSet<Selection>, Fault> {
        let mut selections = BTreeSet::new();
        for right in rights {
            if *right.chosen == Chosen::Codes(Vec::new()) {
                continue;
            }
            let axis = offered_axis(right, step)?;
            let level = right.level.bits();
            match right.chosen {
                Chosen::All => {
                    selections.insert(Selection {
                        axis,
                        level,
                        item: None,
                    });
                }
                Chosen::Codes(codes) => {
                    for code in codes {
                        let item = Some(self.choosable(right.kind, right.field, code)?);
                        selections.insert(Selection { axis, level, item });
                    }
                }
            }
        }
        Ok(selections)
    }

    fn choosable(&self, kind: ItemKind, field: &str, code: &Code) -> Result<i32, Fault> {
        let id = self.item(field, kind, code)?;
        let item = self.world.items.get(id);
        if item.is_some_and(|item| item.parent.is_some()) {
            let message = format!(
                "category `{code}` is not the root of a tree; rights are given on whole trees"
            );
            return Err(Fault::invalid(field, message));
        }
        Ok(id)
    }

    /// Connects an app, or authorizes it again (rules 5.8); `selections` count
    /// only where the permissions step is asked.
    pub(in crate::admin) fn connect_app(
        &mut self,
        field: &str,
        code: &Code,
        scopes: ScopeSet,
        selections: BTreeSet<Selection>,
        actor: &str,
    ) -> Planned {
        let step = PermissionsStep::of(scopes, self.world.edition);
        let (subject, group, outcome) = self.app_subject(field, code)?;
        let old = self.world.apps.get(&subject).cloned();
        let selections = match (step, &old) {
            // Rights of an app that is not asked about them stay (rules 5.8).
            (PermissionsStep::NotAsked, Some(old)) => old.selections.clone(),
            (PermissionsStep::NotAsked | PermissionsStep::UpTo(_), _) => selections,
        };
        let app = AppRow {
            group,
            connected_by: old
                .as_ref()
                .map_or_else(|| actor.to_owned(), |old| old.connected_by.clone()),
            later_channels: old.as_ref().is_none_or(|old| old.later_channels),
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

    /// Sets the scopes of a connected app, its rights untouched.
    pub(in crate::admin) fn set_scopes(&mut self, subject: i32, scopes: ScopeSet) -> Outcome {
        let Some(app) = self.world.apps.get(&subject) else {
            return Outcome::Unchanged;
        };
        let mut app = app.clone();
        let different = app.scopes != scopes;
        app.scopes = scopes;
        if different {
            self.world.put_app(subject, app);
        }
        Outcome::of_change(different)
    }

    /// A connected app: the number of its subject.
    pub(in crate::admin) fn connected_app(&self, code: &Code) -> Option<i32> {
        let id = self.world.find_subject(SubjectKind::App, code)?;
        self.world.apps.contains_key(&id).then_some(id)
    }

    /// The app's subject and private group; made if they are not there.
    fn app_subject(&mut self, field: &str, app: &Code) -> Result<(i32, i32, Outcome), Fault> {
        if let Some(id) = self.connected_app(app)
            && let Some(stored) = self.world.apps.get(&id)
        {
            return Ok((id, stored.group, Outcome::Unchanged));
        }
        let name = format!("app:{app}");
        let parsed = name.parse();
        let code: Code = parsed.map_err(|error| {
            Fault::invalid(field, format!("the code of its group, `{name}`, {error}"))
        })?;
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
            code: app.clone(),
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
        let above = |id| self.world.items.get(id)?.parent;
        let ids = items.iter().map(|(id, _)| *id);
        // The root of anything but a category is itself.
        let roots = inherit(ids, above, |id, root: Option<i32>| root.unwrap_or(id));
        let mut different = false;
        for (id, kind) in items {
            let level = if kind == ItemKind::Channel && app.later_channels {
                Level::Edit
            } else if let Some(axis) = axis_of(kind) {
                let of = |item| chosen.get(&(axis, item)).copied().unwrap_or_default();
                of(None).or(of(roots.get(&id).copied()))
            } else {
                continue;
            };
            if self.world.rights.level(id, app.group) != level {
                different = true;
                self.world.rights.set(id, app.group, level);
            }
        }
        different
    }
}

/// The axis that a right is chosen on, if it is one that is offered.
fn offered_axis(right: AppRight<'_>, step: PermissionsStep) -> Result<SelectionAxis, Fault> {
    let AppRight {
        kind, level, field, ..
    } = right;
    match step {
        PermissionsStep::NotAsked => {
            let message = "the permissions step is asked in the enterprise edition for an app with a products scope only; leave it empty";
            return Err(Fault::invalid(field, message));
        }
        PermissionsStep::UpTo(highest) if !highest.allows(level) => {
            let message =
                format!("read-only products scopes are offered `view` only, not `{level}`");
            return Err(Fault::invalid(field, message));
        }
        PermissionsStep::UpTo(_) => {}
    }
    axis_of(kind)
        .filter(|axis| *axis == SelectionAxis::Tree || level != Level::Own)
        .ok_or_else(|| {
            let noun = Noun::from(kind).words();
            let message = format!("`{level}` cannot be given on a {noun}; `view` and `edit` can");
            Fault::invalid(field, message)
        })
}
