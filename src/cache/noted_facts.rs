//! What the last look-up for a subject found beside it: the vocabulary of its tenant and
//! the rights of its user groups.
//!
//! It spares the next question about the subject a look-up for each. It does not keep
//! evicted facts in memory, and each fact has the position of the cached fact that it is:
//! it counts exactly as long as that does.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, Ordering},
};

use arc_swap::ArcSwapOption;

use super::{
    cached_vocabulary::CachedVocabulary,
    rights_set::RightsSet,
    watermarks::{ReadPosition, Watermarks},
};

/// Every how many uses the facts are looked up all the same, so that the cache knows that
/// they are used, and evicts others.
const LOOKED_UP_EVERY: u32 = 16;

/// The vocabulary with the position of the cached fact, and the rights of the subject's
/// user groups.
#[derive(Clone, Debug)]
pub(super) struct FoundFacts {
    pub(super) vocabulary: (Arc<CachedVocabulary>, ReadPosition),
    pub(super) rights: Arc<RightsSet>,
}

/// What was found beside a cached subject.
#[derive(Debug, Default)]
pub(super) struct NotedFacts {
    noted: ArcSwapOption<Noted>,
    uses: AtomicU32,
}

#[derive(Debug)]
struct Noted {
    vocabulary: (Weak<CachedVocabulary>, ReadPosition),
    rights: Weak<RightsSet>,
}

impl NotedFacts {
    /// Returns the facts. `None`: they must be looked up, since some are not known, evicted
    /// or not current, or it is their turn.
    pub(super) fn find(&self, watermarks: &Watermarks, epoch: u64) -> Option<FoundFacts> {
        if self
            .uses
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOOKED_UP_EVERY)
        {
            return None;
        }
        let noted = self.noted.load();
        let Noted { vocabulary, rights } = noted.as_deref()?;
        let (vocabulary, position) = vocabulary;
        if !watermarks.is_current(position, epoch) {
            return None;
        }
        let rights = rights.upgrade()?;
        rights.is_current(watermarks, epoch).then_some(())?;
        Some(FoundFacts {
            vocabulary: (vocabulary.upgrade()?, *position),
            rights,
        })
    }

    /// Notes the facts, which were looked up.
    pub(super) fn note(&self, found: &FoundFacts) {
        let (vocabulary, position) = &found.vocabulary;
        let noted = Noted {
            vocabulary: (Arc::downgrade(vocabulary), *position),
            rights: Arc::downgrade(&found.rights),
        };
        self.noted.store(Some(Arc::new(noted)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use hashbrown::HashMap;

    use super::*;
    use crate::{
        cache::{products::Products, rights_set::FoundRights},
        domain::{Code, Edition, FactKey, Section, Vocabulary},
        store::TenantId,
    };

    const EPOCH: u64 = 1;

    fn acme() -> Code {
        "acme".parse().unwrap()
    }

    fn key() -> FactKey {
        FactKey::Section(acme(), Section::Vocabulary)
    }

    fn vocabulary() -> Arc<CachedVocabulary> {
        let vocabulary = Vocabulary {
            edition: Edition::Enterprise,
            roles: HashMap::new(),
            items: HashMap::new(),
            item_facts: HashMap::new(),
            first_channel: None,
            first_locale: None,
            attributes: HashMap::new(),
            grid_views: HashMap::new(),
            groups: Vec::new(),
        };
        Arc::new(CachedVocabulary {
            vocabulary: Arc::new(vocabulary),
            revision: Arc::new(AtomicU64::new(1)),
            products: Products::of(1).of_tenant(&acme(), TenantId(1)),
        })
    }

    fn facts(watermarks: &Watermarks) -> FoundFacts {
        let position = ReadPosition {
            as_of: 5,
            epoch: EPOCH,
            slots: watermarks.slots(&key()),
        };
        let rights = RightsSet::new(&acme(), &FoundRights::new(), watermarks);
        FoundFacts {
            vocabulary: (vocabulary(), position),
            rights: Arc::new(rights),
        }
    }

    #[test]
    fn rule_6_1_facts_are_found_while_all_are_cached_and_current() {
        let watermarks = Watermarks::default();
        let noted = NotedFacts::default();
        let is_found = |epoch| noted.find(&watermarks, epoch).is_some();
        assert!(!is_found(EPOCH));
        let found = facts(&watermarks);
        noted.note(&found);
        assert!(is_found(EPOCH) && !is_found(EPOCH + 1));
        watermarks.raise(&key(), 5);
        assert!(is_found(EPOCH));
        watermarks.raise(&key(), 6);
        assert!(!is_found(EPOCH));
        // Evicted: the vocabulary, or the set of rights.
        let watermarks = Watermarks::default();
        let is_found = || noted.find(&watermarks, EPOCH).is_some();
        for evicts_rights in [true, false] {
            let FoundFacts { vocabulary, rights } = facts(&watermarks);
            noted.note(&FoundFacts {
                vocabulary: vocabulary.clone(),
                rights: Arc::clone(&rights),
            });
            assert!(is_found());
            if evicts_rights {
                drop(rights);
            } else {
                drop(vocabulary);
            }
            assert!(!is_found());
        }
    }

    #[test]
    fn facts_are_looked_up_every_16th_time() {
        let watermarks = Watermarks::default();
        let (noted, found) = (NotedFacts::default(), facts(&watermarks));
        noted.note(&found);
        let looked_up = (0..32).filter(|_| noted.find(&watermarks, EPOCH).is_none());
        assert_eq!(looked_up.count(), 2);
    }
}
