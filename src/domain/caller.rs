use std::{collections::BTreeSet, fmt};

use strum::IntoEnumIterator as _;

use super::{Code, KeyHash, KeyId};

/// One kind of calls that a caller may be permitted to make (`api.md`, "Who
/// calls"). No right includes another.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum CallerRight {
    /// `Check`, `BatchCheck`, `Explain` and `ListActions`.
    Check,
    /// The other questions: lists and access filters.
    List,
    /// Reads and writes of the administration, including imports.
    Administer,
    /// The audit log and its verification.
    Audit,
    /// Status and maintenance; for a caller with all tenants, also the
    /// administration of callers and tenants.
    Operate,
}

/// The set of rights of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerRights {
    /// Bit n stands for the right that is declared n-th, from 0.
    bits: u8,
}

impl CallerRights {
    /// Returns the set of all rights.
    #[must_use]
    pub fn all() -> Self {
        CallerRight::iter().collect()
    }

    /// True if the set contains `right`.
    #[must_use]
    pub fn holds(self, right: CallerRight) -> bool {
        self.bits & bit(right) != 0
    }

    /// Iterates over the rights in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = CallerRight> {
        CallerRight::iter().filter(move |right| self.holds(*right))
    }

    /// Returns the first right of `others` that this set does not contain.
    #[must_use]
    pub fn first_missing_of(self, others: Self) -> Option<CallerRight> {
        others.iter().find(|right| !self.holds(*right))
    }
}

impl FromIterator<CallerRight> for CallerRights {
    fn from_iter<I: IntoIterator<Item = CallerRight>>(rights: I) -> Self {
        let bits = rights.into_iter().map(bit).fold(0, |all, bit| all | bit);
        Self { bits }
    }
}

fn bit(right: CallerRight) -> u8 {
    match right {
        CallerRight::Check => 1,
        CallerRight::List => 1 << 1,
        CallerRight::Administer => 1 << 2,
        CallerRight::Audit => 1 << 3,
        CallerRight::Operate => 1 << 4,
    }
}

/// A right that a call requires, or that a write would grant, and that the caller
/// lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRight {
    /// The caller does not have the right.
    Right(CallerRight),
    /// The caller has the right, but not on all tenants.
    OnAllTenants(CallerRight),
}

impl MissingRight {
    /// Returns the missing right, in either case.
    #[must_use]
    pub fn right(self) -> CallerRight {
        match self {
            Self::Right(right) | Self::OnAllTenants(right) => right,
        }
    }
}

impl fmt::Display for MissingRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right(right) => write!(f, "the right `{right}`"),
            Self::OnAllTenants(right) => write!(f, "the right `{right}` on all tenants"),
        }
    }
}

/// Identity in an OIDC token: the claims `iss` and `sub`, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OidcIdentity {
    /// Issuer of the token (`iss`); 1 to 1,000 bytes.
    pub issuer: String,
    /// Subject of the token (`sub`); 1 to 255 bytes.
    pub subject: String,
}

/// A caller's key as stored; the secret cannot be recovered from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Id by which the key is looked up.
    pub id: KeyId,
    /// Hash of its secret.
    pub hash: KeyHash,
    /// Time of creation, in microseconds since 1970 by the database's clock.
    pub created_at: i64,
    /// Time from which the key is rejected, in microseconds since 1970; `None` if
    /// it does not expire.
    pub expires_at: Option<i64>,
}

/// A client of this service with its credentials: a backend service or a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name, compared as codes are (rules 1.5).
    pub name: Code,
    /// Tenants that it may name in requests; they need not exist.
    pub tenants: BTreeSet<Code>,
    /// True if it may name every tenant, including tenants created later.
    pub all_tenants: bool,
    /// Kinds of calls that it may make.
    pub rights: CallerRights,
    /// Subject alternative names of its client certificates, compared exactly.
    pub subject_alternative_names: BTreeSet<String>,
    /// OIDC identities that its tokens may state, compared exactly.
    pub oidc_identities: BTreeSet<OidcIdentity>,
    /// Keys, oldest first.
    pub keys: Vec<StoredKey>,
}

impl Caller {
    /// Returns a caller without credentials, tenants or rights.
    #[must_use]
    pub fn named(name: Code) -> Self {
        Self {
            name,
            tenants: BTreeSet::new(),
            all_tenants: false,
            rights: CallerRights::default(),
            subject_alternative_names: BTreeSet::new(),
            oidc_identities: BTreeSet::new(),
            keys: Vec::new(),
        }
    }

    /// True if it may name `tenant`.
    #[must_use]
    pub fn may_name(&self, tenant: &Code) -> bool {
        self.all_tenants || self.tenants.contains(tenant)
    }

    /// Checks that the caller has `right` on all tenants.
    ///
    /// # Errors
    ///
    /// Returns [`MissingRight`] if the caller lacks the right, or has it on some
    /// tenants only.
    pub fn require_on_all_tenants(&self, right: CallerRight) -> Result<(), MissingRight> {
        if !self.rights.holds(right) {
            return Err(MissingRight::Right(right));
        }
        if !self.all_tenants {
            return Err(MissingRight::OnAllTenants(right));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_set_contains_what_was_inserted() {
        for right in CallerRight::iter() {
            let alone: CallerRights = [right].into_iter().collect();
            assert_eq!(alone.iter().collect::<Vec<_>>(), [right]);
            assert!(CallerRights::all().holds(right));
            let missing = CallerRights::default().first_missing_of(alone);
            assert_eq!(missing, Some(right));
            assert_eq!(CallerRights::all().first_missing_of(alone), None);
        }
    }

    #[test]
    fn right_on_all_tenants_requires_right_and_all_tenants() {
        let mut caller = Caller::named("shop".parse().unwrap());
        let right = CallerRight::Operate;
        let required = |caller: &Caller| caller.require_on_all_tenants(right);
        assert_eq!(required(&caller), Err(MissingRight::Right(right)));
        caller.rights = [right].into_iter().collect();
        assert_eq!(required(&caller), Err(MissingRight::OnAllTenants(right)));
        caller.all_tenants = true;
        assert_eq!(required(&caller), Ok(()));
    }
}
