use std::{
    hash::{BuildHasher as _, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::domain::FactKey;

/// How many floors there are. Two keys that share one only forget too much.
const SLOTS: usize = 1 << 16;

/// As of which announcement a fact must have been read to count.
///
/// Each key has a floor: the highest of its own, of those above it, and of the
/// one for everything. Floors only rise.
#[derive(Debug)]
pub(super) struct Floors {
    everything: AtomicU64,
    slots: Box<[AtomicU64]>,
    hashes: RandomState,
}

/// Where the floors of a key and of those above it are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    /// The last ones repeat where a key has fewer above it.
    places: [u32; 3],
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            everything: AtomicU64::new(0),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hashes: RandomState::new(),
        }
    }
}

impl Floors {
    /// Where the floors of `key` are.
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

    /// Raises the floor of `key` to `seq`.
    pub(super) fn raise(&self, key: &FactKey, seq: u64) {
        if *key == FactKey::Everything {
            self.raise_everything(seq);
        } else {
            let place = usize::try_from(self.place(key)).unwrap_or_default();
            if let Some(floor) = self.slots.get(place) {
                floor.fetch_max(seq, Ordering::SeqCst);
            }
        }
    }

    /// Raises the floor of everything to `seq`.
    pub(super) fn raise_everything(&self, seq: u64) {
        self.everything.fetch_max(seq, Ordering::SeqCst);
    }

    /// The floor at `slots`.
    pub(super) fn at(&self, slots: Slots) -> u64 {
        let floor = |place: u32| {
            let floor = self.slots.get(usize::try_from(place).unwrap_or_default());
            floor.map_or(u64::MAX, |floor| floor.load(Ordering::SeqCst))
        };
        let [own, above, top] = slots.places;
        let everything = self.everything.load(Ordering::SeqCst);
        everything.max(floor(own)).max(floor(above)).max(floor(top))
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
    fn an_announcement_raises_the_floor_of_its_key_and_of_all_below() {
        let floors = Floors::default();
        let tenant = |code: &str| FactKey::Tenant(code.parse().unwrap());
        let rights = |code: &str, group| FactKey::Rights(code.parse().unwrap(), GroupId(group));
        let section = FactKey::Section("a".parse().unwrap(), Section::Rights);
        let floor = |key: &FactKey| floors.at(floors.slots(key));
        floors.raise(&rights("a", 1), 3);
        assert_eq!(floor(&rights("a", 1)), 3);
        assert_eq!(floor(&rights("a", 2)), 0);
        floors.raise(&section, 5);
        floors.raise(&section, 4);
        assert_eq!(floor(&rights("a", 1)), 5);
        assert_eq!(floor(&rights("a", 2)), 5);
        assert_eq!(floor(&tenant("a")), 0);
        floors.raise(&tenant("a"), 7);
        assert_eq!(floor(&rights("a", 2)), 7);
        assert_eq!(floor(&rights("b", 2)), 0);
        floors.raise(&FactKey::Everything, 9);
        assert_eq!(floor(&rights("b", 2)), 9);
        assert_eq!(floor(&tenant("c")), 9);
    }
}
