use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use super::{Caller, KeyHash, KeyId, OidcIdentity, PresentedKey, SecretTag, SecretTagger};

/// All callers of an installation, found by what they authenticate with.
///
/// It is one fact, kept whole: there are few callers, and a key that is unknown is
/// unknown to it without asking the database and without being kept.
#[derive(Debug, Default)]
pub struct CallerDirectory {
    callers: Vec<Arc<Caller>>,
    keys: HashMap<KeyId, KeyOf>,
    tagger: SecretTagger,
    subject_alternative_names: HashMap<String, Arc<Caller>>,
    oidc_identities: HashMap<OidcIdentity, Arc<Caller>>,
}

#[derive(Debug)]
struct KeyOf {
    caller: Arc<Caller>,
    hash: KeyHash,
    /// The tag of the secret, once one has matched the hash: to compare tags costs a
    /// tenth of a hash.
    tag: OnceLock<SecretTag>,
    /// In microseconds since 1970; `None`: it does not expire.
    expires_at: Option<i64>,
}

impl CallerDirectory {
    /// Of these callers.
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
            let held = KeyOf {
                caller: Arc::clone(&caller),
                hash: key.hash,
                tag: OnceLock::new(),
                expires_at: key.expires_at,
            };
            self.keys.insert(key.id, held);
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

    /// Whether there is no caller at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// The caller whose key this is at `now`, in microseconds since 1970; `None`:
    /// it is unknown, has another secret, or has expired.
    #[must_use]
    pub fn find_by_key(&self, key: &PresentedKey<'_>, now: i64) -> Option<&Arc<Caller>> {
        let held = self.keys.get(&key.id)?;
        let tag = key.tag(&self.tagger);
        let matched_before = held.tag.get() == Some(&tag);
        if !matched_before {
            if !key.matches(&held.hash) {
                return None;
            }
            // Another call may have been first, with the same secret.
            let _tagged_before = held.tag.set(tag);
        }
        held.is_good(now).then_some(&held.caller)
    }

    /// The caller that has a key with this id which is still good at `now`; for a
    /// call that showed its secret before.
    #[must_use]
    pub fn find_by_key_id(&self, id: KeyId, now: i64) -> Option<&Arc<Caller>> {
        let held = self.keys.get(&id)?;
        held.is_good(now).then_some(&held.caller)
    }

    /// The caller that has one of these subject alternative names, exactly; `None`:
    /// no caller has one, or several callers have.
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

    /// The caller that has this identity, exactly.
    #[must_use]
    pub fn find_by_oidc_identity(&self, identity: &OidcIdentity) -> Option<&Arc<Caller>> {
        self.oidc_identities.get(identity)
    }
}

impl KeyOf {
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
        // The second time its secret is known by its tag.
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
    fn a_wrong_secret_is_refused_before_and_after_the_right_one() {
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
    fn names_of_several_callers_are_those_of_none() {
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
