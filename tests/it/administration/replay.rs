//! The state of a tenant, rebuilt from the changes of its audit log alone.

use std::collections::BTreeMap;

use pim_authz::{
    domain::{Code, ItemKind},
    pb::{
        self, audit_service_client::AuditServiceClient,
        operations_service_client::OperationsServiceClient,
    },
};
use serde_json::{Map, Value};
use tonic::transport::Channel;

use super::snapshot::{Selection, Snapshot};

/// A stored entity: its kind and its folded code.
type EntityKey = (String, String);

/// The state after all changes that were applied.
#[derive(Default)]
struct Replayed {
    /// Each entity: its code as written, and its state.
    entities: BTreeMap<EntityKey, (String, Map<String, Value>)>,
    /// The level of each folded group on each item, as a word.
    rights: BTreeMap<EntityKey, BTreeMap<String, String>>,
}

/// All changes of a tenant, in the order in which they were made.
pub(super) async fn changes(channel: &Channel, tenant: &str) -> Vec<pb::Change> {
    let mut client = AuditServiceClient::new(channel.clone());
    let mut request = pb::ListChangesRequest {
        tenant: tenant.to_owned(),
        page_size: 50,
        ..Default::default()
    };
    let mut changes = Vec::new();
    loop {
        let page = client.list_changes(request.clone()).await;
        let page = page.unwrap().into_inner();
        changes.extend(page.changes);
        if page.next_page_token.is_empty() {
            return changes;
        }
        request.page_token = page.next_page_token;
    }
}

/// The service's report on the log and its facts.
pub(super) async fn verified(channel: &Channel, tenant: &str) -> pb::VerifyAuditResponse {
    let mut client = OperationsServiceClient::new(channel.clone());
    let request = pb::VerifyAuditRequest {
        tenant: tenant.to_owned(),
        facts: true,
        callers: false,
    };
    client.verify_audit(request).await.unwrap().into_inner()
}

/// Rebuilds the state up to `revision` as a snapshot.
pub(super) async fn snapshot(channel: &Channel, tenant: &str, revision: u64) -> Snapshot {
    let mut replayed = Replayed::default();
    let mut place = (0, 0);
    for change in changes(channel, tenant).await {
        let expected = match place {
            (revision, 0) => (revision + 1, 1),
            (revision, part) => (revision, part + 1),
        };
        assert_eq!((change.revision, change.part), expected, "{change:?}");
        assert_eq!(change.hash.is_empty(), !change.last, "{change:?}");
        assert!(change.actor.starts_with("user:"), "{change:?}");
        place = (change.revision, if change.last { 0 } else { change.part });
        replayed.apply(&change);
    }
    assert_eq!(place, (revision, 0), "the last write is whole");
    replayed.snapshot()
}

fn state(json: &str) -> Map<String, Value> {
    if json.is_empty() {
        return Map::new();
    }
    let value: Value = serde_json::from_str(json).unwrap();
    value.as_object().unwrap().clone()
}

