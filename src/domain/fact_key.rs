use std::{convert::Infallible, fmt, str::FromStr};

use super::{Code, GroupId, ProductKind, ProductRef, RoleId, SubjectKind, SubjectRef};

/// Key of cached facts. A write announces the keys of the facts that it changes
/// before it commits.
///
/// Keys form a tree: a key covers itself and its descendants. They are stored as
/// text with the separator `/`: `tenant/acme/subjects/user/julia`. Codes are
/// folded (rules 1.5), and `/` and `%` in them are escaped as `%2F` and `%25`, so
/// that no code can be mistaken for a path segment. Callers belong to no tenant:
/// `callers`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FactKey {
    /// All facts of all tenants and the callers: `*`.
    Everything,
    /// All facts of a tenant, including whether it exists.
    Tenant(Code),
    /// All facts of one kind of a tenant.
    Section(Code, Section),
    /// One subject: its state, groups, roles and scopes.
    Subject(Code, SubjectRef),
    /// One role: its permissions.
    Role(Code, RoleId),
    /// Access rights of one user group.
    Rights(Code, GroupId),
    /// One product or model: its own categories and its parent.
    Product(Code, ProductRef),
    /// No cached fact of a tenant: the key of a write that changes none, such as a label.
    Nothing(Code),
    /// All callers of this service with their credentials: one fact.
    Callers,
}

/// Text of [`FactKey::Callers`].
const CALLERS: &str = "callers";

/// The last segments of [`FactKey::Role`] and [`FactKey::Nothing`], below the section of
/// the vocabulary: earlier releases cache roles as a part of it, and announce it for
/// everything else.
const ROLE: &str = "role";
const NOTHING: &str = "nothing";

/// Kinds of facts of a tenant.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::EnumString, strum::EnumIter,
)]
#[strum(serialize_all = "snake_case")]
pub enum Section {
    /// The edition and the catalog except products, one fact; and each role.
    Vocabulary,
    /// Users, apps and connections.
    Subjects,
    /// Access rights of user groups on items.
    Rights,
    /// Products and models.
    Products,
}

impl FactKey {
    /// Returns the parent key; `None` for [`FactKey::Everything`].
    #[must_use]
    pub fn above(&self) -> Option<Self> {
        match self {
            Self::Everything => None,
            Self::Tenant(_) | Self::Callers => Some(Self::Everything),
            Self::Section(tenant, _) => Some(Self::Tenant(tenant.clone())),
            Self::Role(tenant, _) | Self::Nothing(tenant) => {
                Some(Self::Section(tenant.clone(), Section::Vocabulary))
            }
            Self::Subject(tenant, _) => Some(Self::Section(tenant.clone(), Section::Subjects)),
            Self::Rights(tenant, _) => Some(Self::Section(tenant.clone(), Section::Rights)),
            Self::Product(tenant, _) => Some(Self::Section(tenant.clone(), Section::Products)),
        }
    }

    /// True if `other` is this key or one of its descendants.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let mut at = Some(other.clone());
        while let Some(key) = at {
            if key == *self {
                return true;
            }
            at = key.above();
        }
        false
    }

    /// Returns the tenant of the key; `None` if it covers all tenants or belongs
    /// to the installation.
    #[must_use]
    pub fn tenant(&self) -> Option<&Code> {
        match self {
            Self::Everything | Self::Callers => None,
            Self::Tenant(tenant)
            | Self::Section(tenant, _)
            | Self::Subject(tenant, _)
            | Self::Role(tenant, _)
            | Self::Rights(tenant, _)
            | Self::Product(tenant, _)
            | Self::Nothing(tenant) => Some(tenant),
        }
    }
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tenant) = self.tenant() {
            write!(f, "tenant/{}", escaped(tenant))?;
        }
        match self {
            Self::Everything => f.write_str("*"),
            Self::Callers => f.write_str(CALLERS),
            Self::Tenant(_) => Ok(()),
            Self::Section(_, section) => write!(f, "/{section}"),
            Self::Subject(_, SubjectRef { kind, code }) => {
                write!(f, "/{}/{kind}/{}", Section::Subjects, escaped(code))
            }
            Self::Role(_, RoleId(role)) => write!(f, "/{}/{ROLE}/{role}", Section::Vocabulary),
            Self::Nothing(_) => write!(f, "/{}/{NOTHING}", Section::Vocabulary),
            Self::Rights(_, GroupId(group)) => write!(f, "/{}/{group}", Section::Rights),
            Self::Product(_, ProductRef { kind, code }) => {
                write!(f, "/{}/{kind}/{}", Section::Products, escaped(code))
            }
        }
    }
}

impl FromStr for FactKey {
    type Err = Infallible;

    /// Parses an announced key. A key that this release does not know parses as
    /// its nearest known ancestor, so that too much is invalidated and never too
    /// little.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut steps = text.split('/');
        if text == CALLERS {
            return Ok(Self::Callers);
        }
        let mut step = || steps.next();
        let (Some("tenant"), Some(tenant)) = (step(), step().and_then(unescaped)) else {
            return Ok(Self::Everything);
        };
        let Some(section) = step().and_then(|section| section.parse::<Section>().ok()) else {
            return Ok(Self::Tenant(tenant));
        };
        let (first, second) = (step(), step());
        let leaf = match section {
            Section::Vocabulary => of_vocabulary(&tenant, first, second),
            Section::Subjects => subject(first, second).map(|it| Self::Subject(tenant.clone(), it)),
            Section::Rights => first
                .and_then(|group| group.parse().ok())
                .map(|group| Self::Rights(tenant.clone(), GroupId(group))),
            Section::Products => product(first, second).map(|it| Self::Product(tenant.clone(), it)),
        };
        Ok(leaf.unwrap_or(Self::Section(tenant, section)))
    }
}

