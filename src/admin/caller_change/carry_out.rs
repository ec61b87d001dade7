use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admin::{
        effect_counter::counts, error::AdminError, fault::Fault, outcome::Effect,
        request::distinct, tracked::Tracked,
    },
    domain::{Caller, CallerId, CallerRights, Code, EntityKind, KeyHash, KeyId, MissingRight},
    store::{CallerChanges, CallerRow, NewKey},
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
pub(crate) struct Callers {
    pub(super) rows: Tracked<Code, CallerRow>,
    pub(super) keys: Tracked<KeyId, Key>,
    /// The last number assigned.
    pub(super) last_id: i32,
}

impl Callers {
    /// Returns the stored callers, without changes yet.
    pub(super) fn of(stored: Vec<CallerRow>, last_id: i32) -> Self {
        let keys = stored.iter().flat_map(|row| {
            let CallerRow { id: _, caller } = row;
            caller.keys.iter().map(|key| {
                let held = Key {
                    caller: caller.name.clone(),
                    hash: key.hash,
                    valid_for: key.expires_at.map(|end| end - key.created_at),
                };
                (key.id, held)
            })
        });
        let keys = Tracked::of(keys.collect());
        let rows = stored.into_iter();
        let rows = rows.map(|row| (row.caller.name.clone(), row));
        Self {
            rows: Tracked::of(rows.collect()),
            keys,
            last_id,
        }
    }

    /// Returns the caller of this name, as the change leaves it.
    pub(super) fn find(&self, name: &Code) -> Option<&Caller> {
        self.rows.get(name).map(|row| &row.caller)
    }

    /// Returns the rows to write.
    pub(super) fn changes(&self) -> CallerChanges {
        let removed = self.rows.removed().into_iter();
        let removed = removed.filter_map(|name| self.rows.before(&name).map(|row| row.id));
        let put = self.rows.written().into_iter();
        let new_keys = self.keys.written().into_iter().filter_map(|(id, key)| {
            Some(NewKey {
                caller: self.rows.get(&key.caller)?.id,
                id,
                hash: key.hash,
                valid_for: key.valid_for,
            })
        });
        CallerChanges {
            removed: removed.collect(),
            put: put.map(|(_, row)| row.clone()).collect(),
            removed_keys: self.keys.removed(),
            new_keys: new_keys.collect(),
        }
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
                for (index, entry) in distinct("callers", entries, |entry| &entry.name)? {
                    unchanged += u64::from(!self.put(index, entry, giver)?);
                }
                self.check_unique(entries)?;
            }
            CallerRequest::Delete(names) => {
                for (index, name) in distinct("names", names, |name| name)? {
                    self.delete(name)
                        .map_err(|fault| fault.of_entry("names", index))?;
                }
            }
            CallerRequest::CreateKey { caller, key } => self.create_key(caller, *key, giver)?,
            CallerRequest::DeleteKey(id) => {
                if self.keys.remove(id).is_none() {
                    return Err(Fault::unknown("key_id", EntityKind::CallerKey, id).into());
                }
            }
            CallerRequest::Bootstrap(key) if self.rows.values().next().is_none() => {
                self.bootstrap(*key)?;
            }
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
        let stored = self.find(name);
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
        self.put_row(caller);
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
        let mut callers: Vec<&Caller> = self.rows.values().map(|row| &row.caller).collect();
        callers.sort_by_key(|caller| (of_request.contains(&caller.name), &caller.name));
        for caller in callers {
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

    fn delete(&mut self, name: &Code) -> Result<(), Fault> {
        if self.rows.remove(name).is_none() {
            return Err(Fault::unknown("", EntityKind::Caller, name));
        }
        let keys = self.keys.iter().filter(|(_, key)| key.caller == *name);
        let keys: Vec<KeyId> = keys.map(|(id, _)| id).collect();
        for key in keys {
            self.keys.remove(&key);
        }
        Ok(())
    }

    /// Stores a caller under its number, a new one under the next number.
    fn put_row(&mut self, caller: Caller) {
        let id = self.rows.get(&caller.name).map(|row| row.id);
        let id = id.unwrap_or_else(|| {
            self.last_id += 1;
            CallerId(self.last_id)
        });
        let name = caller.name.clone();
        self.rows.put(name, CallerRow { id, caller });
    }

    fn create_key(&mut self, name: &Code, key: CreatedKey, giver: Giver) -> Result<(), AdminError> {
        let Some(caller) = self.find(name) else {
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
        self.put_row(caller);
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
        if self.keys.get(id).is_some() {
            // A random id practically never repeats, but a key file may be reused.
            return Err(AdminError::Conflict);
        }
        self.keys.put(id, key);
        Ok(())
    }

    fn effect(&self, unchanged: u64) -> Effect {
        let mut effect = Effect {
            unchanged,
            ..Effect::default()
        };
        let mut count = |entity: &str, code: &str, counts: [u64; 3]| {
            let what = match counts {
                [1, _, _] => "created",
                [_, 1, _] => "changed",
                _ => "deleted",
            };
            effect.add(counts);
            let sentence = format!("{entity} `{code}` would be {what}");
            effect.sample.push(sentence);
        };
        for (name, before, after) in self.rows.changes() {
            let name = after.or(before).map_or(&name, |row| &row.caller.name);
            count("caller", name.as_str(), counts(before, after));
        }
        for (id, before, after) in self.keys.changes() {
            count("key", id.as_str(), counts(before, after));
        }
        effect.sample.truncate(Effect::SAMPLE);
        effect
    }
}
