use pim_authz::{
    domain::{CATALOGUE, Code},
    pb::{self, AppStep},
};

use super::{
    batches::{key, reference},
    catalog::roots,
    words::{APPS, ATTRIBUTE_GROUPS, CATEGORIES, LOCALES},
};
use crate::{
    administration::{administered::Administered, calls::Call},
    support::Entropy,
};

/// Scopes that apps request, each with the scopes that it implies.
const REQUESTED_SCOPES: [&[&str]; 8] = [
    &["read_products"],
    &["read_products", "write_products"],
    &["read_products", "write_products", "delete_products"],
    &["read_products", "read_assets", "openid"],
    &["read_products", "write_products", "read_assets", "email"],
    &["read_categories", "read_catalog_structure"],
    &["openid", "profile"],
    &[],
];

pub(super) fn scopes(entropy: &mut Entropy) -> Vec<String> {
    let scopes = entropy.pick(&REQUESTED_SCOPES).iter();
    let mut scopes: Vec<String> = scopes.map(|scope| (*scope).to_owned()).collect();
    if entropy.chance(15) {
        scopes.push("fly".to_owned());
    }
    scopes
}

/// Sets an edition of the tenant, possibly the same one.
pub(in super::super) fn edition(entropy: &mut Entropy) -> Call {
    let editions = [
        pb::Edition::Enterprise,
        pb::Edition::Enterprise,
        pb::Edition::Growth,
        pb::Edition::Community,
        pb::Edition::Unspecified,
    ];
    Call::UpdateTenant(pb::UpdateTenantRequest {
        edition: (*entropy.pick(&editions)).into(),
        ..Default::default()
    })
}

/// Writes about apps outside the steps, and about the tenant.
pub(in super::super) fn outside_the_steps(entropy: &mut Entropy) -> Call {
    match entropy.below(8) {
        0 => Call::CreateTenant(pb::CreateTenantRequest {
            edition: pb::Edition::Growth.into(),
            ..Default::default()
        }),
        1..4 => edition(entropy),
        4 => Call::Disconnect(pb::DisconnectRequest {
            app: key(&APPS, entropy),
            ..Default::default()
        }),
        _ => Call::UpdateScopes(pb::UpdateScopesRequest {
            app: key(&APPS, entropy),
            scopes: scopes(entropy),
            ..Default::default()
        }),
    }
}

/// The actor who connects an app: usually an administrator.
fn actor(entropy: &mut Entropy) -> String {
    let actors = [
        "user:nobody",
        "user:julia",
        "app:Sync",
        "admin",
        "user:Mary",
    ];
    if entropy.chance(85) {
        return "user:admin".to_owned();
    }
    (*entropy.pick(&actors)).to_owned()
}

/// The code of an app.
pub(in super::super) fn app(entropy: &mut Entropy) -> String {
    (*entropy.pick(&APPS)).to_owned()
}

/// The code of an app; rarely one of 252 bytes, which is too long for an app
/// only (rules 1.5).
pub(super) fn key_of_an_app(entropy: &mut Entropy) -> String {
    if entropy.chance(2) {
        return "a".repeat(252);
    }
    key(&APPS, entropy)
}

/// The start of a connection; sometimes with the scopes that the app already
/// has (rules 5.8a).
pub(in super::super) fn start(
    model: &Administered,
    entropy: &mut Entropy,
) -> pb::StartConnectionRequest {
    let app = key_of_an_app(entropy);
    let other = scopes(entropy);
    let held = app.parse().ok();
    let held = held.and_then(|app: Code| model.world.apps.get(&app));
    let scopes = match held {
        Some(held) if entropy.chance(40) => {
            let held = held.iter().map(|id| CATALOGUE.scope(id).code.to_owned());
            held.collect()
        }
        _ => other,
    };
    pb::StartConnectionRequest {
        actor: actor(entropy),
        app,
        scopes,
        ..Default::default()
    }
}

/// The next step of a request; sometimes another step, or a cancellation.
pub(in super::super) fn step(
    model: &Administered,
    request_id: &str,
    actor: &str,
    entropy: &mut Entropy,
) -> Call {
    let others = [AppStep::Authorize, AppStep::Permissions, AppStep::Confirm];
    let step = match model.steps_of(request_id).first() {
        Some(next) if entropy.chance(70) => *next,
        _ => *entropy.pick(&others),
    };
    if entropy.chance(4) {
        return cancel(request_id, actor);
    }
    this_step(model, step, (request_id, actor), entropy)
}

/// A given step of a request, whether or not it is the next one.
pub(in super::super) fn this_step(
    model: &Administered,
    step: AppStep,
    (request_id, actor): (&str, &str),
    entropy: &mut Entropy,
) -> Call {
    let (request_id, actor) = (request_id.to_owned(), actor.to_owned());
    match step {
        AppStep::Unspecified | AppStep::Authorize => {
            Call::AuthorizeScopes(pb::AuthorizeScopesRequest {
                actor,
                request_id,
                ..Default::default()
            })
        }
        AppStep::Permissions => set_permissions(model, request_id, actor, entropy),
        AppStep::Confirm => Call::ConfirmConnection(pb::ConfirmConnectionRequest {
            actor,
            request_id,
            ..Default::default()
        }),
    }
}

pub(in super::super) fn cancel(request_id: &str, actor: &str) -> Call {
    Call::CancelConnection(pb::CancelConnectionRequest {
        actor: actor.to_owned(),
        request_id: request_id.to_owned(),
        ..Default::default()
    })
}

fn set_permissions(
    model: &Administered,
    request_id: String,
    actor: String,
    entropy: &mut Entropy,
) -> Call {
    // An app that only reads products is offered only `view` (rules 5.6).
    let only_view = entropy.chance(50);
    let trees = if entropy.chance(90) {
        roots(model)
    } else {
        CATEGORIES.map(str::to_owned).to_vec()
    };
    let trees: Vec<&str> = trees.iter().map(String::as_str).collect();
    let own = entropy.chance(3);
    Call::SetPermissions(pb::SetPermissionsRequest {
        actor,
        request_id,
        trees: Some(chosen(&trees, only_view, true, entropy)),
        locales: Some(chosen(&LOCALES, only_view, own, entropy)),
        attribute_groups: Some(chosen(&ATTRIBUTE_GROUPS, only_view, false, entropy)),
        ..Default::default()
    })
}

fn chosen(words: &[&str], only_view: bool, own: bool, entropy: &mut Entropy) -> pb::AppRights {
    let mut rights = pb::AppRights {
        view: selection(words, entropy),
        ..Default::default()
    };
    if !only_view {
        rights.edit = selection(words, entropy);
        rights.own = own.then(|| selection(words, entropy)).flatten();
    }
    rights
}

fn selection(words: &[&str], entropy: &mut Entropy) -> Option<pb::AppSelection> {
    let all = entropy.chance(30);
    let is_present = entropy.chance(70);
    let codes = if all || words.is_empty() {
        Vec::new()
    } else {
        vec![reference(words, entropy)]
    };
    is_present.then_some(pb::AppSelection { all, codes })
}
