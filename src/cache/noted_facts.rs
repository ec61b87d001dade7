//! What the last look-up for a subject found beside it: the vocabulary of its tenant, its
//! roles and the rights of its user groups.
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

use crate::domain::{RoleFacts, RoleId};

use super::{
    cached_vocabulary::CachedVocabulary,
    rights_set::RightsSet,
    watermarks::{ReadPosition, Watermarks},
};

/// Every how many uses the facts are looked up all the same, so that the cache knows that
/// they are used, and evicts others.
const LOOKED_UP_EVERY: u32 = 16;

/// The roles of a subject, each with the position of the cached fact.
pub(super) type FoundRoles = SmallVec<[(RoleId, Arc<RoleFacts>, ReadPosition); 2]>;

/// The vocabulary and the subject's roles with the positions of the cached facts, and the
/// rights of its user groups.
#[derive(Clone, Debug)]
pub(super) struct FoundFacts {
    pub(super) vocabulary: (Arc<CachedVocabulary>, ReadPosition),
    pub(super) roles: FoundRoles,
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
    roles: Box<[(RoleId, Weak<RoleFacts>, ReadPosition)]>,
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
        let noted = noted.as_deref()?;
        let (vocabulary, position) = &noted.vocabulary;
        let is_current = |at| watermarks.is_current(at, epoch);
        if !is_current(position) {
            return None;
        }
        let roles = noted.roles.iter().map(|(role, facts, at)| {
            let facts = facts.upgrade().filter(|_| is_current(at))?;
            Some((*role, facts, *at))
        });
        let roles = roles.collect::<Option<_>>()?;
        let rights = noted.rights.upgrade()?;
        rights.is_current(watermarks, epoch).then_some(())?;
        Some(FoundFacts {
            vocabulary: (vocabulary.upgrade()?, *position),
            roles,
            rights,
        })
    }

    /// Notes the facts, which were looked up.
    pub(super) fn note(&self, found: &FoundFacts) {
        let (vocabulary, position) = &found.vocabulary;
        let roles = found.roles.iter();
        let roles = roles.map(|(role, facts, at)| (*role, Arc::downgrade(facts), *at));
        let noted = Noted {
            vocabulary: (Arc::downgrade(vocabulary), *position),
            roles: roles.collect(),
            rights: Arc::downgrade(&found.rights),
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
        cache::{products::Products, rights_set::FoundRights},
        domain::{Code, Edition, FactKey, PermissionSet, Section, Vocabulary},
        store::TenantId,
    };

    const EPOCH: u64 = 1;

    fn acme() -> Code {
        "acme".parse().unwrap()
    }

    fn key() -> FactKey {
        FactKey::Section(acme(), Section::Vocabulary)
    }

    fn role_key() -> FactKey {
        FactKey::Role(acme(), RoleId(1))
    }

    fn vocabulary() -> Arc<CachedVocabulary> {
        let vocabulary = Vocabulary {
            edition: Edition::Enterprise,
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
        let editor = RoleFacts {
            code: "editor".parse().unwrap(),
            permissions: PermissionSet::default(),
        };
        let role_position = ReadPosition {
            slots: watermarks.slots(&role_key()),
            ..position
        };
        FoundFacts {
            vocabulary: (vocabulary(), position),
            roles: smallvec![(RoleId(1), Arc::new(editor), role_position)],
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
    }

    #[test]
    fn rule_6_1_facts_are_found_until_a_role_of_the_subject_is_announced() {
        let watermarks = Watermarks::default();
        let noted = NotedFacts::default();
        let is_found = || noted.find(&watermarks, EPOCH).is_some();
        assert!(!is_found());
        let found = facts(&watermarks);
        noted.note(&found);
        for another in [FactKey::Role(acme(), RoleId(2)), FactKey::Nothing(acme())] {
            watermarks.raise(&another, 6);
            assert!(is_found(), "{another}");
        }
        watermarks.raise(&role_key(), 6);
        assert!(!is_found());
    }

    #[test]
    fn facts_are_not_found_once_one_is_evicted() {
        let watermarks = Watermarks::default();
        let noted = NotedFacts::default();
        assert!(noted.find(&watermarks, EPOCH).is_none());
        for evicted in 0..3 {
            let FoundFacts {
                vocabulary,
                roles,
                rights,
            } = facts(&watermarks);
            noted.note(&FoundFacts {
                vocabulary: vocabulary.clone(),
                roles: roles.clone(),
                rights: Arc::clone(&rights),
            });
            assert!(noted.find(&watermarks, EPOCH).is_some());
            let (mut vocabulary, mut roles, mut rights) =
                (Some(vocabulary), Some(roles), Some(rights));
            match evicted {
                0 => vocabulary = None,
                1 => roles = None,
                _ => rights = None,
            }
            assert!(noted.find(&watermarks, EPOCH).is_none(), "{evicted}");
            drop((vocabulary, roles, rights));
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
