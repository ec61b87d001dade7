//! Random writes about apps, and random partial files: as `properties`, but
//! with few other writes in between, so that events that are rare for an app,
//! or for one column of a file, occur in each run.

use pim_authz::{
    domain::{Code, Edition},
    pb::{self, AppStep},
};

use super::{
    administered::Administered,
    calls::Call,
    file_rows::FileRows,
    random_call::{self, random_call},
    steps::Tenant,
};
use crate::{
    harness::{Seed, TestServer, first_seed, seeds},
    support::Entropy,
};

const TENANTS: usize = 4;
const WRITES_A_TENANT: usize = 22;
/// Maximum number of draws until a file is not refused.
const DRAWS: usize = 5;

/// What is written to a tenant that was filled before.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Apps,
    Files,
}

#[tokio::test]
async fn rules_5_random_writes_about_apps_match_the_model() {
    write_and_compare(Written::Apps).await;
}

#[tokio::test]
async fn imports_of_random_partial_files_match_the_model() {
    write_and_compare(Written::Files).await;
}

async fn write_and_compare(written: Written) {
    let server = TestServer::start().await;
    for seed in (first_seed()..).take(seeds(TENANTS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 17_000, 60_000);
        let code = format!("focused_{seed}");
        let mut tenant = Tenant::create(&server, &code, Edition::Enterprise).await;
        for call in random_call::filling(&tenant.model, &mut entropy) {
            tenant.perform(call).await;
        }
        for number in 1..=WRITES_A_TENANT {
            match written {
                Written::Apps => write_about_apps(&mut tenant, &mut entropy).await,
                Written::Files => write_a_file(&mut tenant, number, &mut entropy).await,
            }
            if number % 11 == 0 {
                tenant.compare_lists(1_000).await;
            }
        }
    }
}

async fn write_about_apps(tenant: &mut Tenant, entropy: &mut Entropy) {
    let call = match entropy.below(10) {
        0 => return tenant.connect_an_app(entropy).await,
        1 => return connect_across_editions(tenant, entropy).await,
        2 => return connect_through_a_downgrade(tenant, entropy).await,
        3 | 4 => return authorize_again(tenant, entropy).await,
        5..8 => {
            let [file] = drawn(tenant, entropy, |model, entropy| {
                [random_call::apps_file(model, entropy)]
            });
            return tenant.import(&[file], entropy.chance(10)).await;
        }
        8 => random_call::of_an_app(&tenant.model, entropy),
        _ => random_call::outside_the_steps(entropy),
    };
    tenant.perform(call).await;
}

/// Connects an app while the tenant is upgraded and downgraded
/// (rules 5.1, 5.8a); leaves an enterprise tenant.
async fn connect_across_editions(tenant: &mut Tenant, entropy: &mut Entropy) {
    change_edition(tenant, entropy).await;
    for _ in 0..2 {
        let start = pb::StartConnectionRequest {
            actor: "user:admin".into(),
            ..random_call::start(&tenant.model, entropy)
        };
        let Some(answer) = tenant.perform(Call::StartConnection(start)).await else {
            continue;
        };
        let id = answer.request_id;
        for _ in 0..6 {
            let Some(next) = tenant.model.steps_of(&id).first().copied() else {
                break;
            };
            if entropy.chance(35) {
                change_edition(tenant, entropy).await;
            }
            let others = [AppStep::Permissions, AppStep::Authorize, AppStep::Confirm];
            let step = if entropy.chance(60) {
                next
            } else {
                *entropy.pick(&others)
            };
            let of = (id.as_str(), "user:admin");
            let call = random_call::this_step(&tenant.model, step, of, entropy);
            tenant.perform(call).await;
        }
        tenant.perform(edition(pb::Edition::Enterprise)).await;
    }
}

