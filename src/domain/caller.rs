use std::{collections::BTreeSet, fmt};

use strum::IntoEnumIterator as _;

use super::{Code, KeyHash, KeyId};

/// One kind of calls that a caller may be given (`api.md`, "Who calls"). None
/// includes another.
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
    /// Check, `BatchCheck`, Explain and `ListActions`.
    Check,
    /// The other questions: lists and access filters.
    List,
    /// Reads and writes of the administration, imports included.
    Administer,
    /// The audit log and its verification.
    Audit,
    /// Status and maintenance; on all tenants also callers, and tenants
    /// themselves.
    Operate,
}

/// A set of rights of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerRights {
    /// Bit n: the right that is declared n-th.
    bits: u8,
}

impl CallerRights {
    /// Every right.
    #[must_use]
    pub fn all() -> Self {
        CallerRight::iter().collect()
    }

    /// Whether `right` is one of them.
    #[must_use]
    pub fn holds(self, right: CallerRight) -> bool {
        self.bits & bit(right) != 0
    }

    /// The rights, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = CallerRight> {
        CallerRight::iter().filter(move |right| self.holds(*right))
    }

    /// The first right of `others` that is not one of these.
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

/// A right that a call needs, or that a write would give, and its caller lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingRight {
    /// The right itself.
    Right(CallerRight),
    /// The right on all tenants: it is there, for some.
    OnAllTenants(CallerRight),
}

impl MissingRight {
    /// The right, wherever it would count.
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

/// Whom an OIDC token is about: the claims `iss` and `sub`, compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OidcIdentity {
    /// Who issued the token; 1 to 1,000 bytes.
    pub issuer: String,
    /// Whom it is about; 1 to 255 bytes.
    pub subject: String,
}

/// A key of a caller as it is stored; its secret cannot be read from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// By which it is found.
    pub id: KeyId,
    /// Of its secret.
    pub hash: KeyHash,
    /// When it was created, in microseconds since 1970 by the database's clock.
    pub created_at: i64,
    /// From when on it is refused, in microseconds since 1970; `None`: it does
    /// not expire.
    pub expires_at: Option<i64>,
}

/// Who may call this service: a backend service or a person, with credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name, compared as codes are (rules 1.5).
    pub name: Code,
    /// The tenants that it may name; they need not exist.
    pub tenants: BTreeSet<Code>,
    /// Whether it may name every tenant, later ones included.
    pub all_tenants: bool,
    /// What it may call.
    pub rights: CallerRights,
    /// The subject alternative names of its client certificates, exact.
    pub subject_alternative_names: BTreeSet<String>,
    /// The identities that its tokens state, exact.
    pub oidc_identities: BTreeSet<OidcIdentity>,
    /// Its keys, oldest first.
    pub keys: Vec<StoredKey>,
}

impl Caller {
    /// A caller without credentials that may do nothing.
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

    /// Whether it may name `tenant`.
    #[must_use]
    pub fn may_name(&self, tenant: &Code) -> bool {
        self.all_tenants || self.tenants.contains(tenant)
    }

    /// Requires `right` on all tenants.
    ///
    /// # Errors
    ///
    /// What of it is missing.
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
    fn a_set_of_rights_holds_what_was_put_in() {
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
    fn a_right_on_all_tenants_needs_both() {
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
