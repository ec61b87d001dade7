//! Random trees near the most levels that there may be (rules 3.10): refused
//! and moved as the model says.

use pim_authz::{
    domain::{Edition, ItemKind, MOST_CATEGORY_LEVELS},
    pb,
};

use super::{calls::Call, steps::Tenant};
use crate::{harness::TestServer, support::Entropy};

const TENANTS: u64 = 3;
const WRITES_A_TENANT: usize = 14;

#[tokio::test]
async fn rule_3_10_random_writes_to_deep_trees_do_what_the_model_says() {
    let server = TestServer::start().await;
    let (mut done, mut refused) = (0, 0);
    for seed in 0..TENANTS {
        let mut tape = Entropy::seeded(seed + 31_000, 4_000);
        let code = format!("deep_{seed}");
        let mut tenant = Tenant::create(&server, &code, Edition::Enterprise).await;
        for number in 0..WRITES_A_TENANT {
            let call = match tape.below(4) {
                _ if number < 2 => chain(number, &mut tape),
                0 => chain(number, &mut tape),
                _ => moves(&tenant, &mut tape),
            };
            let call = Call::PutCategories(pb::PutCategoriesRequest {
                categories: call,
                without_default_rights: tape.chance(50),
                dry_run: tape.chance(20),
                ..Default::default()
            });
            match tenant.perform(call).await {
                Some(_) => done += 1,
                None => refused += 1,
            }
        }
        tenant.compare_lists(1_000).await;
    }
    assert!(done > 10 && refused > 5, "{done} done, {refused} refused");
}

/// A new tree of one category a level, about as deep as can be, or half of it.
fn chain(number: usize, tape: &mut Entropy) -> Vec<pb::Category> {
    let most = MOST_CATEGORY_LEVELS;
    let levels = *tape.pick(&[
        3,
        most / 2 - 1,
        most / 2,
        most / 2 + 1,
        most - 1,
        most,
        most + 1,
    ]);
    let of = |level: usize| pb::Category {
        code: format!("t{number}_{level:04}"),
        parent: (level > 1).then(|| format!("t{number}_{:04}", level - 1)),
    };
    let mut chain: Vec<pb::Category> = (1..=levels).map(of).collect();
    if tape.chance(50) {
        chain.reverse();
    }
    chain
}

/// Moves some categories, new ones too, below others; roots and leaves most
/// often.
fn moves(tenant: &Tenant, tape: &mut Entropy) -> Vec<pb::Category> {
    let world = &tenant.model.world;
    let categories = world.items_of(ItemKind::Category);
    let all: Vec<String> = categories.map(|item| item.code.to_string()).collect();
    let ends: Vec<String> = all
        .iter()
        .enumerate()
        .filter(|(place, _)| place % 499 < 2)
        .map(|(_, code)| code.clone())
        .chain(all.last().cloned())
        .collect();
    let mut moves: Vec<pb::Category> = Vec::new();
    for number in 0..=tape.below(3) {
        let some = if tape.chance(60) { &ends } else { &all };
        let code = match tape.below(4) {
            0 => format!("new{number}"),
            _ => tape.pick(some).clone(),
        };
        let parent = match tape.below(6) {
            0 => String::new(),
            1 => "new0".to_owned(),
            _ => tape.pick(&all).clone(),
        };
        if moves.iter().all(|other| other.code != code) {
            moves.push(pb::Category {
                code,
                parent: Some(parent),
            });
        }
    }
    moves
}
