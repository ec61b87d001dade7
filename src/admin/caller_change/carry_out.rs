use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::{
        error::AdminError,
        fault::{Fault, Refused},
        outcome::Effect,
    },
    domain::{Caller, CallerRights, Code, EntityKind, KeyHash, KeyId, MissingRight},
    store::CallerRow,
};

use super::{CallerEntry, CallerRequest, CreatedKey};

/// Whose rights limit what may be granted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Giver {
    /// A call without credentials, where none are required: no limit.
    Anyone,
    /// A caller that holds these rights on all tenants.
    Holding(CallerRights),
}

impl Giver {
    /// Rejects rights that the giver does not hold; a credential grants all
    /// rights of its caller.
    fn check(self, given: CallerRights, field: &str) -> Result<(), AdminError> {
        match self {
            Self::Anyone => Ok(()),
            Self::Holding(held) => held.first_missing_of(given).map_or(Ok(()), |right| {
                Err(AdminError::CallerNotPermitted {
                    field: field.to_owned(),
                    missing: MissingRight::Right(right),
                })
            }),
        }
    }
}

/// A key, without the other keys of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) caller: Code,
    pub(super) hash: KeyHash,
    pub(super) valid_for: Option<i64>,
}

/// All callers and their keys, before and after a change.
#[derive(Debug)]
pub(super) struct ChangeSet {
    pub(super) before: Vec<CallerRow>,
    callers: BTreeMap<Code, Caller>,
    keys_before: BTreeMap<KeyId, Key>,
    keys: BTreeMap<KeyId, Key>,
}

impl ChangeSet {
    /// Returns a change set of the stored callers, without changes yet.
    pub(super) fn of(before: Vec<CallerRow>) -> Self {
        let mut keys = BTreeMap::new();
        let mut callers = BTreeMap::new();
        for CallerRow { id: _, caller } in &before {
            for key in &caller.keys {
                let held = Key {
                    caller: caller.name.clone(),
                    hash: key.hash,
                    valid_for: key.expires_at.map(|end| end - key.created_at),
                };
                keys.insert(key.id, held);
            }
            callers.insert(caller.name.clone(), caller.clone());
        }
        Self {
            before,
            callers,
            keys_before: keys.clone(),
            keys,
        }
    }

    /// Returns the caller of this name, as the change leaves it.
    pub(super) fn find(&self, name: &Code) -> Option<&Caller> {
        self.callers.get(name)
    }

    /// Returns the callers created, changed or removed, ignoring their keys:
    /// before, after. Removed ones come first; both parts are ordered by name.
    pub(super) fn changed_callers(
        &self,
    ) -> impl Iterator<Item = (Option<&Caller>, Option<&Caller>)> {
        let before: BTreeMap<&Code, &Caller> = self
            .before
            .iter()
            .map(|row| (&row.caller.name, &row.caller))
            .collect();
        let gone: Vec<_> = before
            .values()
            .filter(|caller| !self.callers.contains_key(&caller.name))
            .map(|caller| (Some(*caller), None))
            .collect();
        let new = self.callers.values().filter_map(move |caller| {
            let was = before.get(&caller.name).copied();
            (was != Some(caller)).then_some((was, Some(caller)))
        });
        gone.into_iter().chain(new)
    }

    /// Returns the keys added or removed: id, before, after. Removed ones come
    /// first; both parts are ordered by id.
    pub(super) fn changed_keys(&self) -> impl Iterator<Item = (KeyId, Option<&Key>, Option<&Key>)> {
        let gone = self
            .keys_before
            .iter()
            .filter(|(id, _)| !self.keys.contains_key(*id))
            .map(|(id, key)| (*id, Some(key), None));
        let new = self
            .keys
            .iter()
            .filter(|(id, _)| !self.keys_before.contains_key(*id))
            .map(|(id, key)| (*id, None, Some(key)));
        gone.chain(new)
    }

    /// Applies a request and returns its effect.
    pub(super) fn carry_out(
        &mut self,
        request: &CallerRequest,
        giver: Giver,
    ) -> Result<Effect, AdminError> {
        let mut unchanged = 0;
        match request {
            CallerRequest::Put(entries) => {
                check_repeated(entries)?;
                for (index, entry) in entries.iter().enumerate() {
                    unchanged += u64::from(!self.put(index, entry, giver)?);
                }
                self.check_unique(entries)?;
            }
            CallerRequest::Delete(names) => {
                for (index, name) in names.iter().enumerate() {
                    self.delete(index, name)?;
                }
            }
            CallerRequest::CreateKey { caller, key } => self.create_key(caller, *key, giver)?,
            CallerRequest::DeleteKey(id) => {
                if self.keys.remove(id).is_none() {
                    let entity = EntityKind::CallerKey;
                    let code = id.to_string();
                    return Err(Fault::new("key_id", Refused::NotFound { entity, code }).into());
                }
            }
            CallerRequest::Bootstrap(key) if self.callers.is_empty() => self.bootstrap(*key)?,
            CallerRequest::Bootstrap(_) => unchanged = 1,
        }
        Ok(self.effect(unchanged))
    }

