//! A snapshot of a tenant as text, with one entry for each stored entity, so
//! that the model, the lists and the audit log can be compared line by line.

use std::collections::BTreeMap;

use pim_authz::domain::{CATALOGUE, Code, ItemKind, Level, ScopeSet};

/// Each stored entity by its folded code. A `#` in a key introduces a part of
/// the entity that not every source reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<String, String>);

/// One selection of an app: axis, level, and a code, or `None` for all.
pub(super) type Selection = (ItemKind, Level, Option<Code>);

impl Snapshot {
    fn put(&mut self, entity: &str, code: &str, what: &str) {
        let key = format!("{entity}/{}", Code::fold(code));
        let value = format!("{code} {what}");
        assert_eq!(self.0.insert(key.clone(), value), None, "{key} twice");
    }

    pub(super) fn tenant(&mut self, edition: &str) {
        self.put("tenant", "tenant", edition);
    }

    pub(super) fn member(
        &mut self,
        kind: &str,
        code: &str,
        groups: &[String],
        roles: &[String],
        enabled: bool,
    ) {
        let (groups, roles) = (list(groups), list(roles));
        let what = format!("groups={groups} roles={roles} enabled={enabled}");
        self.put(kind, code, &what);
    }

    pub(super) fn group(&mut self, code: &str, label: &str, private: bool) {
        // The labels of `All` and of apps' groups cannot be set.
        let is_chosen = !private && Code::fold(code) != "all";
        let label = if is_chosen { label } else { "" };
        let what = format!("label={label} private={private}");
        self.put("user_group", code, &what);
    }

    pub(super) fn role(&mut self, code: &str, label: &str, audience: &str, grants: &[String]) {
        let what = format!(
            "label={label} audience={audience} permissions={}",
            list(grants)
        );
        self.put("role", code, &what);
    }

    pub(super) fn app(&mut self, code: &str, scopes: &[String], chosen: &[Selection]) {
        let scopes: ScopeSet = scopes
            .iter()
            .map(|text| CATALOGUE.find_scope(text).unwrap().id)
            .collect();
        let scopes = CATALOGUE.with_implied_scopes(scopes).iter();
        let scopes: Vec<String> = scopes
            .map(|id| CATALOGUE.scope(id).code.to_owned())
            .collect();
        let is_highest = |(axis, level, code): &&Selection| {
            let mut others = chosen.iter().filter(|other| other.0 == *axis);
            others.all(|(_, other, same)| same != code || level.allows(*other))
        };
        let chosen = chosen.iter().filter(is_highest);
        let chosen = chosen.map(|(axis, level, code)| match code {
            Some(code) => format!("{axis}:{level}:{code}"),
            None => format!("{axis}:{level}:*"),
        });
        let chosen: Vec<String> = chosen.collect();
        let what = format!("scopes={} chosen={}", list(&scopes), list(&chosen));
        self.put("app", code, &what);
    }

    pub(super) fn connected_by(&mut self, app: &str, user: &str) {
        let user = Code::fold(user);
        self.0
            .insert(format!("app/{}#by", Code::fold(app)), format!(" by {user}"));
    }

    pub(super) fn later_channels(&mut self, app: &str, later: bool) {
        let key = format!("app/{}#later", Code::fold(app));
        self.0.insert(key, format!(" later_channels={later}"));
    }

    pub(super) fn passed(&mut self, app: &str, passed: bool) {
        let key = format!("app/{}#passed", Code::fold(app));
        self.0.insert(key, format!(" permissions_passed={passed}"));
    }

    pub(super) fn plain(&mut self, entity: &str, code: &str) {
        self.put(entity, code, "");
    }

    pub(super) fn category(&mut self, code: &str, parent: &str) {
        self.put("category", code, &format!("parent={}", Code::fold(parent)));
    }

    pub(super) fn channel(&mut self, code: &str, tree: &str, locales: &[String]) {
        let (tree, locales) = (Code::fold(tree), list(locales));
        self.put("channel", code, &format!("tree={tree} locales={locales}"));
    }

    pub(super) fn attribute(&mut self, code: &str, group: &str, is: [bool; 2]) {
        let group = Code::fold(group);
        let [scopable, localizable] = is;
        let what = format!("group={group} scopable={scopable} localizable={localizable}");
        self.put("attribute", code, &what);
    }

    pub(super) fn grid_view(&mut self, code: &str, groups: &[String]) {
        self.put("grid_view", code, &format!("groups={}", list(groups)));
    }

    pub(super) fn product(&mut self, entity: &str, code: &str, parent: &str, lies_in: &[String]) {
        let (parent, lies_in) = (Code::fold(parent), list(lies_in));
        self.put(
            entity,
            code,
            &format!("parent={parent} categories={lies_in}"),
        );
    }

    pub(super) fn right(&mut self, group: &str, kind: &str, item: &str, level: &str) {
        let key = format!("right {kind} {}", Code::fold(item));
        let key = format!("{key}/{}", Code::fold(group));
        let twice = self.0.insert(key.clone(), level.to_owned());
        assert_eq!(twice, None, "{key} twice");
    }

    /// Only what the lists report.
    pub(super) fn listed(mut self) -> Self {
        let is_listed = |key: &String| !key.ends_with("#later") && !key.ends_with("#passed");
        self.0.retain(|key, _| is_listed(key));
        self
    }

    /// Only what the audit log reports.
    pub(super) fn audited(mut self) -> Self {
        self.0.retain(|key, _| !key.ends_with("#by"));
        self
    }

    /// Entries that are missing or different in `other`, one per line.
    pub(super) fn beyond(&self, other: &Self) -> Vec<String> {
        let entries = self.0.iter();
        let differ = entries.filter(|(key, value)| other.0.get(*key) != Some(value));
        differ
            .map(|(key, value)| format!("{key}: {value}"))
            .collect()
    }

    /// Number of created, changed and removed entities between two snapshots.
    pub(super) fn effect(before: &Self, after: &Self) -> [u64; 3] {
        let (before, after) = (before.whole(), after.whole());
        let created = after.keys().filter(|key| !before.contains_key(*key));
        let removed = before.keys().filter(|key| !after.contains_key(*key));
        let changed = after.iter().filter(|(key, value)| {
            let old = before.get(*key);
            old.is_some_and(|old| old != *value)
        });
        [created.count(), changed.count(), removed.count()].map(|count| count as u64)
    }

    /// Each entity with all its parts.
    fn whole(&self) -> BTreeMap<&str, String> {
        let mut whole: BTreeMap<&str, String> = BTreeMap::new();
        for (key, value) in &self.0 {
            let entity = key.split('#').next().unwrap();
            whole.entry(entity).or_default().push_str(value);
        }
        whole
    }
}

/// Codes as a set: folded, sorted, without duplicates.
fn list(codes: &[String]) -> String {
    let mut codes: Vec<String> = codes.iter().map(|code| Code::fold(code)).collect();
    codes.sort();
    codes.dedup();
    format!("{codes:?}")
}

/// The codes as they were written.
pub(super) fn written<'c>(codes: impl IntoIterator<Item = &'c Code>) -> Vec<String> {
    codes.into_iter().map(Code::to_string).collect()
}
