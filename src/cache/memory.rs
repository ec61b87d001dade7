use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use moka::sync::Cache as Moka;
use smallvec::SmallVec;

use crate::{
    domain::{
        Code, FactKey, GroupFacts, GroupId, ProductFacts, RoleFacts, SubjectFacts, Vocabulary,
    },
    store::TenantId,
};

use super::{
    cached_vocabulary::CachedVocabulary,
    noted_facts::NotedFacts,
    products::{ProductReadPosition, ProductsReadPosition},
    rights_set::RightsSet,
    watermarks::ReadPosition,
};

/// A subject, with what was found beside it.
#[derive(Clone, Debug)]
pub(super) struct CachedSubject {
    pub(super) facts: Arc<SubjectFacts>,
    pub(super) noted: Arc<NotedFacts>,
}

impl CachedSubject {
    /// Creates a subject beside which nothing was found yet.
    pub(super) fn of(facts: Arc<SubjectFacts>) -> Self {
        Self {
            facts,
            noted: Arc::default(),
        }
    }
}

/// The positions of all facts that an answer from memory used.
#[derive(Debug, Default)]
pub(super) struct ReadPositions {
    pub(super) facts: SmallVec<[ReadPosition; 8]>,
    pub(super) products: Vec<ProductReadPosition>,
    pub(super) list: Option<ProductsReadPosition>,
}

/// A cached fact; `None`: it is known not to be stored. The absence of a role or of a
/// group's rights is not cached.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Vocabulary(Option<Arc<CachedVocabulary>>),
    Subject(Option<CachedSubject>),
    Role(Arc<RoleFacts>),
    Rights(Arc<GroupFacts>),
    Product(Option<Arc<ProductFacts>>),
}

/// A cached fact with its position.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) position: ReadPosition,
    pub(super) fact: Fact,
}

/// The bounded cache. It does not check whether an entry is stale.
///
/// Absent facts have a small part of their own, so that questions about unknown
/// names do not evict stored facts.
#[derive(Debug)]
pub(super) struct Memory {
    entries: Moka<FactKey, Entry, DefaultHashBuilder>,
    absences: Moka<FactKey, Entry, DefaultHashBuilder>,
    /// The rights of user groups that subjects are in together, by these groups. They
    /// depend on entries, and count as long as those do.
    rights_sets: Moka<RightsSetKey, Arc<RightsSet>, DefaultHashBuilder>,
}

/// A tenant and user groups of it.
type RightsSetKey = (TenantId, Arc<[GroupId]>);

/// Divisor of the memory size that gives the part for absent facts, and that for sets of
/// rights.
const SMALL_PART: u64 = 16;

impl Memory {
    pub(super) fn of(bytes: u64) -> Self {
        let of = |bytes| {
            Moka::builder()
                .max_capacity(bytes)
                .weigher(|key: &FactKey, entry: &Entry| weight(key, entry))
                .build_with_hasher(DefaultHashBuilder::default())
        };
        let small_part = bytes / SMALL_PART;
        let rights_sets = Moka::builder()
            .max_capacity(small_part)
            .weigher(|(_, groups): &RightsSetKey, set: &Arc<RightsSet>| {
                let bytes = OVERHEAD + groups.len() * size_of::<GroupId>() + set.bytes();
                u32::try_from(bytes).unwrap_or(u32::MAX)
            })
            .build_with_hasher(DefaultHashBuilder::default());
        Self {
            entries: of(bytes - 2 * small_part),
            absences: of(small_part),
            rights_sets,
        }
    }

    pub(super) fn get(&self, key: &FactKey) -> Option<Entry> {
        self.entries.get(key).or_else(|| self.absences.get(key))
    }

    /// Inserts an entry. An older entry that arrives later is harmless, since its
    /// watermark makes it stale. So are two concurrent inserts of a stored and an
    /// absent fact: each has its own position.
    pub(super) fn put(&self, key: FactKey, entry: Entry) {
        let (into, other) = if entry.fact.is_absence() {
            (&self.absences, &self.entries)
        } else {
            (&self.entries, &self.absences)
        };
        other.invalidate(&key);
        into.insert(key, entry);
    }

