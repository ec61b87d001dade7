//! The rights of all user groups of a subject, shared by the subjects in the same groups:
//! what is the same for them is compared with the watermarks, and merged, once.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use smallvec::SmallVec;

use super::watermarks::{ReadPosition, Watermarks};
use crate::domain::{Code, FactKey, GrantedOn, GroupFacts, GroupId, ItemId, Level, Section};

/// The rights of user groups, each with the position of the cached fact.
pub(super) type FoundRights = SmallVec<[(GroupId, Arc<GroupFacts>, ReadPosition); 8]>;

/// The rights of a set of user groups.
///
/// It does not keep evicted rights in memory, and each has the position of the cached fact
/// that it is: the set counts exactly as long as all of them do.
#[derive(Debug)]
pub(super) struct RightsSet {
    /// In the order of the subject's groups.
    rights: Vec<(GroupId, Weak<GroupFacts>, ReadPosition)>,
    /// The position of the oldest, as one of all rights of the tenant. `None`: there are
    /// no groups.
    oldest: Option<ReadPosition>,
    /// The counter of the tenant's announced rights, and its count when all rights were
    /// last compared with their watermarks.
    counter: usize,
    compared_at: AtomicU64,
    merged: MergedLevels,
}

/// The count before a set is compared the first time.
const NEVER: u64 = u64::MAX;

impl RightsSet {
    /// Creates the set of rights that were looked up in one epoch.
    pub(super) fn new(tenant: &Code, rights: &FoundRights, watermarks: &Watermarks) -> Self {
        let oldest = rights.iter().map(|(_, _, position)| *position);
        let oldest = oldest.min_by_key(|position| position.as_of);
        let section = FactKey::Section(tenant.clone(), Section::Rights);
        let most = rights.iter().map(|(_, rights, _)| rights.rights.len());
        let noted = rights.iter();
        let noted = noted.map(|(group, rights, at)| (*group, Arc::downgrade(rights), *at));
        Self {
            rights: noted.collect(),
            oldest: oldest.map(|position| ReadPosition {
                slots: watermarks.slots(&section),
                ..position
            }),
            counter: watermarks.counter(tenant),
            compared_at: AtomicU64::new(NEVER),
            merged: MergedLevels::for_rights(most.max().unwrap_or_default()),
        }
    }

    /// Returns the number of user groups.
    pub(super) fn len(&self) -> usize {
        self.rights.len()
    }

    /// Returns its size in bytes.
    pub(super) fn bytes(&self) -> usize {
        let a_group = size_of::<(GroupId, Weak<GroupFacts>, ReadPosition)>();
        size_of::<Self>() + self.rights.len() * a_group + self.merged.items.len() * 4
    }

    /// True if all rights were read in `epoch` and have not changed.
    ///
    /// A right changes by an announcement of its group, which is counted, or of more: of
    /// all rights of the tenant, the tenant, or everything.
    pub(super) fn is_current(&self, watermarks: &Watermarks, epoch: u64) -> bool {
        let Some(oldest) = &self.oldest else {
            return true;
        };
        if !watermarks.is_current(oldest, epoch) {
            return false;
        }
        let count = watermarks.announced_rights(self.counter);
        if count == self.compared_at.load(Ordering::SeqCst) {
            return true;
        }
        let mut rights = self.rights.iter();
        let are_current = rights.all(|(_, _, position)| watermarks.is_current(position, epoch));
        if are_current {
            self.compared_at.store(count, Ordering::SeqCst);
        }
        are_current
    }

    /// True if it is the set of these rights.
    pub(super) fn is_of(&self, rights: &FoundRights) -> bool {
        self.rights.len() == rights.len()
            && self.rights.iter().zip(rights).all(|(own, other)| {
                own.0 == other.0
                    && own.1.as_ptr() == Arc::as_ptr(&other.1)
                    && (own.2.as_of, own.2.epoch) == (other.2.as_of, other.2.epoch)
            })
    }

    /// Returns the rights of each group. `None`: some were evicted.
    pub(super) fn found(&self) -> Option<FoundRights> {
        let rights = self.rights.iter();
        let found = rights.map(|(group, rights, at)| Some((*group, rights.upgrade()?, *at)));
        found.collect()
    }

    /// Returns the highest level of the groups, if it was noted.
    pub(super) fn merged(&self, on: GrantedOn) -> Option<Level> {
        self.merged.get(on)
    }

    /// Notes the highest level of the groups.
    pub(super) fn note_merged(&self, on: GrantedOn, level: Level) {
        self.merged.note(on, level);
    }
}

/// The highest levels of a set of user groups on items that decisions needed. A level may
/// replace that of another item.
#[derive(Debug)]
struct MergedLevels {
    /// By the last bits of the item's id: the other bits of the id, and the level.
    items: Box<[AtomicU32]>,
    any_channel: AtomicU8,
    any_locale: AtomicU8,
}

/// Least and largest number of items whose levels are noted.
const ITEMS: [usize; 2] = [1 << 6, 1 << 13];

/// Bits of a noted level, and the bit that is set if a level is noted.
const LEVEL_BITS: u32 = 5;
const NOTED: u8 = 1 << 4;

impl MergedLevels {
    /// Creates an empty table; `most` is the largest number of rights of one group.
    fn for_rights(most: usize) -> Self {
        let [least, largest] = ITEMS;
        // Questions are about items without rights, too.
        let items = most.saturating_mul(4).clamp(least, largest);
        let items = 0..items.next_power_of_two();
        Self {
            items: items.map(|_| AtomicU32::new(0)).collect(),
            any_channel: AtomicU8::new(0),
            any_locale: AtomicU8::new(0),
        }
    }

