use pim_authz::{domain::CATALOGUE, pb};

use super::{
    batches::{doomed, entries, key, list, maybe, references},
    words::{CONNECTIONS, GROUPS, ROLES, USERS},
};
use crate::{administration::calls::Call, support::Entropy};

/// What roles are given; what locks out, what apps need, and one of each
/// audience and edition.
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

pub(super) fn put(tape: &mut Entropy) -> Call {
    match tape.below(8) {
        0..3 => put_users(tape),
        3 | 4 => put_connections(tape),
        5 => put_groups(tape),
        _ => put_roles(tape),
    }
}

fn all_groups() -> Vec<&'static str> {
    GROUPS.into_iter().chain(["All"]).collect()
}

/// Groups that can be joined; seldom an app's own (rules 1.4).
pub(super) fn groups(tape: &mut Entropy) -> Vec<String> {
    let mut groups = references(35, &all_groups(), tape);
    if tape.chance(2) {
        groups.push("app:translator".to_owned());
    }
    groups
}

pub(super) fn roles_for(connection: bool, tape: &mut Entropy) -> Vec<String> {
    let matching = if connection { &ROLES[3..] } else { &ROLES[..3] };
    let matching = if tape.chance(4) {
        &ROLES[2..]
    } else {
        matching
    };
    references(50, matching, tape)
}

fn enabled(tape: &mut Entropy) -> Option<bool> {
    *tape.pick(&[None, None, Some(true), Some(true), Some(false)])
}

fn put_users(tape: &mut Entropy) -> Call {
    let code = |user: &pb::User| user.code.clone();
    let contradict = |user: &mut pb::User| user.enabled = Some(!user.enabled.unwrap_or_default());
    let users = entries(tape, code, contradict, |tape| {
        let (groups, roles) = (groups(tape), roles_for(false, tape));
        pb::User {
            code: key(&USERS, tape),
            groups: maybe(60, groups, tape),
            roles: maybe(60, roles, tape),
            enabled: enabled(tape),
        }
    });
    Call::PutUsers(pb::PutUsersRequest {
        users,
        ..Default::default()
    })
}

fn put_connections(tape: &mut Entropy) -> Call {
    let code = |entry: &pb::Connection| entry.code.clone();
    let contradict = |entry: &mut pb::Connection| {
        entry.enabled = Some(!entry.enabled.unwrap_or_default());
    };
    let connections = entries(tape, code, contradict, |tape| {
        let (groups, roles) = (groups(tape), roles_for(true, tape));
        pb::Connection {
            code: key(&CONNECTIONS, tape),
            groups: maybe(60, groups, tape),
            roles: maybe(60, roles, tape),
            enabled: enabled(tape),
        }
    });
    Call::PutConnections(pb::PutConnectionsRequest {
        connections,
        ..Default::default()
    })
}

fn put_groups(tape: &mut Entropy) -> Call {
    let words: Vec<&str> = match tape.below(16) {
        14 => vec!["All"],
        15 => vec!["app:translator"],
        _ => GROUPS.to_vec(),
    };
    let code = |group: &pb::UserGroup| group.code.clone();
    let contradict = |group: &mut pb::UserGroup| group.label.push('!');
    let user_groups = entries(tape, code, contradict, |tape| pb::UserGroup {
        code: key(&words, tape),
        label: (*tape.pick(&["Writers", "Bosses", "Team 1"])).to_owned(),
        private: false,
    });
    Call::PutUserGroups(pb::PutUserGroupsRequest {
        user_groups,
        ..Default::default()
    })
}

/// Administrators, people's roles, or the API's, as the code says; now and
/// then anything.
pub(super) fn granted(code: &str, tape: &mut Entropy) -> Vec<String> {
    let texts = match code.to_lowercase().as_str() {
        "administrator" if tape.chance(80) => ADMINISTRATOR.to_vec(),
        "api" | "feeds" if tape.chance(90) => tape.some(60, &GRANTED[10..13]),
        _ => tape.some(40, &GRANTED),
    };
    let mut texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    if tape.chance(4) {
        texts.push("product.fly".to_owned());
    }
    texts
}

fn put_roles(tape: &mut Entropy) -> Call {
    let code = |role: &pb::Role| role.code.clone();
    let contradict = |role: &mut pb::Role| role.label.push('!');
    let roles = entries(tape, code, contradict, |tape| {
        let code = key(&ROLES, tape);
        let permissions = granted(&code, tape);
        let usual = match code.to_lowercase().as_str() {
            "api" | "feeds" => pb::Audience::Connection,
            _ => pb::Audience::Unspecified,
        };
        let others = [pb::Audience::User, pb::Audience::Connection];
        let audience = if tape.chance(90) {
            usual
        } else {
            *tape.pick(&others)
        };
        pb::Role {
            code,
            label: (*tape.pick(&["Writer", "Boss"])).to_owned(),
            audience: audience.into(),
            permissions: maybe(80, permissions, tape),
        }
    });
    Call::PutRoles(pb::PutRolesRequest {
        roles,
        ..Default::default()
    })
}

pub(super) fn delete(tape: &mut Entropy) -> Call {
    match tape.below(4) {
        0 => {
            let (codes, cascade) = doomed(&USERS, false, tape);
            Call::DeleteUsers(pb::DeleteUsersRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        1 => {
            let (codes, cascade) = doomed(&CONNECTIONS, false, tape);
            Call::DeleteConnections(pb::DeleteConnectionsRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        2 => {
            let mut words = all_groups();
            words.push("app:translator");
            let (codes, cascade) = doomed(&words, false, tape);
            Call::DeleteUserGroups(pb::DeleteUserGroupsRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
        _ => {
            let (codes, cascade) = doomed(&ROLES, false, tape);
            Call::DeleteRoles(pb::DeleteRolesRequest {
                codes,
                cascade,
                ..Default::default()
            })
        }
    }
}

/// Groups, roles, and the people in them.
pub(super) fn filling(tape: &mut Entropy) -> Vec<Call> {
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
        put_groups(tape),
        put_groups(tape),
        put_roles(tape),
        put_roles(tape),
        put_users(tape),
        put_connections(tape),
    ]
}
