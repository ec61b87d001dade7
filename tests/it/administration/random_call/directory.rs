use pim_authz::{domain::CATALOGUE, pb};

use super::{
    batches::{doomed, entries, key, list, maybe, references},
    words::{CONNECTIONS, GROUPS, ROLES, USERS},
};
use crate::{administration::calls::Call, support::Entropy};

/// Permissions that roles are given: those of the lock-out guard, the one that
/// app steps require, and one of each audience and edition.
const GRANTED: [&str; 14] = [
    "role.edit",
    "role.list",
    "system_configuration.access",
    "app.manage",
    "product.list",
    "product.edit_attributes",
    "category.edit",
    "category.view_history",
    "asset.edit",
    "product.restore",
    "api.overall_access",
    "api.product.list",
    "api.product.edit",
    "system_information.view",
];

const ADMINISTRATOR: [&str; 4] = [
    "role.edit",
    "role.list",
    "system_configuration.access",
    "app.manage",
];

pub(super) fn put(entropy: &mut Entropy) -> Call {
    match entropy.below(8) {
        0..3 => put_users(entropy),
        3 | 4 => put_connections(entropy),
        5 => put_groups(entropy),
        _ => put_roles(entropy),
    }
}

fn all_groups() -> Vec<&'static str> {
    GROUPS.into_iter().chain(["All"]).collect()
}

/// Groups that a member can join; rarely the private group of an app
/// (rules 1.4).
pub(super) fn groups(entropy: &mut Entropy) -> Vec<String> {
    let mut groups = references(35, &all_groups(), entropy);
    if entropy.chance(2) {
        groups.push("app:translator".to_owned());
    }
    groups
}

pub(super) fn roles_for(connection: bool, entropy: &mut Entropy) -> Vec<String> {
    let matching = if connection { &ROLES[3..] } else { &ROLES[..3] };
    let matching = if entropy.chance(4) {
        &ROLES[2..]
    } else {
        matching
    };
    references(50, matching, entropy)
}

fn enabled(entropy: &mut Entropy) -> Option<bool> {
    *entropy.pick(&[None, None, Some(true), Some(true), Some(false)])
}

fn put_users(entropy: &mut Entropy) -> Call {
    let code = |user: &pb::User| user.code.clone();
    let contradict = |user: &mut pb::User| user.enabled = Some(!user.enabled.unwrap_or_default());
    let users = entries(entropy, code, contradict, |entropy| {
        let (groups, roles) = (groups(entropy), roles_for(false, entropy));
        pb::User {
            code: key(&USERS, entropy),
            groups: maybe(60, groups, entropy),
            roles: maybe(60, roles, entropy),
            enabled: enabled(entropy),
        }
    });
    Call::PutUsers(pb::PutUsersRequest {
        users,
        ..Default::default()
    })
}

fn put_connections(entropy: &mut Entropy) -> Call {
    let code = |entry: &pb::Connection| entry.code.clone();
    let contradict = |entry: &mut pb::Connection| {
        entry.enabled = Some(!entry.enabled.unwrap_or_default());
    };
    let connections = entries(entropy, code, contradict, |entropy| {
        let (groups, roles) = (groups(entropy), roles_for(true, entropy));
        pb::Connection {
            code: key(&CONNECTIONS, entropy),
            groups: maybe(60, groups, entropy),
            roles: maybe(60, roles, entropy),
            enabled: enabled(entropy),
        }
    });
    Call::PutConnections(pb::PutConnectionsRequest {
        connections,
        ..Default::default()
    })
}

fn put_groups(entropy: &mut Entropy) -> Call {
    let words: Vec<&str> = match entropy.below(16) {
        14 => vec!["All"],
        15 => vec!["app:translator"],
        _ => GROUPS.to_vec(),
    };
    let code = |group: &pb::UserGroup| group.code.clone();
    let contradict = |group: &mut pb::UserGroup| group.label.push('!');
    let user_groups = entries(entropy, code, contradict, |entropy| pb::UserGroup {
        code: key(&words, entropy),
        label: (*entropy.pick(&["Writers", "Bosses", "Team 1"])).to_owned(),
        private: false,
    });
    Call::PutUserGroups(pb::PutUserGroupsRequest {
        user_groups,
        ..Default::default()
    })
}

/// Permissions that suit the role's code: those of administrators, users or the
/// API; sometimes any.
pub(super) fn granted(code: &str, entropy: &mut Entropy) -> Vec<String> {
    let texts = match code.to_lowercase().as_str() {
        "administrator" if entropy.chance(80) => ADMINISTRATOR.to_vec(),
        "api" | "feeds" if entropy.chance(90) => entropy.some(60, &GRANTED[10..13]),
        _ => entropy.some(40, &GRANTED),
    };
    let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    if entropy.chance(4) {
        texts.push("product.fly".to_owned());
    }
    texts
}

fn put_roles(entropy: &mut Entropy) -> Call {
    let code = |role: &pb::Role| role.code.clone();
    let contradict = |role: &mut pb::Role| role.label.push('!');
    let roles = entries(entropy, code, contradict, |entropy| {
        let code = key(&ROLES, entropy);
        let permissions = granted(&code, entropy);
        let usual = match code.to_lowercase().as_str() {
            "api" | "feeds" => pb::Audience::Connection,
            _ => pb::Audience::Unspecified,
        };
        let others = [pb::Audience::User, pb::Audience::Connection];
        let audience = if entropy.chance(90) {
            usual
        } else {
            *entropy.pick(&others)
        };
        pb::Role {
            code,
            label: (*entropy.pick(&["Writer", "Boss"])).to_owned(),
            audience: audience.into(),
            permissions: maybe(80, permissions, entropy),
        }
    });
    Call::PutRoles(pb::PutRolesRequest {
        roles,
        ..Default::default()
    })
}

pub(super) fn delete(entropy: &mut Entropy) -> Call {
    match entropy.below(4) {
        0 => {
            let (codes, cascade) = doomed(&USERS, false, entropy);
            Call::DeleteUsers(pb::DeleteUsersRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        1 => {
            let (codes, cascade) = doomed(&CONNECTIONS, false, entropy);
            Call::DeleteConnections(pb::DeleteConnectionsRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        2 => {
            let mut words = all_groups();
            words.push("app:translator");
            let (codes, cascade) = doomed(&words, false, entropy);
            Call::DeleteUserGroups(pb::DeleteUserGroupsRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        _ => {
            let (codes, cascade) = doomed(&ROLES, false, entropy);
            Call::DeleteRoles(pb::DeleteRolesRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
    }
}

/// Groups, roles, and their members.
pub(super) fn filling(entropy: &mut Entropy) -> Vec<Call> {
    let everything = CATALOGUE.permissions().iter().filter(|p| !p.enterprise);
    let everything: Vec<String> = everything.map(|p| p.code.to_owned()).collect();
    let administrator = pb::Role {
        code: "Administrator".into(),
        label: "Boss".into(),
        permissions: Some(list(everything)),
        ..Default::default()
    };
    let admin = pb::User {
        code: "admin".into(),
        roles: Some(list(vec!["administrator".into()])),
        ..Default::default()
    };
    let roles = Call::PutRoles(pb::PutRolesRequest {
        roles: vec![administrator],
        ..Default::default()
    });
    let users = Call::PutUsers(pb::PutUsersRequest {
        users: vec![admin],
        ..Default::default()
    });
    vec![
        roles,
        users,
        put_groups(entropy),
        put_groups(entropy),
        put_roles(entropy),
        put_roles(entropy),
        put_users(entropy),
        put_connections(entropy),
    ]
}
