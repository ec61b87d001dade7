use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::fault::Fault,
    domain::{
        App, CATALOGUE, Chosen, Code, Edition, EntityKind, GroupId, ItemId, ItemKind, Label, Level,
        ScopeId, ScopeSet, Selection, SelectionAxis, SelectionPatch, Subject, SubjectId,
        SubjectKind, UserGroup, inherit,
    },
};

use super::{Outcome, Planned, Planner};

/// What the permissions step offers (rules 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum PermissionsStep {
    /// There is no such step.
    NotOffered,
    /// The highest level offered.
    UpTo(Level),
}

impl PermissionsStep {
    /// Returns the step for an app with these scopes, in a tenant of this
    /// edition.
    pub(in crate::admin) fn of(scopes: ScopeSet, edition: Edition) -> Self {
        let held = CATALOGUE.with_implied_scopes(scopes);
        let holds = |code: &str| {
            CATALOGUE
                .find_scope(code)
                .is_some_and(|scope| held.contains(scope.id))
        };
        if !edition.is_enterprise() || !holds("read_products") {
            return Self::NotOffered;
        }
        Self::UpTo(if holds("write_products") {
            Level::Own
        } else {
            Level::View
        })
    }
}

/// New selections of an app's trees, locales and attribute groups (rules 5.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::admin) struct AppChoice {
    /// The axes and levels whose selections are replaced; those of the others
    /// stay.
    replaced: BTreeSet<(SelectionAxis, u8)>,
    /// The new selections, each of a replaced axis and level.
    selections: BTreeSet<Selection>,
}

impl AppChoice {
    /// Replaces the selections of every axis and level, as the permissions step
    /// does (rules 5.8).
    pub(in crate::admin) fn replacing_all(mut self) -> Self {
        let axes = [
            SelectionAxis::Tree,
            SelectionAxis::Locale,
            SelectionAxis::AttributeGroup,
        ];
        let levels = [Level::View, Level::Edit, Level::Own];
        let every = axes
            .iter()
            .flat_map(|axis| levels.map(|level| (*axis, level.bits())));
        self.replaced.extend(every);
        self
    }

    /// Returns the selections after the change of the stored ones.
    fn applied_to(&self, stored: Vec<Selection>) -> Vec<Selection> {
        let kept = stored
            .into_iter()
            .filter(|chosen| !self.replaced.contains(&(chosen.axis, chosen.level)));
        let all: BTreeSet<Selection> = kept.chain(self.selections.iter().copied()).collect();
        all.into_iter().collect()
    }

    /// Returns true if selections of this axis are replaced, at any level.
    fn replaces(&self, axis: SelectionAxis) -> bool {
        self.replaced.iter().any(|(replaced, _)| *replaced == axis)
    }

    /// Returns the level on an item, as bits, from the level held before and the
    /// levels selected for it after the change. Idempotent.
    fn level(&self, axis: SelectionAxis, held: u8, chosen: impl Iterator<Item = u8>) -> u8 {
        let is_replaced = |level: u8| self.replaced.contains(&(axis, level));
        // A level that is not replaced stays, even if an administrator has set it
        // since.
        let stays = held == 0 || !is_replaced(held);
        let left = if stays { held } else { 0 };
        chosen
            .filter(|level| is_replaced(*level) || (!stays && *level < held))
            .fold(left, |all, level| all | level)
    }
}

/// Returns the requested scopes that an edition grants, and the other ones as a
/// second set (rules 5.3).
pub(in crate::admin) fn offered_scopes(
    requested: ScopeSet,
    edition: Edition,
) -> (ScopeSet, ScopeSet) {
    let is_offered = |id: &ScopeId| CATALOGUE.scope(*id).is_offered_in(edition);
    let (granted, ungranted): (Vec<_>, Vec<_>) = requested.iter().partition(is_offered);
    (
        granted.into_iter().collect(),
        ungranted.into_iter().collect(),
    )
}

