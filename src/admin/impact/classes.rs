use std::collections::{HashMap, hash_map::Entry};

use crate::{
    admin::{error::AdminError, work::Work},
    domain::{Action, EveryQuestion, Level, LevelAction, ResourceType, SubjectRef},
    engine::{self, ProductAccess},
};

use super::{
    group_levels::{GroupLevels, Rule},
    members::{Groups, Member, Profile},
    sides::{At, Side},
};

/// Level actions on products that differ by their rules; the others have the
/// rule of one of these (rules 9).
const PRODUCT_ACTIONS: [LevelAction; 5] = [
    LevelAction::View,
    LevelAction::Edit,
    LevelAction::Own,
    LevelAction::SendProposal,
    LevelAction::Publish,
];

/// Which of [`PRODUCT_ACTIONS`] a class may do, a bit each.
type Allowed = u8;

/// What a class may do with a product, by its level on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByLevel([Allowed; 4]);

/// What a class is answered about a product: its level, and what it may do.
pub(super) type ProductAnswer = (Level, Allowed);

/// Subjects of the same profile and groups before the change, and after it.
#[derive(Debug)]
pub(super) struct Class {
    /// One of them.
    pub(super) subject: SubjectRef,
    /// How many they are.
    size: u64,
    /// `None`: disabled or not there.
    pub(super) before: Option<Member>,
    pub(super) after: Option<Member>,
    pub(super) may_before: ByLevel,
    pub(super) may_after: ByLevel,
    /// Whether an answer was found to change.
    pub(super) affected: bool,
}

/// The classes of all subjects that are enabled on one side at least.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    of_subject: HashMap<i32, usize>,
}

/// What is known of profiles on one side.
struct KnownProfiles<'s, 'w> {
    side: &'s Side<'w>,
    known: HashMap<Profile, ByLevel>,
}

impl Classes {
    pub(super) fn of(
        groups: &Groups,
        before: &Side<'_>,
        after: &Side<'_>,
        work: &mut Work,
    ) -> Result<Self, AdminError> {
        let mut found: HashMap<(Option<Member>, Option<Member>), usize> = HashMap::new();
        let mut classes = Self {
            all: Vec::new(),
            of_subject: HashMap::new(),
        };
        let mut known = [before, after].map(|side| KnownProfiles {
            side,
            known: HashMap::new(),
        });
        let change_set = before.change_set;
        for (id, old, new) in change_set.subjects.both() {
            let members = groups.members(id, before, after);
            let Some(row) = new.or(old).filter(|_| members != (None, None)) else {
                continue;
            };
            work.step(10 + 2 * row.groups.len())?;
            let place = match found.entry(members) {
                Entry::Occupied(place) => *place.get(),
                Entry::Vacant(place) => {
                    let subject = SubjectRef {
                        kind: row.kind,
                        code: row.code.clone(),
                    };
                    let members = place.key().clone();
                    classes.all.push(Class::of(subject, members, &mut known));
                    *place.insert(classes.all.len() - 1)
                }
            };
            classes.of_subject.insert(id, place);
            if let Some(class) = classes.all.get_mut(place) {
                class.size += 1;
            }
        }
        Ok(classes)
    }

    /// Whether an answer changes of the class that a subject is of.
    pub(super) fn is_affected(&self, subject: i32) -> bool {
        let class = self.of_subject.get(&subject);
        let class = class.and_then(|place| self.all.get(*place));
        class.is_some_and(|class| class.affected)
    }

    /// The classes of which no answer was found to change.
    pub(super) fn unaffected(&mut self) -> impl Iterator<Item = &mut Class> {
        self.all.iter_mut().filter(|class| !class.affected)
    }

    /// Who would see product data that the gate hides (rules 4.5), and who would
    /// not see any more what it shows.
    pub(super) fn gate_sentences(&self) -> Vec<String> {
        let cases = [
            (false, "see no product data at all any more"),
            (true, "see product data, of which they see none now"),
        ];
        let sentences = cases.into_iter().filter_map(|(opens, what)| {
            let turned = |class: &&Class| {
                let stays = class.before.is_some() && class.after.is_some();
                let sees = [class.may_before, class.may_after].map(ByLevel::sees_any);
                stays && sees == [!opens, opens]
            };
            let first = self.all.iter().find(turned)?;
            let SubjectRef { kind, code } = &first.subject;
            let count: u64 = self.all.iter().filter(turned).map(|class| class.size).sum();
            Some(match count {
                1 => format!("{kind} `{code}` would {what}"),
                _ => format!("{kind} `{code}` and {} more would {what}", count - 1),
            })
        });
        sentences.collect()
    }
}

