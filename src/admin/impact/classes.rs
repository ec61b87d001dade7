use hashbrown::{HashMap, hash_map::Entry};

use crate::{
    admin::{error::AdminError, work::Work},
    domain::{Action, Level, LevelAction, ListingQuestion, ResourceType, SubjectId, SubjectRef},
    engine::{self, ProductAccess},
};

use super::{
    group_levels::GroupLevels,
    members::{Groups, Member},
    profile::{Profile, Rule},
    sides::{At, Side},
};

/// The level actions on products that differ by their rules; each other one has
/// the rule of one of these (rules 9).
const PRODUCT_ACTIONS: [LevelAction; 5] = [
    LevelAction::View,
    LevelAction::Edit,
    LevelAction::Own,
    LevelAction::SendProposal,
    LevelAction::Publish,
];

/// A bit set of the [`PRODUCT_ACTIONS`] that a class may do.
type Allowed = u8;

/// What a class may do with a product, by its level on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByLevel([Allowed; 4]);

/// The answers of a class about a product: its level, and what it may do.
pub(super) type ProductAnswer = (Level, Allowed);

/// Subjects that share profile and groups, both before and after the change.
#[derive(Debug)]
pub(super) struct Class {
    /// One of its subjects.
    pub(super) subject: SubjectRef,
    /// Number of its subjects.
    size: u64,
    /// `None`: disabled or missing.
    pub(super) before: Option<Member>,
    pub(super) after: Option<Member>,
    pub(super) may_before: ByLevel,
    pub(super) may_after: ByLevel,
    /// True if an answer is known to change.
    pub(super) affected: bool,
}

/// The classes of all subjects that are enabled on at least one side.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) all: Vec<Class>,
    of_subject: HashMap<SubjectId, usize>,
}

/// A cache of what profiles may do with products on one side.
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

    /// True if the class of a subject is affected.
    pub(super) fn is_affected(&self, subject: SubjectId) -> bool {
        let class = self.of_subject.get(&subject);
        let class = class.and_then(|place| self.all.get(*place));
        class.is_some_and(|class| class.affected)
    }

    /// Returns the classes not yet found to be affected.
    pub(super) fn unaffected(&mut self) -> impl Iterator<Item = &mut Class> {
        self.all.iter_mut().filter(|class| !class.affected)
    }

    /// Describes who would see product data that the gate hides now (rules 4.5),
    /// and who would no longer see what it shows now.
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
            // A class that appears or disappears gains or loses even what
            // everybody holds, and any other change of what a class may do shows
            // on a product in no category, which everybody owns.
            affected: old.is_some() != new.is_some() || may_before != may_after,
            subject,
            size: 0,
            before: old,
            after: new,
            may_before,
            may_after,
        }
    }

    /// True if what it may do with a product changes at the same level.
    pub(super) fn is_turned(&self) -> bool {
        self.before.is_some() != self.after.is_some() || self.may_before != self.may_after
    }

    /// True if it may do something with products hidden from it.
    pub(super) fn is_blind(&self) -> bool {
        let may = [self.may_before, self.may_after];
        may.iter().any(|may| may.at(Level::Hidden) != 0)
    }

    /// True if its answers about a product, or its level on an item, change.
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

/// Returns the answers about a product at a level.
fn answer(may: ByLevel, level: Level, rule: Rule) -> ProductAnswer {
    if rule == Rule::NotStored {
        return ProductAnswer::default();
    }
    (level, may.at(level))
}

impl KnownProfiles<'_, '_> {
    /// Returns what a member may do with products.
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
    /// The levels of products, in the order in which [`ByLevel::at`] indexes
    /// them.
    const LEVELS: [Level; 4] = [Level::Hidden, Level::View, Level::Edit, Level::Own];

    fn of(subject: &SubjectRef, profile: Profile, side: &Side<'_>) -> Self {
        let facts = side.facts(subject, profile, HashMap::new());
        let mut by_level = Self::default();
        let kind = ResourceType::Product;
        for (place, action) in PRODUCT_ACTIONS.into_iter().enumerate() {
            let action = Action::Level(action);
            let question = ListingQuestion::new(subject.clone(), action, kind, <_>::default());
            let reach = question.map(|question| engine::product_access(&question, &facts));
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