    /// Returns the rights of the user groups of subjects that are in the same ones.
    pub(super) fn rights_set(
        &self,
        tenant: TenantId,
        groups: &Arc<[GroupId]>,
    ) -> Option<Arc<RightsSet>> {
        self.rights_sets.get(&(tenant, Arc::clone(groups)))
    }

    /// Inserts the rights of the user groups of subjects that are in the same ones.
    pub(super) fn put_rights_set(
        &self,
        tenant: TenantId,
        groups: Arc<[GroupId]>,
        set: Arc<RightsSet>,
    ) {
        self.rights_sets.insert((tenant, groups), set);
    }

    /// Evicts `key`. Descendants are invalidated by their watermark.
    pub(super) fn free(&self, key: &FactKey) {
        self.entries.invalidate(key);
        self.absences.invalidate(key);
    }

    /// Evicts everything.
    pub(super) fn free_everything(&self) {
        self.entries.invalidate_all();
        self.absences.invalidate_all();
        self.rights_sets.invalidate_all();
    }

    /// Returns the number of entries and their bytes; both lag behind.
    pub(super) fn size(&self) -> (u64, u64) {
        (
            self.entries.entry_count() + self.absences.entry_count(),
            self.entries.weighted_size()
                + self.absences.weighted_size()
                + self.rights_sets.weighted_size(),
        )
    }
}

impl Fact {
    /// True if the fact is known not to be stored.
    fn is_absence(&self) -> bool {
        match self {
            Self::Vocabulary(found) => found.is_none(),
            Self::Subject(found) => found.is_none(),
            Self::Product(found) => found.is_none(),
            Self::Role(_) | Self::Rights(_) => false,
        }
    }
}

/// Bytes of an entry beside its contents and the codes of its key: the rest of
/// the key, its position, and the overhead of moka.
const OVERHEAD: usize = 300;

/// Returns the bytes of a key's codes. A code has an allocation, and a second one if
/// its folded form differs; those that share one are counted each.
fn key_bytes(key: &FactKey) -> usize {
    let tenant = key.tenant().map_or(0, code_bytes);
    let rest = match key {
        FactKey::Everything
        | FactKey::Tenant(_)
        | FactKey::Section(..)
        | FactKey::Role(..)
        | FactKey::Rights(..)
        | FactKey::Nothing(_)
        | FactKey::Callers => 0,
        FactKey::Subject(_, subject) => code_bytes(&subject.code),
        FactKey::Product(_, product) => code_bytes(&product.code),
    };
    tenant + rest
}

fn code_bytes(code: &Code) -> usize {
    /// Overhead of a shared allocation, rounding included.
    const ALLOCATION: usize = 40;
    let written = code.as_str().len() + ALLOCATION;
    if code.as_str() == code.folded() {
        written
    } else {
        2 * written
    }
}

/// Returns the estimated bytes of an entry.
fn weight(key: &FactKey, entry: &Entry) -> u32 {
    let contents = match &entry.fact {
        Fact::Vocabulary(known) => known
            .as_ref()
            .map_or(0, |known| vocabulary_bytes(&known.vocabulary)),
        Fact::Subject(subject) => subject.as_ref().map_or(0, |subject| {
            let (groups, roles) = (subject.facts.groups.len(), subject.facts.roles.len());
            232 + 4 * roles + 4 * groups
        }),
        Fact::Role(role) => size_of::<RoleFacts>() + code_bytes(&role.code),
        Fact::Rights(group) => 96 + 12 * group.rights.len(),
        Fact::Product(product) => product
            .as_ref()
            .map_or(0, |product| 96 + 4 * product.categories.len()),
    };
    u32::try_from(OVERHEAD + key_bytes(key) + contents).unwrap_or(u32::MAX)
}

fn vocabulary_bytes(vocabulary: &Vocabulary) -> usize {
    let items = vocabulary.items.len() * 160;
    let attributes = vocabulary.attributes.len() * 120;
    let views = vocabulary.grid_views.values();
    let views: usize = views
        .map(|view| 120 + 4 * view.attribute_groups.len())
        .sum();
    items + attributes + views
}