impl Class {
    fn of(
        subject: SubjectRef,
        (old, new): (Option<Member>, Option<Member>),
        [before, after]: &mut [KnownProfiles<'_, '_>; 2],
    ) -> Self {
        let may_before = before.may(&subject, old.as_ref());
        let may_after = after.may(&subject, new.as_ref());
        Self {
            // Who comes or goes holds even what is everyone's on one side only,
            // and a product in no category shows whether the gate is open.
            affected: old.is_some() != new.is_some() || may_before != may_after,
            subject,
            size: 0,
            before: old,
            after: new,
            may_before,
            may_after,
        }
    }

    /// Whether what it may do with a product of the same level changes.
    pub(super) fn is_turned(&self) -> bool {
        self.before.is_some() != self.after.is_some() || self.may_before != self.may_after
    }

    /// Whether it may do something with what is hidden from it.
    pub(super) fn is_blind(&self) -> bool {
        let may = [self.may_before, self.may_after];
        may.iter().any(|may| may.at(Level::Hidden) != 0)
    }

    /// Whether it is answered otherwise about a product, or holds another level
    /// on an item.
    pub(super) fn differs_on(&self, held: &GroupLevels<'_>, [old, new]: [Rule; 2]) -> bool {
        let was = self.before.as_ref().map(|member| {
            let level = held.level(At::Before, old, member);
            answer(self.may_before, level, old)
        });
        let is = self.after.as_ref().map(|member| {
            let level = held.level(At::After, new, member);
            answer(self.may_after, level, new)
        });
        was.unwrap_or_default() != is.unwrap_or_default()
    }
}

/// What who holds a level is answered.
fn answer(may: ByLevel, level: Level, rule: Rule) -> ProductAnswer {
    if rule == Rule::NotStored {
        return ProductAnswer::default();
    }
    (level, may.at(level))
}

impl KnownProfiles<'_, '_> {
    /// What a member may do with products.
    fn may(&mut self, subject: &SubjectRef, member: Option<&Member>) -> ByLevel {
        let Some(profile) = member.map(|member| member.profile) else {
            return ByLevel::default();
        };
        let side = self.side;
        let may = self.known.entry(profile);
        *may.or_insert_with(|| ByLevel::of(subject, profile, side))
    }
}

impl ByLevel {
    /// The levels of products, as [`ByLevel::at`] finds them.
    const LEVELS: [Level; 4] = [Level::Hidden, Level::View, Level::Edit, Level::Own];

    fn of(subject: &SubjectRef, profile: Profile, side: &Side<'_>) -> Self {
        let facts = side.facts(subject, profile, HashMap::new());
        let mut by_level = Self::default();
        let kind = ResourceType::Product;
        for (place, action) in PRODUCT_ACTIONS.into_iter().enumerate() {
            let action = Action::Level(action);
            let asked = EveryQuestion::new(subject.clone(), action, kind, <_>::default());
            let reach = asked.map(|asked| engine::product_access(&asked, &facts));
            let reach = reach.unwrap_or(ProductAccess::Nothing);
            for (allowed, level) in by_level.0.iter_mut().zip(Self::LEVELS) {
                let may = match reach {
                    ProductAccess::Nothing => false,
                    ProductAccess::Everything(_) => true,
                    ProductAccess::ByCategory(test) => test.lets_in(level),
                };
                *allowed |= u8::from(may) << place;
            }
        }
        by_level
    }

    fn at(self, level: Level) -> Allowed {
        let mut all = Self::LEVELS.into_iter().zip(self.0);
        let found = all.find(|(of, _)| *of == level);
        found.map_or(0, |(_, allowed)| allowed)
    }

    fn sees_any(self) -> bool {
        self.at(Level::Own) != 0
    }
}
