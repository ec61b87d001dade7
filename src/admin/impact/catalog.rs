use std::collections::BTreeMap;

use crate::{
    domain::{
        Action, Code, Context, Description, Level, LevelAction, Question, Resource, ResourceType,
        SubjectRef,
    },
    engine,
};

use super::{classes::Classes, sides::Side};

/// An attribute or grid view that the change touches.
struct Touched {
    kind: ResourceType,
    code: Code,
}

/// Finds the classes that are answered otherwise about an attribute or grid
/// view. Of those that the change does not touch the answers follow the levels
/// on items.
pub(super) fn compare(classes: &mut Classes, before: &Side<'_>, after: &Side<'_>) {
    let touched = touched(after);
    for class in classes.unaffected() {
        class.affected = touched
            .iter()
            .any(|touched| touched.differs_for(&class.subject, before, after));
    }
}

/// What the change touches; of all that are alike on both sides, one.
fn touched(side: &Side<'_>) -> Vec<Touched> {
    let world = side.world;
    let attributes = world.attributes.changes().filter_map(|(_, before, after)| {
        let code = &after.or(before)?.code;
        let alike = [before, after].map(|row| row.map(|a| (a.group, a.scopable, a.localizable)));
        Some((alike, code))
    });
    let attributes: BTreeMap<_, _> = attributes.collect();
    let views = world.grid_views.changes().filter_map(|(_, before, after)| {
        let code = &after.or(before)?.code;
        Some((
            [before, after].map(|row| row.map(|view| &view.groups)),
            code,
        ))
    });
    let views: BTreeMap<_, _> = views.collect();
    let of = |kind| {
        move |code: &Code| Touched {
            kind,
            code: code.clone(),
        }
    };
    let attributes = attributes.into_values().map(of(ResourceType::Attribute));
    let views = views.into_values().map(of(ResourceType::GridView));
    attributes.chain(views).collect()
}

impl Touched {
    fn differs_for(&self, subject: &SubjectRef, before: &Side<'_>, after: &Side<'_>) -> bool {
        let actions = [LevelAction::View, LevelAction::Edit];
        let mut asked = actions.into_iter().filter_map(|action| {
            let resource = Resource {
                kind: self.kind,
                id: Some(self.code.clone()),
                description: Description::default(),
            };
            let action = Action::Level(action);
            // A grid view has no `edit`.
            Question::new(subject.clone(), action, Some(resource), Context::default()).ok()
        });
        asked.any(|question| answer(&question, before) != answer(&question, after))
    }
}

/// Whether it is allowed, and the level held.
fn answer(question: &Question, side: &Side<'_>) -> (bool, Level) {
    let decision = engine::decide(question, &side.facts);
    (decision.is_allowed(), decision.level.unwrap_or_default())
}
