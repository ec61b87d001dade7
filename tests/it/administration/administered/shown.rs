use pim_authz::domain::{Audience, CATALOGUE, Code, ItemKind, Level};
use strum::IntoEnumIterator as _;

use super::{Administered, selections};
use crate::administration::snapshot::{Snapshot, written};
use crate::support::World;

impl Administered {
    /// A snapshot of the tenant.
    pub(in super::super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.tenant(&self.world.edition.to_string());
        self.show_directory(&mut snapshot);
        self.show_apps(&mut snapshot);
        self.show_items(&mut snapshot);
        self.show_catalog(&mut snapshot);
        for ((group, item), level) in &self.world.rights {
            if *level != Level::Hidden {
                let kind = item.kind.to_string();
                let (group, code) = (group.as_str(), item.code.as_str());
                snapshot.right(group, &kind, code, &level.to_string());
            }
        }
        snapshot
    }

    fn show_directory(&self, snapshot: &mut Snapshot) {
        for (code, member) in &self.world.users {
            let mut groups = written(&member.groups);
            groups.push(World::all().to_string());
            let roles = written(&member.roles);
            snapshot.member("user", code.as_str(), &groups, &roles, !member.disabled);
        }
        for (code, member) in &self.world.connections {
            let (groups, roles) = (written(&member.groups), written(&member.roles));
            snapshot.member(
                "connection",
                code.as_str(),
                &groups,
                &roles,
                !member.disabled,
            );
        }
        for code in &self.world.groups {
            let label = self.group_labels.get(code).cloned().unwrap_or_default();
            snapshot.group(code.as_str(), &label, false);
        }
        for (code, role) in &self.world.roles {
            let audience = match role.audience {
                Audience::User => "user",
                Audience::Connection => "connection",
            };
            let permissions = role.permissions.iter();
            let permissions: Vec<String> = permissions
                .map(|id| CATALOGUE.permission(id).code.to_owned())
                .collect();
            snapshot.role(
                code.as_str(),
                &self.role_labels[code],
                audience,
                &permissions,
            );
        }
    }

    fn show_apps(&self, snapshot: &mut Snapshot) {
        for (app, connected) in &self.apps {
            let scopes = self.world.apps[app].iter();
            let scopes: Vec<String> = scopes
                .map(|id| CATALOGUE.scope(id).code.to_owned())
                .collect();
            snapshot.app(app.as_str(), &scopes, &selections(&connected.chosen));
            snapshot.connected_by(app.as_str(), &connected.by);
            snapshot.later_channels(app.as_str(), connected.later_channels);
            snapshot.passed(app.as_str(), connected.passed);
            snapshot.group(World::private_group(app).as_str(), "", true);
        }
    }

    fn show_items(&self, snapshot: &mut Snapshot) {
        for kind in ItemKind::iter() {
            for item in self.world.items_of(kind) {
                let code = &item.code;
                match kind {
                    ItemKind::Category => {
                        let parent = self.world.category_parents.get(code);
                        snapshot.category(code.as_str(), parent.map_or("", Code::as_str));
                    }
                    ItemKind::Channel => {
                        let channel = &self.channels[code];
                        let tree = channel.tree.as_ref().map_or("", Code::as_str);
                        snapshot.channel(code.as_str(), tree, &written(&channel.locales));
                    }
                    _ => snapshot.plain(&kind.to_string(), code.as_str()),
                }
            }
        }
    }

    fn show_catalog(&self, snapshot: &mut Snapshot) {
        for (code, attribute) in &self.world.attributes {
            let is = [attribute.scopable, attribute.localizable];
            snapshot.attribute(code.as_str(), attribute.group.as_str(), is);
        }
        for (code, groups) in &self.world.grid_views {
            snapshot.grid_view(code.as_str(), &written(groups));
        }
        for (key, product) in &self.world.products {
            let parent = product.parent.as_ref().map_or("", Code::as_str);
            let categories = written(&product.categories);
            snapshot.product(
                &key.kind.to_string(),
                key.code.as_str(),
                parent,
                &categories,
            );
        }
    }
}