/// Starts to connect an app in an enterprise tenant, continues in another
/// edition, and starts again after an upgrade (rules 5.1, 5.8a).
async fn connect_through_a_downgrade(tenant: &mut Tenant, entropy: &mut Entropy) {
    let app = random_call::app(entropy);
    if entropy.chance(70) {
        let disconnect = Call::Disconnect(pb::DisconnectRequest {
            app: app.clone(),
            ..Default::default()
        });
        tenant.perform(disconnect).await;
    }
    let start = Call::StartConnection(pb::StartConnectionRequest {
        actor: "user:admin".into(),
        app,
        scopes: vec!["read_products".into(), "write_products".into()],
        ..Default::default()
    });
    for downgrades in [true, false] {
        tenant.perform(edition(pb::Edition::Enterprise)).await;
        let Some(answer) = tenant.perform(start.clone()).await else {
            return;
        };
        let id = answer.request_id;
        if id.is_empty() {
            continue; // connected already, with these scopes
        }
        let steps = tenant.model.steps_of(&id).len().max(1);
        let before = if downgrades {
            entropy.below(steps)
        } else {
            steps
        };
        for _ in 0..before {
            take_next_step(tenant, &id, entropy).await;
        }
        if downgrades {
            tenant.perform(edition(pb::Edition::Growth)).await;
            let nothing = Call::SetPermissions(pb::SetPermissionsRequest {
                actor: "user:admin".into(),
                request_id: id.clone(),
                ..Default::default()
            });
            tenant.perform(nothing).await;
            let confirm = AppStep::Confirm;
            let of = (id.as_str(), "user:admin");
            let confirm = random_call::this_step(&tenant.model, confirm, of, entropy);
            tenant.perform(confirm).await;
            take_next_step(tenant, &id, entropy).await;
        }
    }
}

/// Takes the next step, if any is left.
async fn take_next_step(tenant: &mut Tenant, id: &str, entropy: &mut Entropy) {
    if let Some(next) = tenant.model.steps_of(id).first().copied() {
        let call = random_call::this_step(&tenant.model, next, (id, "user:admin"), entropy);
        tenant.perform(call).await;
    }
}

/// Removes the scopes of a connected app, changes the rights of its group that
/// the steps do not set, and connects it again, step by step (rules 5.8).
async fn authorize_again(tenant: &mut Tenant, entropy: &mut Entropy) {
    let apps: Vec<String> = tenant
        .model
        .world
        .apps
        .keys()
        .map(Code::to_string)
        .collect();
    if apps.is_empty() {
        return tenant.connect_an_app(entropy).await;
    }
    let app = entropy.pick(&apps).clone();
    let shrink = Call::UpdateScopes(pb::UpdateScopesRequest {
        app: app.clone(),
        ..Default::default()
    });
    tenant.perform(shrink).await;
    for call in random_call::beside_the_steps(&tenant.model, &app, entropy) {
        tenant.perform(call).await;
    }
    let start = pb::StartConnectionRequest {
        actor: "user:admin".into(),
        app,
        scopes: vec!["read_products".into(), "write_products".into()],
        ..Default::default()
    };
    let Some(answer) = tenant.perform(Call::StartConnection(start)).await else {
        return;
    };
    for _ in 0..3 {
        take_next_step(tenant, &answer.request_id, entropy).await;
    }
}

async fn change_edition(tenant: &mut Tenant, entropy: &mut Entropy) {
    let editions = [
        pb::Edition::Enterprise,
        pb::Edition::Growth,
        pb::Edition::Growth,
        pb::Edition::Community,
    ];
    let call = edition(*entropy.pick(&editions));
    tenant.perform(call).await;
}

fn edition(edition: pb::Edition) -> Call {
    Call::UpdateTenant(pb::UpdateTenantRequest {
        edition: edition.into(),
        ..Default::default()
    })
}

/// Imports a file with all of its columns, then without some of them; sometimes
/// after another write.
async fn write_a_file(tenant: &mut Tenant, turn: usize, entropy: &mut Entropy) {
    if entropy.chance(25) {
        let call = random_call(&tenant.model, entropy);
        tenant.perform(call).await;
    }
    let [whole, partial] = drawn(tenant, entropy, |model, entropy| {
        random_call::whole_and_partial_file(model, turn, entropy)
    });
    tenant.import_once(&[whole], false).await;
    tenant.import(&[partial], false).await;
}

/// Draws files until the first is not refused, at most [`DRAWS`] times.
fn drawn<const N: usize>(
    tenant: &Tenant,
    entropy: &mut Entropy,
    mut draw: impl FnMut(&Administered, &mut Entropy) -> [FileRows; N],
) -> [FileRows; N] {
    let model = &tenant.model;
    let mut files = draw(model, entropy);
    for _ in 1..DRAWS {
        if model.after_import(&files[..1]).is_ok() {
            break;
        }
        files = draw(model, entropy);
    }
    files
}