impl Planner<'_> {
    /// Returns the selections of the permissions step if it offers them
    /// (rules 5.6). Each comes with the field or column that holds it.
    pub(in crate::admin) fn select<'r>(
        &self,
        patches: impl Iterator<Item = (&'r str, &'r SelectionPatch)>,
        step: PermissionsStep,
    ) -> Result<AppChoice, Fault> {
        let mut choice = AppChoice::default();
        for (field, patch) in patches {
            let level = patch.level.bits();
            if patch.chosen == Chosen::Codes(Vec::new()) {
                // Selecting nothing is allowed whatever the step offers.
                let axis = SelectionAxis::of(patch.kind);
                choice.replaced.extend(axis.map(|axis| (axis, level)));
                continue;
            }
            let axis = offered_axis(field, patch, step)?;
            choice.replaced.insert((axis, level));
            let items: BTreeSet<Option<ItemId>> = match &patch.chosen {
                Chosen::All => BTreeSet::from([None]),
                Chosen::Codes(codes) => {
                    let find = |code| self.choosable(patch.kind, field, code).map(Some);
                    codes.iter().map(find).collect::<Result<_, Fault>>()?
                }
            };
            let chosen = items
                .into_iter()
                .map(|item| Selection { axis, level, item });
            choice.selections.extend(chosen);
        }
        Ok(choice)
    }

    fn choosable(&self, kind: ItemKind, field: &str, code: &Code) -> Result<ItemId, Fault> {
        let id = self.item(field, kind, code)?;
        let item = self.change_set.items.get(id);
        if item.is_some_and(|item| item.parent().is_some()) {
            let message = format!(
                "category `{code}` is not the root of a tree; rights are given on whole trees"
            );
            return Err(Fault::invalid(field, message));
        }
        Ok(id)
    }

    /// Connects or re-authorizes an app; rights that `choice` does not replace
    /// stay, including those on channels (rules 5.8).
    pub(in crate::admin) fn connect_app(
        &mut self,
        field: &str,
        code: &Code,
        scopes: ScopeSet,
        choice: &AppChoice,
        actor: &str,
    ) -> Planned {
        self.forget_references();
        let step = PermissionsStep::of(scopes, self.change_set.edition);
        let (subject, group, outcome) = self.app_subject(field, code)?;
        let old = self.change_set.apps.get(subject).cloned();
        let is_passed = step != PermissionsStep::NotOffered && !choice.replaced.is_empty();
        let new = App {
            group,
            connected_by: actor.to_owned(),
            later_channels: true,
            permissions_passed: false,
            scopes,
            selections: Vec::new(),
        };
        let mut app = old.clone().unwrap_or(new);
        app.scopes = scopes;
        app.permissions_passed |= is_passed;
        app.selections = choice.applied_to(app.selections);
        let mut different = old.as_ref() != Some(&app);
        different |= self.give_app_rights(&app, choice);
        if old.is_none() {
            self.give_every_channel(group);
        }
        self.change_set.apps.put(subject, app);
        Ok(match outcome {
            Outcome::Created => Outcome::Created,
            Outcome::Changed | Outcome::Unchanged => Outcome::of_change(different),
        })
    }

    /// Returns true if a connected app with these scopes needs the permissions
    /// step and has never passed it (rules 5.8a).
    pub(in crate::admin) fn lacks_permissions(&self, subject: SubjectId, scopes: ScopeSet) -> bool {
        let step = PermissionsStep::of(scopes, self.change_set.edition);
        let app = self.change_set.apps.get(subject);
        step != PermissionsStep::NotOffered && app.is_some_and(|app| !app.permissions_passed)
    }

    /// Sets the scopes of a connected app; its rights stay.
    pub(in crate::admin) fn set_scopes(&mut self, subject: SubjectId, scopes: ScopeSet) -> Outcome {
        let apps = &mut self.change_set.apps;
        Outcome::of_change(apps.change(&subject, |app| app.scopes = scopes))
    }

    /// Returns the id of a connected app's subject.
    pub(in crate::admin) fn connected_app(&self, code: &Code) -> Option<SubjectId> {
        let id = self.change_set.find_subject(SubjectKind::App, code)?;
        self.change_set.apps.get(id).map(|_| id)
    }

    /// Returns the app's subject and private group; creates them if they do not
    /// exist.
    fn app_subject(
        &mut self,
        field: &str,
        app: &Code,
    ) -> Result<(SubjectId, GroupId, Outcome), Fault> {
        if let Some(id) = self.connected_app(app)
            && let Some(stored) = self.change_set.apps.get(id)
        {
            return Ok((id, stored.group, Outcome::Unchanged));
        }
        Fault::check_new_code(field, app)?;
        let code = app
            .app_group()
            .map_err(|invalid| Fault::invalid(field, format!("`{app}` {invalid}")))?;
        let group = GroupId(self.change_set.next_id());
        let label = Label::default();
        self.change_set.groups.insert(
            group,
            UserGroup {
                code,
                label,
                private: true,
            },
        );
        let subject = SubjectId(self.change_set.next_id());
        let row = Subject {
            code: app.clone(),
            kind: SubjectKind::App,
            enabled: true,
            roles: BTreeSet::new(),
            groups: BTreeSet::from([group]),
        };
        self.change_set.subjects.insert(subject, row);
        Ok((subject, group, Outcome::Created))
    }

    /// Sets the rights of the app's group to its selections on the axes that
    /// `choice` replaces; returns true if any right changed.
    fn give_app_rights(&mut self, app: &App, choice: &AppChoice) -> bool {
        let mut chosen: BTreeMap<(SelectionAxis, Option<ItemId>), Vec<u8>> = BTreeMap::new();
        for selection in &app.selections {
            let key = (selection.axis, selection.item);
            chosen.entry(key).or_default().push(selection.level);
        }
        let items = self.change_set.items.iter();
        let items: Vec<(ItemId, ItemKind)> = items.map(|(id, item)| (id, item.kind())).collect();
        let above = |id| self.change_set.items.get(id)?.parent();
        let ids = items.iter().map(|(id, _)| *id);
        // Anything but a category is its own root.
        let roots = inherit(ids, above, |id, root: Option<ItemId>| root.unwrap_or(id));
        let items = items
            .into_iter()
            .filter_map(|(id, kind)| Some((id, SelectionAxis::of(kind)?)))
            .filter(|(_, axis)| choice.replaces(*axis));
        let mut different = false;
        for (id, axis) in items {
            let places = [None, roots.get(&id).copied()];
            let levels = places
                .into_iter()
                .filter_map(|item| chosen.get(&(axis, item)));
            let held = self.change_set.rights.level(id, app.group);
            let bits = choice.level(axis, held.bits(), levels.flatten().copied());
            let level = Level::from_bits(bits);
            if held != level {
                different = true;
                self.change_set.rights.set(id, app.group, level);
            }
        }
        different
    }

    /// Grants `edit` on every channel to the group of a new app (rules 5.7).
    fn give_every_channel(&mut self, group: GroupId) {
        let channels = self.change_set.items_of(ItemKind::Channel);
        let channels: Vec<ItemId> = channels.map(|(id, _)| id).collect();
        for channel in channels {
            self.change_set.rights.set(channel, group, Level::Edit);
        }
    }
}

/// Returns the axis of a selection, if the step offers the axis and level.
fn offered_axis(
    field: &str,
    patch: &SelectionPatch,
    step: PermissionsStep,
) -> Result<SelectionAxis, Fault> {
    let (kind, level) = (patch.kind, patch.level);
    match step {
        PermissionsStep::NotOffered => {
            let message = "the permissions step is offered in the enterprise edition to an app with a products scope only; leave it empty";
            return Err(Fault::invalid(field, message));
        }
        PermissionsStep::UpTo(highest) if !highest.allows(level) => {
            let message =
                format!("read-only products scopes are offered `view` only, not `{level}`");
            return Err(Fault::invalid(field, message));
        }
        PermissionsStep::UpTo(_) => {}
    }
    SelectionAxis::of(kind)
        .filter(|axis| *axis == SelectionAxis::Tree || level != Level::Own)
        .ok_or_else(|| {
            let entity = EntityKind::from(kind).words();
            let message = format!("`{level}` cannot be given on a {entity}; `view` and `edit` can");
            Fault::invalid(field, message)
        })
}
