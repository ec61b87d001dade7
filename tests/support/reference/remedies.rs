//! Rules 8.2: denials that no grant can turn, and the reason.

use std::collections::BTreeSet;

use pim_authz::domain::{
    Audience, CATALOGUE, Code, ItemKind, Level, PermissionId, Reason, ReasonCode, SubjectKind,
};

use super::Case;

impl Case<'_> {
    /// Returns the reason for the first denying rule that no grant turns;
    /// otherwise, the reason why no user group can be granted what is missing.
    pub(super) fn no_remedy_reason(&self) -> Option<String> {
        let denials = self.denials();
        let reason = denials.iter().find_map(|denial| self.cannot_turn(denial));
        reason.or_else(|| self.no_group_can_be_joined(&denials))
    }

    /// Returns the reason why no grant turns this rule.
    fn cannot_turn(&self, denial: &Reason) -> Option<String> {
        if let Some(unknown) = &denial.unknown {
            return Some(format!("the tenant has no {unknown}"));
        }
        match denial.code {
            ReasonCode::SubjectUnknown => Some("the tenant has no such subject".to_owned()),
            ReasonCode::SubjectDisabled => Some("the subject is disabled".to_owned()),
            ReasonCode::Edition => Some("the tenant's edition does not have the action".to_owned()),
            ReasonCode::Permission => self.no_role_can_give(),
            ReasonCode::Scope => self.no_scope_can_give(denial),
            // "a tenant that has none has no such value: denied" (4.4)
            ReasonCode::Channel if self.has_no(ItemKind::Channel) => {
                Some("the tenant has no channel".to_owned())
            }
            ReasonCode::Locale if self.has_no(ItemKind::Locale) => {
                Some("the tenant has no locale".to_owned())
            }
            ReasonCode::Category
                if self.requirements.exactly && denial.held == Some(Level::Own) =>
            {
                Some(
                    "the product is held at own: an owner has no need to send a proposal"
                        .to_owned(),
                )
            }
            ReasonCode::Channel
            | ReasonCode::Locale
            | ReasonCode::Category
            | ReasonCode::AttributeGroup
            | ReasonCode::Item => None,
            ReasonCode::ResourceUnknown => unreachable!("it names what is unknown"),
        }
    }

    fn has_no(&self, kind: ItemKind) -> bool {
        self.world.items_of(kind).next().is_none()
    }

    /// "add a permission to a role the subject holds"
    fn no_role_can_give(&self) -> Option<String> {
        let subject = self.question.subject();
        let member = self.world.member(subject).unwrap();
        if member.roles.is_empty() {
            return Some(
                "the subject holds no role that a permission could be added to".to_owned(),
            );
        }
        let permission = CATALOGUE.permission(self.requirements.permission.unwrap());
        // Rules 2.5: a role for connections can hold only `api.*` permissions.
        let is_of_connections = subject.kind == SubjectKind::Connection;
        let can_hold = permission.audience == Audience::Connection;
        (is_of_connections && !can_hold)
            .then(|| format!("no role for a connection may hold `{}`", permission.code))
    }

    /// "add a scope"
    fn no_scope_can_give(&self, denial: &Reason) -> Option<String> {
        let Some(missing) = denial.permission else {
            return Some("no scope gives the action".to_owned());
        };
        let missing = CATALOGUE.find_permission(missing).unwrap().id;
        // Every scope of kind authorization grants this permission (rules 5.5).
        let overall = CATALOGUE.find_permission("api.overall_access").unwrap().id;
        let gives = |id: PermissionId| {
            let mut scopes = CATALOGUE.scopes().iter();
            id == overall || scopes.any(|scope| scope.permissions.contains(id))
        };
        let permission = CATALOGUE.permission(missing);
        if !gives(missing) {
            return Some(format!("no scope gives `{}`", permission.code));
        }
        let is_offered = !permission.enterprise || self.world.edition.is_enterprise();
        (!is_offered).then(|| {
            format!(
                "no scope that the tenant's edition offers gives `{}`",
                permission.code
            )
        })
    }

    /// A connection in no group can be granted no right before it joins one, and
    /// it must not join one that makes it an owner of the product that it is to
    /// send proposals about.
    fn no_group_can_be_joined(&self, denials: &[Reason]) -> Option<String> {
        let subject = self.question.subject();
        let lacks_a_right = denials.iter().any(|denial| denial.needed.is_some());
        if !lacks_a_right || subject.kind != SubjectKind::Connection || !self.requirements.exactly {
            return None;
        }
        if !self.world.groups_of(subject).is_empty() {
            return None;
        }
        let makes_an_owner = |group: &Code| {
            let effective = self.effective_categories();
            let mut known = effective.iter().flatten();
            known.any(|category| self.world.right(group, category) == Level::Own)
        };
        let groups: &BTreeSet<Code> = &self.world.groups;
        groups.iter().all(makes_an_owner).then(|| {
            "every user group that the subject could join would make it an owner of the product"
                .to_owned()
        })
    }
}
