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
use smallvec::SmallVec;

use super::{cached_vocabulary::CachedVocabulary, watermarks::ReadPosition};
use crate::domain::{GroupFacts, GroupId};

/// Every how many uses the facts are looked up all the same, so that the cache knows that
/// they are used, and evicts others.
const LOOKED_UP_EVERY: u32 = 16;

/// Bytes for each group.
pub(super) const BYTES_A_GROUP: usize = size_of::<(GroupId, Weak<GroupFacts>, ReadPosition)>();

/// The vocabulary and the rights of user groups, each with the position of the cached
/// fact.
#[derive(Debug)]
pub(super) struct FoundFacts {
    pub(super) vocabulary: (Arc<CachedVocabulary>, ReadPosition),
    /// In the order of the subject's groups.
    pub(super) rights: FoundRights,
}

/// The rights of user groups, each with the position of the cached fact.
pub(super) type FoundRights = SmallVec<[(GroupId, Arc<GroupFacts>, ReadPosition); 8]>;

/// What was found beside a cached subject.
#[derive(Debug, Default)]
pub(super) struct NotedFacts {
    noted: ArcSwapOption<Noted>,
    uses: AtomicU32,
}

#[derive(Debug)]
struct Noted {
    vocabulary: (Weak<CachedVocabulary>, ReadPosition),
    rights: Vec<(GroupId, Weak<GroupFacts>, ReadPosition)>,
}

impl NotedFacts {
    /// Returns the facts. `None`: they must be looked up, since some are not known, evicted
    /// or not current, or it is their turn.
    pub(super) fn find(&self, is_current: impl Fn(&ReadPosition) -> bool) -> Option<FoundFacts> {
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
        let vocabulary = vocabulary.upgrade().filter(|_| is_current(position))?;
        let mut found = FoundFacts {
            vocabulary: (vocabulary, *position),
            rights: FoundRights::with_capacity(rights.len()),
        };
        for (group, rights, position) in rights {
            let rights = rights.upgrade().filter(|_| is_current(position))?;
            found.rights.push((*group, rights, *position));
        }
        Some(found)
    }

    /// Notes the facts, which were looked up: the rights are those of all user groups of
    /// the subject.
    pub(super) fn note(&self, found: &FoundFacts) {
        let (vocabulary, position) = &found.vocabulary;
        let rights = found.rights.iter();
        let rights = rights.map(|(group, rights, at)| (*group, Arc::downgrade(rights), *at));
        let noted = Noted {
            vocabulary: (Arc::downgrade(vocabulary), *position),
            rights: rights.collect(),
        };
        self.noted.store(Some(Arc::new(noted)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use hashbrown::HashMap;
    use smallvec::smallvec;

    use super::*;
    use crate::{
        cache::{products::Products, watermarks::Watermarks},
        domain::{Edition, FactKey, Level, Vocabulary},
        store::TenantId,
    };

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
        let products = Products::of(1).of_tenant(&"acme".parse().unwrap(), TenantId(1));
        Arc::new(CachedVocabulary {
            vocabulary: Arc::new(vocabulary),
            revision: Arc::new(AtomicU64::new(1)),
            products,
        })
    }

    fn rights_of(code: &str) -> Arc<GroupFacts> {
        Arc::new(GroupFacts {
            code: code.parse().unwrap(),
            private: false,
            rights: HashMap::new(),
            highest_channel: Level::Hidden,
            highest_locale: Level::Hidden,
        })
    }

    fn position(as_of: u64) -> ReadPosition {
        ReadPosition {
            as_of,
            epoch: 1,
            slots: Watermarks::default().slots(&FactKey::Everything),
        }
    }

    /// Returns the groups that are found, or nothing if they must be looked up.
    fn groups(noted: &NotedFacts, current_from: u64) -> Option<Vec<GroupId>> {
        let found = noted.find(|position| position.as_of >= current_from)?;
        Some(found.rights.iter().map(|(group, ..)| *group).collect())
    }

    #[test]
    fn rule_6_1_facts_are_found_while_all_are_cached_and_current() {
        let (shoes, shirts) = (rights_of("shoes"), rights_of("shirts"));
        let vocabulary = vocabulary();
        let noted = NotedFacts::default();
        assert_eq!(groups(&noted, 0), None);
        let note = |vocabulary_at, rights: &Arc<GroupFacts>, rights_at| {
            noted.note(&FoundFacts {
                vocabulary: (Arc::clone(&vocabulary), position(vocabulary_at)),
                rights: smallvec![
                    (GroupId(1), Arc::clone(&shoes), position(5)),
                    (GroupId(2), Arc::clone(rights), position(rights_at)),
                ],
            });
        };
        note(9, &shirts, 7);
        assert_eq!(groups(&noted, 5), Some(vec![GroupId(1), GroupId(2)]));
        assert_eq!(groups(&noted, 6), None);
        note(4, &shirts, 7);
        assert_eq!(groups(&noted, 4), Some(vec![GroupId(1), GroupId(2)]));
        assert_eq!(groups(&noted, 5), None);
        // Evicted: the rights of a group, and then the vocabulary.
        drop(shirts);
        assert_eq!(groups(&noted, 4), None);
        note(4, &shoes, 7);
        assert!(groups(&noted, 4).is_some());
        drop(vocabulary);
        assert_eq!(groups(&noted, 4), None);
    }

    #[test]
    fn facts_are_looked_up_every_16th_time() {
        let (noted, vocabulary) = (NotedFacts::default(), vocabulary());
        noted.note(&FoundFacts {
            vocabulary: (Arc::clone(&vocabulary), position(0)),
            rights: FoundRights::new(),
        });
        let looked_up = (0..32).filter(|_| groups(&noted, 0).is_none());
        assert_eq!(looked_up.count(), 2);
    }
}
