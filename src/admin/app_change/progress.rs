use serde_json::{Value, json};

use crate::{
    admin::plan::PermissionsStep,
    domain::{
        AppStep, CATALOGUE, Chosen, Code, Edition, ItemKind, Level, ScopeSet, SelectionPatch,
    },
};

/// Returns the request field that holds a selection: `trees.own`.
pub(super) fn field_of(selection: &SelectionPatch) -> &'static str {
    let [own, edit, view] = match selection.kind {
        ItemKind::Locale => ["locales.own", "locales.edit", "locales.view"],
        ItemKind::AttributeGroup => [
            "attribute_groups.own",
            "attribute_groups.edit",
            "attribute_groups.view",
        ],
        ItemKind::Category
        | ItemKind::Channel
        | ItemKind::AssetFamily
        | ItemKind::ReferenceEntity
        | ItemKind::ImportProfile
        | ItemKind::ExportProfile => ["trees.own", "trees.edit", "trees.view"],
    };
    match selection.level {
        Level::Own => own,
        Level::Edit => edit,
        Level::View | Level::Hidden | Level::Execute | Level::ExecuteAndEdit => view,
    }
}

/// Returns the items that a selection names.
pub(super) fn items(selection: &SelectionPatch) -> Vec<(ItemKind, Code)> {
    match &selection.chosen {
        Chosen::All => Vec::new(),
        Chosen::Codes(codes) => {
            let codes = codes.iter().cloned();
            codes.map(|code| (selection.kind, code)).collect()
        }
    }
}

/// The progress of a connection request, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The scopes to be granted.
    pub(super) scopes: ScopeSet,
    /// True if the authorize step is done.
    pub(super) authorized: bool,
    /// The selections of the permissions step; `None`: not done yet.
    pub(super) permissions: Option<Vec<SelectionPatch>>,
}

impl Progress {
    pub(super) fn of(scopes: ScopeSet) -> Self {
        Self {
            scopes,
            authorized: false,
            permissions: None,
        }
    }

    /// Returns the remaining steps in a tenant of this edition (rules 5.1).
    pub(super) fn steps(&self, edition: Edition) -> Vec<AppStep> {
        let mut steps = Vec::new();
        if !edition.is_enterprise() {
            // The last step here, which connects the app; one done in the
            // enterprise edition did not.
            steps.push(AppStep::Authorize);
            return steps;
        }
        let step = PermissionsStep::of(self.scopes, edition);
        let has_permissions_step = step != PermissionsStep::NotOffered;
        if !self.authorized {
            steps.push(AppStep::Authorize);
        }
        if has_permissions_step && self.permissions.is_none() {
            steps.push(AppStep::Permissions);
        }
        steps.push(AppStep::Confirm);
        steps
    }

    /// Returns the next step in a tenant of this edition (rules 5.1).
    pub(super) fn next_step(&self, edition: Edition) -> AppStep {
        let steps = self.steps(edition);
        steps.first().copied().unwrap_or(AppStep::Confirm)
    }

    pub(super) fn write(&self) -> String {
        let scopes: Vec<&str> = CATALOGUE.scope_codes(self.scopes).collect();
        let rights = self.permissions.as_ref();
        let rights = rights.map(|rights| rights.iter().map(write_right).collect::<Vec<_>>());
        json!({
            "scopes": scopes,
            "authorized": self.authorized,
            "permissions": rights,
        })
        .to_string()
    }

    /// Parses the output of [`Progress::write`]; `None` if it is malformed.
    pub(super) fn read(text: &str) -> Option<Self> {
        let state: Value = serde_json::from_str(text).ok()?;
        let scopes = state.get("scopes")?.as_array()?.iter();
        let scopes = scopes.filter_map(|code| CATALOGUE.find_scope(code.as_str()?));
        let permissions = state.get("permissions").and_then(Value::as_array);
        let permissions: Option<Option<Vec<_>>> =
            permissions.map(|rights| rights.iter().map(read_right).collect());
        let permissions = match permissions {
            None => None,
            Some(rights) => Some(rights?),
        };
        Some(Self {
            scopes: scopes.map(|scope| scope.id).collect(),
            authorized: state.get("authorized")?.as_bool()?,
            permissions,
        })
    }
}

fn write_right(right: &SelectionPatch) -> Value {
    let SelectionPatch {
        kind,
        level,
        chosen,
    } = right;
    let codes: Option<Vec<&str>> = match chosen {
        Chosen::All => None,
        Chosen::Codes(codes) => Some(codes.iter().map(Code::as_str).collect()),
    };
    json!({ "kind": <&str>::from(kind), "level": <&str>::from(level), "codes": codes })
}

fn read_right(right: &Value) -> Option<SelectionPatch> {
    let word = |field: &str| right.get(field)?.as_str();
    let codes = right.get("codes")?;
    let chosen = if codes.is_null() {
        Chosen::All
    } else {
        let codes = codes.as_array()?.iter();
        let codes = codes.map(|code| code.as_str()?.parse().ok());
        Chosen::Codes(codes.collect::<Option<_>>()?)
    };
    Some(SelectionPatch {
        kind: word("kind")?.parse().ok()?,
        level: word("level")?.parse().ok()?,
        chosen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_progress_round_trips() {
        let scope = CATALOGUE.find_scope("write_products").unwrap().id;
        let mut progress = Progress::of([scope].into_iter().collect());
        assert_eq!(Progress::read(&progress.write()), Some(progress.clone()));
        progress.authorized = true;
        let codes = vec!["en_US".parse().unwrap()];
        progress.permissions = Some(vec![
            SelectionPatch {
                kind: ItemKind::Category,
                level: Level::Own,
                chosen: Chosen::All,
            },
            SelectionPatch {
                kind: ItemKind::Locale,
                level: Level::View,
                chosen: Chosen::Codes(codes),
            },
        ]);
        assert_eq!(Progress::read(&progress.write()), Some(progress));
        assert_eq!(Progress::read("{}"), None);
    }

    #[test]
    fn rule_5_1_remaining_steps_by_edition() {
        use AppStep::{Authorize, Confirm, Permissions};
        let scope = |code| CATALOGUE.find_scope(code).unwrap().id;
        let products = Progress::of([scope("read_products")].into_iter().collect());
        let channels = Progress::of([scope("read_channel_localization")].into_iter().collect());
        let authorized = Progress {
            authorized: true,
            ..products.clone()
        };
        let cases: [(&Progress, Edition, &[AppStep]); 6] = [
            (&products, Edition::Growth, &[Authorize]),
            (&authorized, Edition::Growth, &[Authorize]),
            (&authorized, Edition::Community, &[Authorize]),
            (
                &products,
                Edition::Enterprise,
                &[Authorize, Permissions, Confirm],
            ),
            (&channels, Edition::Enterprise, &[Authorize, Confirm]),
            (&authorized, Edition::Enterprise, &[Permissions, Confirm]),
        ];
        for (progress, edition, steps) in cases {
            assert_eq!(progress.steps(edition), steps, "{progress:?} {edition}");
        }
    }
}
