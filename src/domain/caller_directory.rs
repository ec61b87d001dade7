use std::{collections::HashMap, sync::Arc};

use super::{Caller, KeyHash, KeyId, OidcIdentity, PresentedKey};

/// All callers of an installation, found by what they authenticate with.
///
/// It is one fact, kept whole: there are few callers, and a key that is unknown is
/// unknown to it without asking the database and without being kept.
#[derive(Debug, Default)]
pub struct CallerDirectory {
    callers: Vec<Arc<Caller>>,
    keys: HashMap<KeyId, KeyOf>,
    subject_alternative_names: HashMap<String, Arc<Caller>>,
    oidc_identities: HashMap<OidcIdentity, Arc<Caller>>,
    bytes: usize,
}

#[derive(Debug)]
struct KeyOf {
    caller: Arc<Caller>,
    hash: KeyHash,
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
        // About what the caller and its places in the maps take.
        let names = caller.subject_alternative_names.iter().map(String::len);
        let identities = caller.oidc_identities.iter();
        let identities = identities.map(|of| of.issuer.len() + of.subject.len());
        let texts: usize = names.chain(identities).map(|bytes| 2 * bytes + 150).sum();
        self.bytes += 400 + 100 * caller.tenants.len() + 250 * caller.keys.len() + texts;
        for key in &caller.keys {
            let held = KeyOf {
                caller: Arc::clone(&caller),
                hash: key.hash,
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
        if !key.matches(&held.hash) {
            return None;
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

    /// The caller that has this subject alternative name, exactly.
    #[must_use]
    pub fn find_by_subject_alternative_name(&self, name: &str) -> Option<&Arc<Caller>> {
        self.subject_alternative_names.get(name)
    }

    /// The caller that has this identity, exactly.
    #[must_use]
    pub fn find_by_oidc_identity(&self, identity: &OidcIdentity) -> Option<&Arc<Caller>> {
        self.oidc_identities.get(identity)
    }

    /// Its bytes in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
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
        assert!(presented(&key, 999));
        assert!(!presented(&key, 1_000));
        assert!(!presented(&other, 0));
        assert!(directory.find_by_key_id(key.id(), 999).is_some());
        assert!(directory.find_by_key_id(key.id(), 1_000).is_none());
        assert!(
            directory
                .find_by_subject_alternative_name("shop.example")
                .is_some()
        );
        assert!(
            directory
                .find_by_subject_alternative_name("SHOP.example")
                .is_none()
        );
        assert!(directory.find_by_oidc_identity(&identity).is_some());
    }
}