fn of_vocabulary(tenant: &Code, kind: Option<&str>, role: Option<&str>) -> Option<FactKey> {
    let tenant = tenant.clone();
    match (kind?, role) {
        (ROLE, Some(role)) => Some(FactKey::Role(tenant, RoleId(role.parse().ok()?))),
        (NOTHING, None) => Some(FactKey::Nothing(tenant)),
        _ => None,
    }
}

fn subject(kind: Option<&str>, code: Option<&str>) -> Option<SubjectRef> {
    let kind: SubjectKind = kind?.parse().ok()?;
    let code = unescaped(code?)?;
    Some(SubjectRef { kind, code })
}

fn product(kind: Option<&str>, code: Option<&str>) -> Option<ProductRef> {
    let kind: ProductKind = kind?.parse().ok()?;
    let code = unescaped(code?)?;
    Some(ProductRef { kind, code })
}

fn escaped(code: &Code) -> String {
    code.folded().replace('%', "%25").replace('/', "%2F")
}

/// Parses the code in a path segment; `None` if it is not a valid code, such as
/// one that folding made longer than a code may be.
fn unescaped(step: &str) -> Option<Code> {
    step.replace("%2F", "/").replace("%25", "%").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Code {
        text.parse().unwrap()
    }

    fn user(tenant: &str, name: &str) -> FactKey {
        let kind = SubjectKind::User;
        FactKey::Subject(
            code(tenant),
            SubjectRef {
                kind,
                code: code(name),
            },
        )
    }

    fn product(kind: ProductKind, name: &str) -> FactKey {
        let code = name.parse().unwrap();
        FactKey::Product("t".parse().unwrap(), ProductRef { kind, code })
    }

    #[test]
    fn key_round_trips_through_its_text() {
        let keys = [
            FactKey::Everything,
            FactKey::Callers,
            FactKey::Tenant(code("callers")),
            FactKey::Tenant(code("Acme")),
            FactKey::Section(code("acme"), Section::Products),
            FactKey::Rights(code("acme"), GroupId(17)),
            FactKey::Role(code("acme"), RoleId(17)),
            FactKey::Nothing(code("acme")),
            user("acme", "julia"),
            user("a/b", "c%2Fd/%25"),
            user("a", "subjects/user/x"),
            product(ProductKind::Model, "x/y"),
            product(ProductKind::Product, "*"),
        ];
        for key in keys {
            let Ok(read) = key.to_string().parse::<FactKey>();
            assert_eq!(read, key, "{key}");
        }
    }

    #[test]
    fn different_keys_have_different_texts() {
        let keys = [
            user("a/subjects/user/b", "c"),
            user("a", "b/subjects/user/c"),
            user("a", "b%2Fsubjects%2Fuser%2Fc"),
            user("a%2Fb", "c"),
            user("a/b", "c"),
            user("a", "product/c"),
            product(ProductKind::Model, "c"),
            product(ProductKind::Product, "c"),
            FactKey::Section(code("t"), Section::Subjects),
            FactKey::Tenant(code("t/subjects")),
            FactKey::Tenant(code("*")),
            FactKey::Tenant(code("callers")),
            FactKey::Callers,
            FactKey::Everything,
        ];
        let texts: std::collections::HashSet<String> =
            keys.iter().map(FactKey::to_string).collect();
        assert_eq!(texts.len(), keys.len());
        for key in &keys {
            let covered = keys.iter().filter(|other| other.covers(key));
            let sound = covered.filter(|other| *other != key && **other != FactKey::Everything);
            assert_eq!(sound.collect::<Vec<_>>(), Vec::<&FactKey>::new(), "{key}");
        }
    }

    #[test]
    fn unknown_key_parses_as_nearest_known_ancestor() {
        let tenant = code("acme");
        let of = |section| FactKey::Section(tenant.clone(), section);
        let cases = [
            ("", FactKey::Everything),
            ("planet/mars", FactKey::Everything),
            ("tenant/", FactKey::Everything),
            ("tenant/acme/assets/x", FactKey::Tenant(tenant.clone())),
            ("tenant/acme/subjects/robot/r2", of(Section::Subjects)),
            ("tenant/acme/subjects/user", of(Section::Subjects)),
            ("tenant/acme/rights/first", of(Section::Rights)),
            ("tenant/acme/products/bundle/x", of(Section::Products)),
            ("tenant/acme/vocabulary/roles", of(Section::Vocabulary)),
        ];
        for (text, expected) in cases {
            let Ok(read) = text.parse::<FactKey>();
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn key_covers_its_descendants() {
        let tenant = FactKey::Tenant(code("acme"));
        let section = FactKey::Section(code("acme"), Section::Subjects);
        let julia = user("ACME", "Julia");
        assert!(FactKey::Everything.covers(&julia));
        assert!(tenant.covers(&julia) && section.covers(&julia) && julia.covers(&julia));
        assert!(!julia.covers(&section) && !section.covers(&tenant));
        assert!(!FactKey::Tenant(code("acm")).covers(&julia));
        assert!(FactKey::Everything.covers(&FactKey::Callers));
        assert!(!FactKey::Callers.covers(&julia) && !tenant.covers(&FactKey::Callers));
    }
}
