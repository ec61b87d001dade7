use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use hashbrown::HashMap;

use super::{Caller, KeyHash, KeyId, OidcIdentity, PresentedKey, SecretTag, SecretTagger};

/// All callers of an installation, indexed by their credentials.
///
/// It is cached whole, as one fact: there are few callers, and an unknown key is
/// rejected without reading the database and without caching the key.
#[derive(Debug, Default)]
pub struct CallerDirectory {
    callers: Vec<Arc<Caller>>,
    /// Ordered, since comparing a few ids costs less than hashing one.
    keys: BTreeMap<KeyId, KeyEntry>,
    tagger: SecretTagger,
    subject_alternative_names: HashMap<String, Arc<Caller>>,
    oidc_identities: HashMap<OidcIdentity, Arc<Caller>>,
}

#[derive(Debug)]
struct KeyEntry {
    caller: Arc<Caller>,
    hash: KeyHash,
    /// Tag of the secret, set once a presented secret has matched the hash.
    /// Comparing tags costs a tenth of computing the hash.
    tag: OnceLock<SecretTag>,
    /// Expiry, in microseconds since 1970; `None` if the key does not expire.
    expires_at: Option<i64>,
}

impl CallerDirectory {
    /// Builds the directory of these callers.
    #[must_use]
    pub fn of(callers: Vec<Caller>) -> Self {
        let mut directory = Self::default();
        for caller in callers {
            directory.add(Arc::new(caller));
        }
        directory
    }

    fn add(&mut self, caller: Arc<Caller>) {
        for key in &caller.keys {
            let entry = KeyEntry {
                caller: Arc::clone(&caller),
                hash: key.hash,
                tag: OnceLock::new(),
                expires_at: key.expires_at,
            };
            self.keys.insert(key.id, entry);
        }
        for name in &caller.subject_alternative_names {
            self.subject_alternative_names
                .insert(name.clone(), Arc::clone(&caller));
        }
        for identity in &caller.oidc_identities {
            self.oidc_identities
                .insert(identity.clone(), Arc::clone(&caller));
        }
        self.callers.push(caller);
    }

    /// True if there are no callers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Returns the caller with this key at `now`, in microseconds since 1970;
    /// `None` if the key is unknown, has another secret or has expired.
    #[must_use]
    pub fn find_by_key(&self, key: &PresentedKey<'_>, now: i64) -> Option<&Arc<Caller>> {
        let entry = self.keys.get(&key.id)?;
        let tag = key.tag(&self.tagger);
        let matched_before = entry.tag.get() == Some(&tag);
        if !matched_before {
            if !key.matches(&entry.hash) {
                return None;
            }
            // A concurrent call may have set the same tag already.
            let _tagged_before = entry.tag.set(tag);
        }
        entry.is_good(now).then_some(&entry.caller)
    }

    /// Returns the caller with this key id if the key has not expired at `now`,
    /// in microseconds since 1970. Does not check the secret: for calls that have
    /// presented it before.
    #[must_use]
    pub fn find_by_key_id(&self, id: KeyId, now: i64) -> Option<&Arc<Caller>> {
        let entry = self.keys.get(&id)?;
        entry.is_good(now).then_some(&entry.caller)
    }

    /// Returns the caller with one of these subject alternative names, compared
    /// exactly; `None` if no caller or several callers match.
    #[must_use]
    pub fn find_by_subject_alternative_names<N: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = N>,
    ) -> Option<&Arc<Caller>> {
        let mut found = names
            .into_iter()
            .filter_map(|name| self.subject_alternative_names.get(name.as_ref()));
        let first = found.next()?;
        found
            .all(|other| Arc::ptr_eq(first, other))
            .then_some(first)
    }

    /// Returns the caller with this identity, compared exactly.
    #[must_use]
    pub fn find_by_oidc_identity(&self, identity: &OidcIdentity) -> Option<&Arc<Caller>> {
        self.oidc_identities.get(identity)
    }
}

impl KeyEntry {
    fn is_good(&self, now: i64) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::domain::{CallerKey, StoredKey};

    #[test]
    fn a_caller_is_found_by_each_of_its_credentials() {
        let key = CallerKey::of([7; CallerKey::RANDOM_BYTES]);
        let other = CallerKey::of([8; CallerKey::RANDOM_BYTES]);
        let identity = OidcIdentity {
            issuer: "https://id.example".to_owned(),
            subject: "shop".to_owned(),
        };
        let mut caller = Caller::named("shop".parse().unwrap());
        caller.keys.push(StoredKey {
            id: key.id(),
            hash: key.hash(),
            created_at: 0,
            expires_at: Some(1_000),
        });
        caller
            .subject_alternative_names
            .insert("shop.example".to_owned());
        caller.oidc_identities.insert(identity.clone());
        let directory = CallerDirectory::of(vec![caller]);
        let presented = |key: &CallerKey, now| {
            let text = key.text().expose_secret().as_bytes().to_vec();
            let key = PresentedKey::parse(&text).unwrap();
            directory.find_by_key(&key, now).is_some()
        };
        // The second iteration matches the secret by its tag.
        for _ in 0..2 {
            assert!(presented(&key, 999));
            assert!(!presented(&key, 1_000));
            assert!(!presented(&other, 0));
        }
        assert!(directory.find_by_key_id(key.id(), 999).is_some());
        assert!(directory.find_by_key_id(key.id(), 1_000).is_none());
        assert!(directory.find_by_oidc_identity(&identity).is_some());
    }

    #[test]
    fn wrong_secret_is_rejected_before_and_after_the_right_one() {
        let key = CallerKey::of([7; CallerKey::RANDOM_BYTES]);
        let mut caller = Caller::named("shop".parse().unwrap());
        caller.keys.push(StoredKey {
            id: key.id(),
            hash: key.hash(),
            created_at: 0,
            expires_at: None,
        });
        let directory = CallerDirectory::of(vec![caller]);
        let is_found = |text: &[u8]| {
            let key = PresentedKey::parse(text).unwrap();
            directory.find_by_key(&key, 0).is_some()
        };
        let right = key.text().expose_secret().as_bytes().to_vec();
        let mut wrong = right.clone();
        wrong[40] ^= 1;
        for (text, expected) in [
            (&wrong, false),
            (&right, true),
            (&wrong, false),
            (&right, true),
        ] {
            assert_eq!(is_found(text), expected);
        }
    }

    #[test]
    fn names_of_several_callers_match_no_caller() {
        let caller = |name: &str, names: &[&str]| {
            let mut caller = Caller::named(name.parse().unwrap());
            let names = names.iter().map(|&name| name.to_owned());
            caller.subject_alternative_names.extend(names);
            caller
        };
        let directory = CallerDirectory::of(vec![
            caller("shop", &["shop.example", "spiffe://example/shop"]),
            caller("pim", &["pim.example"]),
        ]);
        let found = |names: &[&str]| {
            let found = directory.find_by_subject_alternative_names(names);
            found.map(|caller| caller.name.to_string())
        };
        for (names, expected) in [
            (&["shop.example"][..], Some("shop")),
            (&["other.example", "shop.example"], Some("shop")),
            (&["spiffe://example/shop", "shop.example"], Some("shop")),
            (&["SHOP.example"], None),
            (&["*.example"], None),
            (&["shop.example", "pim.example"], None),
            (&["pim.example", "x", "shop.example"], None),
            (&[], None),
        ] {
            assert_eq!(found(names).as_deref(), expected, "{names:?}");
        }
    }
}
