use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    domain::{Code, FactKey},
    failpoints::{Rule, is_disabled},
};

/// Number of counters of announced rights. Tenants that share one compare too often.
const COUNTERS: usize = 1 << 12;

/// Number of watermarks. Two keys that share one only invalidate too much.
const SLOTS: usize = 1 << 16;

/// Oldest log positions at which cached facts are still valid.
///
/// The watermark of a key is the highest of its own, those of its ancestors, and
/// the one for everything. Watermarks never decrease.
#[derive(Debug)]
pub(super) struct Watermarks {
    everything: AtomicU64,
    slots: Box<[AtomicU64]>,
    /// How often rights of single user groups were announced, by tenant.
    announced_rights: Box<[AtomicU64]>,
    hashes: RandomState,
}

/// The slots of the watermarks of a key and its ancestors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    /// The last ones repeat if a key has fewer ancestors.
    places: [u32; 3],
}

/// Log position at which a fact was read, and the slots of its watermarks.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadPosition {
    pub(super) as_of: u64,
    pub(super) epoch: u64,
    pub(super) slots: Slots,
}

impl Default for Watermarks {
    fn default() -> Self {
        Self {
            everything: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            announced_rights: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            hashes: RandomState::new(),
        }
    }
}

impl Watermarks {
    /// Returns the slots of `key` and its ancestors.
    pub(super) fn slots(&self, key: &FactKey) -> Slots {
        let mut places = [self.place(key); 3];
        let mut at = key.above();
        for place in places.iter_mut().skip(1) {
            let Some(above) = at else { break };
            *place = self.place(&above);
            at = above.above();
        }
        Slots { places }
    }

    /// Raises the watermark of `key` to `seq`.
    pub(super) fn raise(&self, key: &FactKey, seq: u64) {
        if *key == FactKey::Everything {
            self.raise_everything(seq);
        } else {
            let place = usize::try_from(self.place(key)).unwrap_or_default();
            if let Some(watermark) = self.slots.get(place) {
                watermark.fetch_max(seq, Ordering::SeqCst);
            }
        }
        // After the watermark: who finds the same count before and after comparing has
        // missed none.
        if let FactKey::Rights(tenant, _) = key
            && let Some(count) = self.announced_rights.get(self.counter(tenant))
        {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Returns the place of the counter of a tenant's announced rights.
    pub(super) fn counter(&self, tenant: &Code) -> usize {
        let counters = u64::try_from(COUNTERS).unwrap_or(1);
        usize::try_from(self.hashes.hash_one(tenant) % counters).unwrap_or_default()
    }

    /// Returns how often rights of single user groups were announced, at the place of a
    /// counter.
    pub(super) fn announced_rights(&self, counter: usize) -> u64 {
        let count = self.announced_rights.get(counter);
        count.map_or(u64::MAX, |count| count.load(Ordering::SeqCst))
    }

    /// True if a fact is of `epoch` and not older than its watermark.
    pub(super) fn is_current(&self, position: &ReadPosition, epoch: u64) -> bool {
        let is_valid = position.as_of >= self.at(position.slots);
        let is_of_epoch = position.epoch == epoch || is_disabled(Rule::EpochTag);
        is_of_epoch && (is_valid || is_disabled(Rule::Floors))
    }

    /// Raises the watermark of every key to `seq`.
    pub(super) fn raise_everything(&self, seq: u64) {
        self.everything.fetch_max(seq, Ordering::SeqCst);
    }

    /// Returns the highest watermark at `slots`.
    pub(super) fn at(&self, slots: Slots) -> u64 {
        let watermark = |place: u32| {
            let watermark = self.slots.get(usize::try_from(place).unwrap_or_default());
            watermark.map_or(u64::MAX, |watermark| watermark.load(Ordering::SeqCst))
        };
        let [own, above, top] = slots.places;
        let everything = self.everything.load(Ordering::SeqCst);
        everything
            .max(watermark(own))
            .max(watermark(above))
            .max(watermark(top))
    }

    fn place(&self, key: &FactKey) -> u32 {
        let places = u64::try_from(SLOTS).unwrap_or(1);
        u32::try_from(self.hashes.hash_one(key) % places).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GroupId, Section};

    #[test]
    fn announcement_raises_the_watermark_of_its_key_and_descendants() {
        let watermarks = Watermarks::default();
        let tenant = |code: &str| FactKey::Tenant(code.parse().unwrap());
        let rights = |code: &str, group| FactKey::Rights(code.parse().unwrap(), GroupId(group));
        let section = FactKey::Section("a".parse().unwrap(), Section::Rights);
        let watermark = |key: &FactKey| watermarks.at(watermarks.slots(key));
        watermarks.raise(&rights("a", 1), 3);
        assert_eq!(watermark(&rights("a", 1)), 3);
        assert_eq!(watermark(&rights("a", 2)), 0);
        watermarks.raise(&section, 5);
        watermarks.raise(&section, 4);
        assert_eq!(watermark(&rights("a", 1)), 5);
        assert_eq!(watermark(&rights("a", 2)), 5);
        assert_eq!(watermark(&tenant("a")), 0);
        watermarks.raise(&tenant("a"), 7);
        assert_eq!(watermark(&rights("a", 2)), 7);
        assert_eq!(watermark(&rights("b", 2)), 0);
        watermarks.raise(&FactKey::Everything, 9);
        assert_eq!(watermark(&rights("b", 2)), 9);
        assert_eq!(watermark(&tenant("c")), 9);
    }
}
