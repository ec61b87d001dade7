use std::sync::Arc;

use hashbrown::HashSet;

use crate::{
    cache::{
        core::Core,
        turns::{Progress, in_turn},
    },
    domain::{Code, FactKey, GroupId, Section},
    store::StoreError,
};

use super::Misses;

/// Starts loads of what is missing, unless they are under way; does not wait.
pub(in crate::cache) fn start(core: &Arc<Core>, tenant: &Code, missing: Misses) {
    let vocabulary = FactKey::Section(tenant.clone(), Section::Vocabulary);
    let vocabulary = missing.vocabulary && core.background_loads.begin(vocabulary);
    let mut groups = missing.groups;
    groups.retain(|group| {
        core.background_loads
            .begin(FactKey::Rights(tenant.clone(), *group))
    });
    if vocabulary {
        let key = FactKey::Section(tenant.clone(), Section::Vocabulary);
        let begun = Begun::of(core, [key]);
        core.runtimes
            .questions
            .spawn(load_vocabulary(begun, tenant.clone()));
    }
    if !groups.is_empty() {
        let key = |group: &GroupId| FactKey::Rights(tenant.clone(), *group);
        let begun = Begun::of(core, groups.iter().map(key));
        core.runtimes
            .questions
            .spawn(load_rights(begun, tenant.clone(), groups));
    }
}

/// Loads under way. Dropping this ends those that are left, after a panic too:
/// otherwise their facts would never be cached again.
#[derive(Debug)]
struct Begun {
    core: Arc<Core>,
    keys: HashSet<FactKey>,
}

impl Begun {
    fn of(core: &Arc<Core>, keys: impl IntoIterator<Item = FactKey>) -> Self {
        Self {
            core: Arc::clone(core),
            keys: keys.into_iter().collect(),
        }
    }

    fn end(&mut self, key: &FactKey, kept: bool) {
        self.keys.remove(key);
        self.core.background_loads.end(key, kept);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for key in &self.keys {
            self.core.background_loads.end(key, false);
        }
    }
}

async fn load_vocabulary(mut begun: Begun, tenant: Code) {
    let core = Arc::clone(&begun.core);
    core.counters.loads.add(1);
    let reading = core.background.vocabulary(&tenant);
    let kept = match in_turn(&core.background_loads.turns, &Progress::default(), reading).await {
        Ok(taken) => core.insert_vocabulary(&tenant, taken),
        Err(error) => failed(&error),
    };
    begun.end(&FactKey::Section(tenant, Section::Vocabulary), kept);
}

async fn load_rights(mut begun: Begun, tenant: Code, groups: Vec<GroupId>) {
    let core = Arc::clone(&begun.core);
    core.counters.loads.add(1);
    let reading = core.background.group_rights(&tenant, &groups);
    let mut taken = in_turn(&core.background_loads.turns, &Progress::default(), reading).await;
    for group in groups {
        let kept = match &mut taken {
            Ok(taken) => {
                let found = taken.found.remove(&group);
                core.insert_rights(&tenant, group, &taken.as_of, found)
            }
            Err(error) => failed(error),
        };
        begun.end(&FactKey::Rights(tenant.clone(), group), kept);
    }
}

/// Logs a failed load. The questions report the error to their callers
/// themselves; here the fact is only not cached.
fn failed(error: &StoreError) -> bool {
    tracing::debug!(%error, "memory was not filled");
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::background_loads::State;

    #[test]
    fn dropped_load_is_retried_after_a_pause() {
        let core = Arc::new(Core::of_test());
        let key = FactKey::Section("acme".parse().unwrap(), Section::Vocabulary);
        assert!(core.background_loads.begin(key.clone()));
        drop(Begun::of(&core, [key.clone()]));
        let load = core.background_loads.loads().get(&key).copied();
        let state = load.map(|load| load.state);
        assert!(matches!(state, Some(State::NotBefore(_))), "{state:?}");
    }
}