    /// Returns the place of an item, and the rest of its id in the bits above the level.
    fn place(&self, item: ItemId) -> (Option<&AtomicU32>, u32) {
        let id = item.0.cast_unsigned();
        let bits = self.items.len().trailing_zeros();
        let mask = (1 << bits) - 1;
        let place = usize::try_from(id & mask).unwrap_or(usize::MAX);
        // At least 6 bits are the place, so that the others and the level fit.
        (self.items.get(place), (id >> bits) << LEVEL_BITS)
    }

    fn get(&self, on: GrantedOn) -> Option<Level> {
        let noted = match on {
            GrantedOn::AnyChannel => self.any_channel.load(Ordering::Relaxed),
            GrantedOn::AnyLocale => self.any_locale.load(Ordering::Relaxed),
            GrantedOn::Item(item) => {
                let (place, rest) = self.place(item);
                let noted = place?.load(Ordering::Relaxed) ^ rest;
                u8::try_from(noted).unwrap_or_default()
            }
        };
        let is_noted = noted & NOTED != 0 && noted >> LEVEL_BITS == 0;
        is_noted.then(|| Level::from_bits(noted & !NOTED))
    }

    fn note(&self, on: GrantedOn, level: Level) {
        let noted = level.bits() | NOTED;
        match on {
            GrantedOn::AnyChannel => self.any_channel.store(noted, Ordering::Relaxed),
            GrantedOn::AnyLocale => self.any_locale.store(noted, Ordering::Relaxed),
            GrantedOn::Item(item) => {
                if let (Some(place), rest) = self.place(item) {
                    place.store(rest | u32::from(noted), Ordering::Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::{collection::vec, prelude::*};
    use strum::IntoEnumIterator as _;

    use super::*;

    const EPOCH: u64 = 1;

    fn acme() -> Code {
        "acme".parse().unwrap()
    }

    fn key(group: i32) -> FactKey {
        FactKey::Rights(acme(), GroupId(group))
    }

    fn found(groups: &[i32], as_of: u64, watermarks: &Watermarks) -> FoundRights {
        let facts = |group: i32| GroupFacts {
            code: format!("group_{group}").parse().unwrap(),
            private: false,
            rights: hashbrown::HashMap::new(),
            highest_channel: Level::Hidden,
            highest_locale: Level::Hidden,
        };
        let position = |group| ReadPosition {
            as_of,
            epoch: EPOCH,
            slots: watermarks.slots(&key(group)),
        };
        let groups = groups.iter();
        groups
            .map(|group| (GroupId(*group), Arc::new(facts(*group)), position(*group)))
            .collect()
    }

    #[test]
    fn rule_6_1_set_counts_until_one_of_its_rights_is_announced() {
        let section = FactKey::Section(acme(), Section::Rights);
        let cases = [
            (key(3), true),
            (key(1), false),
            (key(2), false),
            (section, false),
            (FactKey::Tenant(acme()), false),
            (FactKey::Everything, false),
        ];
        for (announced, remains) in cases {
            let watermarks = Watermarks::default();
            let set = RightsSet::new(&acme(), &found(&[1, 2], 4, &watermarks), &watermarks);
            assert!(set.is_current(&watermarks, EPOCH));
            assert!(!set.is_current(&watermarks, EPOCH + 1));
            watermarks.raise(&announced, 4);
            assert!(set.is_current(&watermarks, EPOCH), "{announced}");
            // Others first, and then this one with a lower number than theirs.
            watermarks.raise(&key(3), 9);
            assert!(set.is_current(&watermarks, EPOCH), "{announced}");
            watermarks.raise(&announced, 5);
            assert_eq!(set.is_current(&watermarks, EPOCH), remains, "{announced}");
        }
    }

    #[test]
    fn set_is_of_the_same_facts_only_and_keeps_none() {
        let watermarks = Watermarks::default();
        let rights = found(&[1, 2], 4, &watermarks);
        let set = RightsSet::new(&acme(), &rights, &watermarks);
        assert!(set.is_of(&rights));
        assert!(!set.is_of(&found(&[1, 2], 4, &watermarks)));
        assert!(!set.is_of(&rights.iter().take(1).cloned().collect()));
        assert_eq!(set.found().unwrap().len(), 2);
        drop(rights);
        assert!(set.found().is_none());
        let nothing = FoundRights::new();
        let set = RightsSet::new(&acme(), &nothing, &watermarks);
        assert!(set.is_current(&watermarks, EPOCH) && set.is_of(&nothing));
    }

    /// An item whose id has its high and its low bits in use.
    fn item() -> impl Strategy<Value = i32> {
        prop_oneof![1..200_i32, (1..200_i32).prop_map(|id| i32::MAX - id)]
    }

    proptest! {
        #[test]
        fn rule_3_5_noted_level_is_that_of_its_item(
            most in 0..20_000_usize,
            noted in vec((item(), 0..6_usize), 0..200),
        ) {
            let levels: Vec<Level> = Level::iter().collect();
            let merged = MergedLevels::for_rights(most);
            prop_assert_eq!(merged.get(GrantedOn::AnyLocale), None);
            let mut expected = HashMap::new();
            for (item, level) in noted {
                let (item, level) = (GrantedOn::Item(ItemId(item)), levels[level]);
                merged.note(item, level);
                expected.insert(item, level);
                prop_assert_eq!(merged.get(item), Some(level));
                merged.note(GrantedOn::AnyChannel, level);
                prop_assert_eq!(merged.get(GrantedOn::AnyChannel), Some(level));
            }
            for id in (1..200).chain((1..200).map(|id| i32::MAX - id)) {
                let item = GrantedOn::Item(ItemId(id));
                if let Some(level) = merged.get(item) {
                    prop_assert_eq!(Some(&level), expected.get(&item));
                }
            }
        }
    }
}
