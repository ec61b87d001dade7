//! The rights of a subject's user groups, as the last look-up found them.
//!
//! They spare the next question about the subject a look-up for each of its groups. They
//! do not keep evicted facts in memory, and each has the position of the cached fact that
//! it is: it counts exactly as long as that does.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU32, Ordering},
};

use arc_swap::ArcSwapOption;

use super::watermarks::ReadPosition;
use crate::domain::{GroupFacts, GroupId};

/// Every how many uses the groups are looked up all the same, so that the cache knows that
/// their rights are used, and evicts others.
const LOOKED_UP_EVERY: u32 = 16;

/// Bytes for each group.
pub(super) const BYTES_A_GROUP: usize = size_of::<GroupRights>();

/// The rights of a user group: the cached fact and its position.
pub(super) type GroupRights = (GroupId, Weak<GroupFacts>, ReadPosition);

/// The rights of all user groups of a cached subject.
#[derive(Debug, Default)]
pub(super) struct SubjectRights {
    noted: ArcSwapOption<Vec<GroupRights>>,
    uses: AtomicU32,
}

impl SubjectRights {
    /// Passes the rights of each user group, with their position, to `each`. False if some
    /// must be looked up: they are not known, evicted or not current, or it is their turn.
    pub(super) fn all(
        &self,
        is_current: impl Fn(&ReadPosition) -> bool,
        mut each: impl FnMut(GroupId, Arc<GroupFacts>, ReadPosition),
    ) -> bool {
        if self
            .uses
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(LOOKED_UP_EVERY)
        {
            return false;
        }
        let noted = self.noted.load();
        let Some(noted) = noted.as_deref() else {
            return false;
        };
        noted.iter().all(|(group, rights, position)| {
            let rights = rights.upgrade().filter(|_| is_current(position));
            rights
                .map(|rights| each(*group, rights, *position))
                .is_some()
        })
    }

    /// Notes the rights of all user groups of the subject, which were looked up.
    pub(super) fn note(&self, rights: Vec<GroupRights>) {
        self.noted.store(Some(Arc::new(rights)));
    }
}

#[cfg(test)]
mod tests {
    use hashbrown::HashMap;

    use super::*;
    use crate::{
        cache::watermarks::Watermarks,
        domain::{FactKey, Level},
    };

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

    /// Returns the groups that are passed on, or nothing if some must be looked up.
    fn passed(subject: &SubjectRights, current_from: u64) -> Option<Vec<GroupId>> {
        let mut groups = Vec::new();
        let are_all = subject.all(
            |position| position.as_of >= current_from,
            |group, _, _| groups.push(group),
        );
        are_all.then_some(groups)
    }

    #[test]
    fn rights_are_passed_on_while_all_are_cached_and_current() {
        let (shoes, shirts) = (rights_of("shoes"), rights_of("shirts"));
        let subject = SubjectRights::default();
        assert_eq!(passed(&subject, 0), None);
        subject.note(vec![
            (GroupId(1), Arc::downgrade(&shoes), position(5)),
            (GroupId(2), Arc::downgrade(&shirts), position(7)),
        ]);
        assert_eq!(passed(&subject, 5), Some(vec![GroupId(1), GroupId(2)]));
        assert_eq!(passed(&subject, 6), None);
        drop(shirts);
        assert_eq!(passed(&subject, 5), None);
    }

    #[test]
    fn groups_are_looked_up_every_16th_time() {
        let subject = SubjectRights::default();
        subject.note(Vec::new());
        let looked_up = (0..32).filter(|_| passed(&subject, 0).is_none());
        assert_eq!(looked_up.count(), 2);
    }
}