impl Replayed {
    fn apply(&mut self, change: &pb::Change) {
        let (entity, done) = change.kind.rsplit_once('.').unwrap();
        if entity == "app_request" || done == "applied" {
            return; // a request that is not connected yet, or the summary of a write
        }
        let (kind, code) = match (&change.item, &change.subject) {
            (Some(item), None) => (&item.r#type, &item.id),
            (None, Some(subject)) => (&subject.r#type, &subject.id),
            _ => panic!("either an item or a subject: {change:?}"),
        };
        let entity_key = (kind.clone(), Code::fold(code));
        let (before, after) = (state(&change.before), state(&change.after));
        if entity == "access_right" {
            assert_eq!(done, "changed", "{change:?}");
            self.apply_rights(entity_key, &before, after, change);
            return;
        }
        assert_eq!(entity, kind, "{change:?}");
        let old = self.entities.get(&entity_key).cloned();
        Self::assert_was(old.as_ref().map(|(_, state)| state), &before, change);
        match done {
            "created" => {
                assert_eq!((old, &*change.before), (None, ""), "{change:?}");
                self.entities.insert(entity_key, (code.clone(), after));
            }
            "changed" => {
                let (written, mut state) = old.unwrap_or_else(|| panic!("{change:?}"));
                state.extend(after);
                self.entities.insert(entity_key, (written, state));
            }
            "removed" => {
                assert!(old.is_some() && change.after.is_empty(), "{change:?}");
                self.entities.remove(&entity_key);
            }
            _ => panic!("{change:?}"),
        }
    }

    /// Checks that the `before` of a change equals the rebuilt state.
    fn assert_was(
        stored: Option<&Map<String, Value>>,
        before: &Map<String, Value>,
        change: &pb::Change,
    ) {
        for (key, value) in before {
            let was = stored.and_then(|state| state.get(key));
            // A field that is absent from a creation is empty.
            let is_none = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
            let is_same = was == Some(value) || was.is_none() && is_none;
            assert!(is_same, "{key} was {was:?}: {change:?}");
        }
    }

    fn apply_rights(
        &mut self,
        item: EntityKey,
        before: &Map<String, Value>,
        after: Map<String, Value>,
        change: &pb::Change,
    ) {
        let rights = self.rights.entry(item).or_default();
        for (group, level) in before {
            let held = rights.get(&Code::fold(group));
            let held = held.map_or("none", String::as_str);
            assert_eq!(level.as_str().unwrap(), held, "{change:?}");
        }
        assert!(before.keys().eq(after.keys()), "{change:?}");
        for (group, level) in after {
            let level = level.as_str().unwrap().to_owned();
            rights.insert(Code::fold(&group), level);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for ((kind, _), (code, state)) in &self.entities {
            show(&mut snapshot, kind, code, state);
        }
        for ((kind, item), rights) in &self.rights {
            for (group, level) in rights {
                if level != "none" {
                    snapshot.right(group, kind, item, level);
                }
            }
        }
        snapshot
    }
}

fn text<'s>(state: &'s Map<String, Value>, key: &str) -> &'s str {
    state.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn flag(state: &Map<String, Value>, key: &str) -> bool {
    state[key].as_bool().unwrap()
}

fn texts(state: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = state.get(key).and_then(Value::as_array);
    let list = list.cloned().unwrap_or_default();
    let texts = list.iter().map(|text| text.as_str().unwrap().to_owned());
    texts.collect()
}

fn show(snapshot: &mut Snapshot, kind: &str, code: &str, state: &Map<String, Value>) {
    match kind {
        // A tenant is created with the group `All`.
        "tenant" => {
            snapshot.tenant(text(state, "edition"));
            snapshot.group("All", "", false);
        }
        "user" | "connection" => {
            let mut groups = texts(state, "groups");
            if kind == "user" {
                groups.push("All".to_owned());
            }
            let roles = texts(state, "roles");
            snapshot.member(kind, code, &groups, &roles, flag(state, "enabled"));
        }
        "user_group" => snapshot.group(code, text(state, "label"), flag(state, "private")),
        "role" => {
            let permissions = texts(state, "permissions");
            let (label, audience) = (text(state, "label"), text(state, "audience"));
            snapshot.role(code, label, audience, &permissions);
        }
        "app" => {
            snapshot.app(code, &texts(state, "scopes"), &selections(state));
            snapshot.later_channels(code, flag(state, "later_channels"));
            snapshot.passed(code, flag(state, "permissions_passed"));
        }
        "category" => snapshot.category(code, text(state, "parent")),
        "channel" => snapshot.channel(code, text(state, "tree"), &texts(state, "locales")),
        "attribute" => {
            let is = [flag(state, "scopable"), flag(state, "localizable")];
            snapshot.attribute(code, text(state, "group"), is);
        }
        "grid_view" => snapshot.grid_view(code, &texts(state, "attribute_groups")),
        "product" | "product_model" => {
            let categories = texts(state, "categories");
            snapshot.product(kind, code, text(state, "parent"), &categories);
        }
        _ => snapshot.plain(kind, code),
    }
}

fn selections(state: &Map<String, Value>) -> Vec<Selection> {
    let list = state["selections"].as_array().unwrap();
    let selections = list.iter().map(|selection| {
        let selection = selection.as_object().unwrap();
        let axis = match text(selection, "axis") {
            "tree" => ItemKind::Category,
            other => other.parse().unwrap(),
        };
        let all = selection.get("all").and_then(Value::as_bool) == Some(true);
        let code = (!all).then(|| text(selection, "code").parse().unwrap());
        (axis, text(selection, "level").parse().unwrap(), code)
    });
    selections.collect()
}
