use uuid::Uuid;

/// Identifies one lease of a server that answers from its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(pub Uuid);
