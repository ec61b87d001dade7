use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::{
    admin::{error::AdminError, work::Work},
    domain::{
        Action, Code, Context, Description, ItemId, Level, LevelAction, Question, Resource,
        ResourceType, SubjectRef,
    },
    engine,
};

use super::{
    classes::Classes,
    group_levels::GroupLevels,
    members::{Groups, Member},
    profile::{Profile, Rule},
    sides::{At, Side},
};

/// An attribute or grid view that the change affects.
struct ChangedResource {
    kind: ResourceType,
    code: Code,
    /// The attribute groups that decide on it, on either side.
    groups: BTreeSet<ItemId>,
}

/// The input of a decision on one side: the profile of an enabled subject, and
/// its level on each of the attribute groups.
type Holds = Option<(Profile, Vec<Level>)>;

/// Number of steps that a decision of the engine counts as.
const DECISION: usize = 100;

/// Marks the classes whose answers about an attribute or grid view change.
///
/// For those that the change does not affect, the answers follow from the levels
/// on items. Classes with the same levels on the attribute groups are compared
/// once.
pub(super) fn compare(
    classes: &mut Classes,
    groups: &Groups,
    (before, after): (&Side<'_>, &Side<'_>),
    work: &mut Work,
) -> Result<(), AdminError> {
    for changed in changed(after) {
        let mut rights: Vec<GroupLevels<'_>> = Vec::new();
        for item in &changed.groups {
            let mut held = GroupLevels::new(groups.numbers());
            held.add(At::Before, before.rights(*item));
            held.add(At::After, after.rights(*item));
            work.step(groups.numbers().count + held.affected().len())?;
            rights.push(held);
        }
        let mut known: HashMap<[Holds; 2], bool> = HashMap::new();
        for class in classes.unaffected() {
            let holds = [
                holds(&rights, At::Before, class.before.as_ref(), work)?,
                holds(&rights, At::After, class.after.as_ref(), work)?,
            ];
            if let Some(differs) = known.get(&holds) {
                class.affected |= *differs;
                continue;
            }
            work.step(DECISION)?;
            class.affected |= changed.differs_for(&class.subject, &holds, [before, after]);
            known.insert(holds, class.affected);
        }
    }
    Ok(())
}

fn holds(
    rights: &[GroupLevels<'_>],
    side: At,
    member: Option<&Member>,
    work: &mut Work,
) -> Result<Holds, AdminError> {
    let Some(member) = member else {
        return Ok(None);
    };
    work.step(1 + rights.len() * member.groups.len())?;
    let levels = rights.iter();
    let levels = levels.map(|held| held.level(side, Rule::Groups, member));
    Ok(Some((member.profile, levels.collect())))
}

/// Returns the changed attributes and grid views; of those with the same states
/// before and after, only one.
fn changed(side: &Side<'_>) -> Vec<ChangedResource> {
    let change_set = side.change_set;
    let attributes = change_set
        .attributes
        .changes()
        .filter_map(|(_, before, after)| {
            let code = &after.or(before)?.code;
            let alike =
                [before, after].map(|row| row.map(|a| (a.group, a.scopable, a.localizable)));
            Some((alike, code))
        });
    let attributes: BTreeMap<_, _> = attributes.collect();
    let attributes = attributes.into_iter().map(|(alike, code)| ChangedResource {
        kind: ResourceType::Attribute,
        code: code.clone(),
        groups: alike
            .into_iter()
            .flatten()
            .map(|(group, ..)| group)
            .collect(),
    });
    let views = change_set
        .grid_views
        .changes()
        .filter_map(|(_, before, after)| {
            let code = &after.or(before)?.code;
            Some((
                [before, after].map(|row| row.map(|view| &view.attribute_groups)),
                code,
            ))
        });
    let views: BTreeMap<_, _> = views.collect();
    let views = views.into_iter().map(|(alike, code)| ChangedResource {
        kind: ResourceType::GridView,
        code: code.clone(),
        groups: alike.into_iter().flatten().flatten().copied().collect(),
    });
    attributes.chain(views).collect()
}

impl ChangedResource {
    fn differs_for(&self, subject: &SubjectRef, holds: &[Holds; 2], sides: [&Side<'_>; 2]) -> bool {
        let ([old, new], [before, after]) = (holds, sides);
        let was = self.answers(subject, old.as_ref(), before);
        was != self.answers(subject, new.as_ref(), after)
    }

    /// Returns for each action whether it is allowed, and the level held.
    fn answers(
        &self,
        subject: &SubjectRef,
        holds: Option<&(Profile, Vec<Level>)>,
        side: &Side<'_>,
    ) -> Vec<(bool, Level)> {
        let facts = match holds {
            Some((profile, levels)) => {
                let rights = self.groups.iter().zip(levels);
                let rights = rights.map(|(item, level)| (*item, *level));
                side.facts(subject, *profile, rights.collect())
            }
            None => side.facts_of_nobody(),
        };
        let questions = [LevelAction::View, LevelAction::Edit].into_iter();
        let questions = questions.filter_map(|action| {
            let resource = Resource {
                kind: self.kind,
                id: Some(self.code.clone()),
                description: Description::default(),
            };
            let action = Action::Level(action);
            // A grid view has no action `edit`.
            Question::new(subject.clone(), action, Some(resource), Context::default()).ok()
        });
        questions
            .map(|question| {
                let decision = engine::decide(&question, &facts);
                (decision.is_allowed(), decision.level.unwrap_or_default())
            })
            .collect()
    }
}