    /// Creates or replaces a caller; returns `false` if it is stored like this
    /// already.
    fn put(&mut self, index: usize, entry: &CallerEntry, giver: Giver) -> Result<bool, AdminError> {
        let CallerEntry {
            name,
            tenants,
            all_tenants,
            rights,
            subject_alternative_names,
            oidc_identities,
        } = entry;
        let stored = self.callers.get(name);
        if stored.is_none() {
            let checked = Fault::check_new_code("name", name);
            checked.map_err(|fault| fault.of_entry("callers", index))?;
        }
        let caller = Caller {
            // The stored spelling is kept.
            name: stored.map_or(name, |stored| &stored.name).clone(),
            tenants: tenants.clone(),
            all_tenants: *all_tenants,
            rights: *rights,
            subject_alternative_names: subject_alternative_names.clone(),
            oidc_identities: oidc_identities.clone(),
            keys: stored.map(|stored| stored.keys.clone()).unwrap_or_default(),
        };
        if stored == Some(&caller) {
            return Ok(false);
        }
        // The request may give the caller's credentials to someone else, so the
        // giver must hold every right of the caller.
        giver.check(caller.rights, &format!("callers[{index}].rights"))?;
        self.callers.insert(caller.name.clone(), caller);
        Ok(true)
    }

    /// Rejects credentials that two callers would share.
    fn check_unique(&self, entries: &[CallerEntry]) -> Result<(), AdminError> {
        let mut names: BTreeMap<&str, &Code> = BTreeMap::new();
        let mut identities = BTreeMap::new();
        let refused = |name: &Code, field: &str, message: String| {
            let index = entries.iter().position(|entry| entry.name == *name);
            Fault::invalid(field, message).of_entry("callers", index.unwrap_or_default())
        };
        // Callers of the request come last, so that the error names their field.
        let of_request: BTreeSet<&Code> = entries.iter().map(|entry| &entry.name).collect();
        let is_requested = |caller: &&Caller| of_request.contains(&caller.name);
        let others = self.callers.values().filter(|caller| !is_requested(caller));
        let requested = self.callers.values().filter(is_requested);
        for caller in others.chain(requested) {
            for name in &caller.subject_alternative_names {
                if let Some(other) = names.insert(name, &caller.name) {
                    let message = format!("`{name}` is caller `{other}`'s; one caller has it");
                    let field = "subject_alternative_names";
                    return Err(refused(&caller.name, field, message).into());
                }
            }
            for identity in &caller.oidc_identities {
                if let Some(other) = identities.insert(identity, &caller.name) {
                    let subject = &identity.subject;
                    let message = format!(
                        "`{subject}` of this issuer is caller `{other}`'s; one caller has it"
                    );
                    return Err(refused(&caller.name, "oidc_identities", message).into());
                }
            }
        }
        Ok(())
    }

    fn delete(&mut self, index: usize, name: &Code) -> Result<(), AdminError> {
        if self.callers.remove(name).is_none() {
            // A name repeated in one call is deleted once.
            if self.before.iter().any(|row| row.caller.name == *name) {
                return Ok(());
            }
            let field = format!("names[{index}]");
            return Err(Fault::unknown(field, EntityKind::Caller, name).into());
        }
        self.keys.retain(|_, key| key.caller != *name);
        Ok(())
    }

    fn create_key(&mut self, name: &Code, key: CreatedKey, giver: Giver) -> Result<(), AdminError> {
        let Some(caller) = self.callers.get(name) else {
            return Err(Fault::unknown("caller", EntityKind::Caller, name).into());
        };
        giver.check(caller.rights, "caller")?;
        let caller = caller.name.clone();
        self.add_key(caller, key)
    }

    fn bootstrap(&mut self, key: CreatedKey) -> Result<(), AdminError> {
        let name = CallerRequest::BOOTSTRAP.parse();
        let name: Code = name.map_err(|_| AdminError::Conflict)?;
        let caller = Caller {
            all_tenants: true,
            rights: CallerRights::all(),
            ..Caller::named(name.clone())
        };
        self.callers.insert(name.clone(), caller);
        self.add_key(name, key)
    }

    fn add_key(&mut self, caller: Code, key: CreatedKey) -> Result<(), AdminError> {
        let CreatedKey {
            id,
            hash,
            valid_for,
        } = key;
        let key = Key {
            caller,
            hash,
            valid_for,
        };
        match self.keys.insert(id, key) {
            None => Ok(()),
            // A random id practically never repeats, but a key file may be
            // reused.
            Some(_) => Err(AdminError::Conflict),
        }
    }

    fn effect(&self, unchanged: u64) -> Effect {
        let mut effect = Effect {
            unchanged,
            ..Effect::default()
        };
        let mut count = |entity: &str, code: &str, sides: (bool, bool)| {
            let what = match sides {
                (false, _) => {
                    effect.created += 1;
                    "created"
                }
                (true, true) => {
                    effect.changed += 1;
                    "changed"
                }
                (true, false) => {
                    effect.removed += 1;
                    "deleted"
                }
            };
            if effect.sample.len() < Effect::SAMPLE {
                effect
                    .sample
                    .push(format!("{entity} `{code}` would be {what}"));
            }
        };
        for (before, after) in self.changed_callers() {
            if let Some(caller) = after.or(before) {
                let sides = (before.is_some(), after.is_some());
                count("caller", caller.name.as_str(), sides);
            }
        }
        for (id, before, after) in self.changed_keys() {
            let sides = (before.is_some(), after.is_some());
            count("key", id.as_str(), sides);
        }
        effect
    }
}

/// Rejects two different entries for one name.
fn check_repeated(entries: &[CallerEntry]) -> Result<(), Fault> {
    let mut seen: BTreeMap<&Code, &CallerEntry> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(first) = seen.insert(&entry.name, entry)
            && first != entry
        {
            let name = &entry.name;
            let message =
                format!("`{name}` stands here twice, with different entries; give it once");
            return Err(Fault::invalid("name", message).of_entry("callers", index));
        }
    }
    Ok(())
}
