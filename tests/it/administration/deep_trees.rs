//! Random trees near the limit of category levels (rules 3.10): refused, moved,
//! opened and emptied as in the model, counted by dry runs, and listed
//! identically from memory and from the database.

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::{
    domain::{
        Action, Code, Context, Description, Edition, ItemKind, ItemRef, Level, MAX_CATEGORY_LEVELS,
        ProductKind, ProductRef, Question, Resource, ResourceType, SubjectKind, SubjectRef,
    },
    pb::{self, authorization_service_client::AuthorizationServiceClient},
};
use tonic::transport::Channel;

use super::{affected, calls::Call, steps::Tenant};
use crate::{
    harness::{Seed, TestServer, first_seed, lists, seeds},
    support::{Entropy, World, reference},
};

const TENANTS: usize = 2;
const WRITES_A_TENANT: usize = 13;
const EDGES_A_TENANT: usize = 3;
const CLOSED_ROOT: &str = "t0_0001";
const LISTS_A_TENANT: usize = 5;

#[tokio::test]
async fn rule_3_10_random_writes_to_deep_trees_match_the_model() {
    let server = TestServer::start().await;
    let uncached = TestServer::start_without_memory(server.database.clone()).await;
    let mut clients = [server.client().await, uncached.client().await];
    let (mut done, mut refused, mut listed) = (0, 0, 0);
    for seed in (first_seed()..).take(seeds(TENANTS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 31_000, 4_000);
        let code = format!("deep_{seed}");
        let mut tenant = Tenant::create(&server, &code, Edition::Enterprise).await;
        for call in people() {
            tenant.perform(call).await;
        }
        tenant.counts_affected = Some(affected::count_in_big_trees);
        for number in 0..WRITES_A_TENANT {
            let call = random_write(&tenant, number, &mut entropy);
            if number == 3 || number > 3 && entropy.chance(60) {
                tenant.perform(call.clone().rehearsed()).await;
            }
            match tenant.perform(call).await {
                Some(_) => done += 1,
                None => refused += 1,
            }
        }
        // One tree with the maximum number of levels, for the lists.
        let deepest = put(tree("deepest", MAX_CATEGORY_LEVELS));
        tenant.perform(deepest).await.unwrap();
        for number in 0..EDGES_A_TENANT {
            let call = at_the_edge(number, &mut entropy);
            match tenant.perform(call).await {
                Some(_) => done += 1,
                None => refused += 1,
            }
        }
        tenant.compare_lists(1_000).await;
        for _ in 0..LISTS_A_TENANT {
            listed += compare_allowed(&mut clients, &tenant, &mut entropy).await;
        }
    }
    assert!(done > 10 && refused > 2, "{done} done, {refused} refused");
    assert!(listed > 1_000, "{listed}");
}

/// One user in each of two groups, one in both, and one only in `All`.
fn people() -> [Call; 2] {
    let groups = ["Redactors", "manager"];
    let user_groups = groups.map(|code| pb::UserGroup {
        code: code.into(),
        label: code.into(),
        private: false,
    });
    let in_groups = |code: &str, groups: &[&str]| pb::User {
        code: code.into(),
        groups: Some(pb::CodeList {
            codes: groups.iter().map(|&group| group.into()).collect(),
        }),
        ..Default::default()
    };
    let users = vec![
        in_groups("julia", &groups[..1]),
        in_groups("Mary", &groups[1..]),
        in_groups("peter", &groups),
        in_groups("admin", &[]),
    ];
    [
        Call::PutUserGroups(pb::PutUserGroupsRequest {
            user_groups: user_groups.to_vec(),
            ..Default::default()
        }),
        Call::PutUsers(pb::PutUsersRequest {
            users,
            ..Default::default()
        }),
    ]
}

fn random_write(tenant: &Tenant, number: usize, entropy: &mut Entropy) -> Call {
    let categories = match entropy.below(9) {
        _ if number == 0 => return closed_tree(entropy),
        _ if number == 1 => chain(number, entropy),
        // Trees that a group holds in part, and products in them.
        _ if number == 2 => return products(tenant, entropy),
        _ if number == 3 => return opened(CLOSED_ROOT, entropy),
        _ if number == 4 => return rights(tenant, entropy),
        0 => chain(number, entropy),
        1 | 2 => return rights(tenant, entropy),
        3 => return products(tenant, entropy),
        4 => return deletion(tenant, entropy),
        _ => moves(tenant, entropy),
    };
    Call::PutCategories(pb::PutCategoriesRequest {
        categories,
        without_default_rights: entropy.chance(50),
        ..Default::default()
    })
}

fn put(categories: Vec<pb::Category>) -> Call {
    Call::PutCategories(pb::PutCategoriesRequest {
        categories,
        ..Default::default()
    })
}

/// A deep tree without any rights.
fn closed_tree(entropy: &mut Entropy) -> Call {
    let most = MAX_CATEGORY_LEVELS;
    Call::PutCategories(pb::PutCategoriesRequest {
        categories: tree("t0", most / 2 + entropy.below(most / 2 + 1)),
        without_default_rights: true,
        ..Default::default()
    })
}

/// Grants a right on a category and all its descendants.
fn opened(category: &str, entropy: &mut Entropy) -> Call {
    let levels = [pb::Level::View, pb::Level::Edit, pb::Level::Own];
    let grant = pb::AccessGrant {
        group: "Redactors".into(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: category.into(),
        }),
        level: (*entropy.pick(&levels)).into(),
        apply_to_children: None,
    };
    Call::GrantAccess(pb::GrantAccessRequest {
        grants: vec![grant],
        ..Default::default()
    })
}

/// A new tree of one category per level, about the maximum depth, or half of
/// it, or 3 levels.
fn chain(number: usize, entropy: &mut Entropy) -> Vec<pb::Category> {
    let most = MAX_CATEGORY_LEVELS;
    let levels = *entropy.pick(&[
        3,
        most / 2 - 1,
        most / 2,
        most / 2 + 1,
        most - 1,
        most,
        most + 1,
    ]);
    let mut chain = tree(&format!("t{number}"), levels);
    if entropy.chance(50) {
        chain.reverse();
    }
    chain
}

/// A tree of one category per level.
fn tree(name: &str, levels: usize) -> Vec<pb::Category> {
    let of = |level: usize| pb::Category {
        code: format!("{name}_{level:04}"),
        parent: (level > 1).then(|| format!("{name}_{:04}", level - 1)),
    };
    (1..=levels).map(of).collect()
}

/// A few new categories below one of the last three levels of the deepest tree;
/// the first call exceeds the limit by one.
fn at_the_edge(number: usize, entropy: &mut Entropy) -> Call {
    let most = MAX_CATEGORY_LEVELS;
    let (level, more) = match number {
        0 => (most, 1),
        _ => (most - entropy.below(3), 1 + entropy.below(3)),
    };
    let mut below = tree(&format!("edge{number}"), more);
    below[0].parent = Some(format!("deepest_{level:04}"));
    put(below)
}

fn categories(world: &World) -> Vec<String> {
    let categories = world.items_of(ItemKind::Category);
    categories.map(|item| item.code.to_string()).collect()
}

/// Mostly the roots and leaves.
fn ends(all: &[String]) -> Vec<String> {
    all.iter()
        .enumerate()
        .filter(|(place, _)| place % 499 < 2)
        .map(|(_, code)| code.clone())
        .chain(all.last().cloned())
        .collect()
}

fn one(tenant: &Tenant, entropy: &mut Entropy) -> String {
    let all = categories(&tenant.model.world);
    let some = if entropy.chance(60) { ends(&all) } else { all };
    some.get(entropy.below(some.len().max(1)))
        .cloned()
        .unwrap_or_else(|| "nowhere".to_owned())
}

/// Moves some categories, including new ones, below others; roots and leaves
/// most often.
fn moves(tenant: &Tenant, entropy: &mut Entropy) -> Vec<pb::Category> {
    let mut moves: Vec<pb::Category> = Vec::new();
    for number in 0..=entropy.below(3) {
        let code = match entropy.below(4) {
            0 => format!("new{number}"),
            _ => one(tenant, entropy),
        };
        let parent = match entropy.below(6) {
            0 => String::new(),
            1 => "new0".to_owned(),
            _ => one(tenant, entropy),
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

/// Rights on a category, with or without its descendants (rules 3.7).
fn rights(tenant: &Tenant, entropy: &mut Entropy) -> Call {
    let groups = ["All", "Redactors", "manager"];
    let levels = [pb::Level::View, pb::Level::Edit, pb::Level::Own];
    let entry = pb::AccessGrant {
        group: (*entropy.pick(&groups)).to_owned(),
        item: Some(pb::Item {
            r#type: "category".into(),
            id: one(tenant, entropy),
        }),
        level: (*entropy.pick(&levels)).into(),
        apply_to_children: *entropy.pick(&[None, Some(true), Some(false)]),
    };
    if entropy.chance(50) {
        return Call::RevokeAccess(pb::RevokeAccessRequest {
            revocations: vec![entry],
            ..Default::default()
        });
    }
    Call::GrantAccess(pb::GrantAccessRequest {
        grants: vec![entry],
        ..Default::default()
    })
}

/// Products in some categories, or in none.
fn products(tenant: &Tenant, entropy: &mut Entropy) -> Call {
    let codes = ["hat", "cap", "4711"];
    let products = codes.map(|code| {
        let size = entropy.below(3);
        let mut codes: Vec<String> = (0..size).map(|_| one(tenant, entropy)).collect();
        let world = &tenant.model.world;
        if code == "hat" && world.products.is_empty() {
            codes.push("t0_0100".to_owned());
        }
        pb::Product {
            code: code.into(),
            categories: Some(pb::CodeList { codes }),
            ..Default::default()
        }
    });
    Call::PutProducts(pb::PutProductsRequest {
        products: products.to_vec(),
        ..Default::default()
    })
}

fn deletion(tenant: &Tenant, entropy: &mut Entropy) -> Call {
    Call::DeleteCategories(pb::DeleteCategoriesRequest {
        codes: vec![one(tenant, entropy)],
        cascade: entropy.chance(50),
        ..Default::default()
    })
}

/// Lists what a random user may view below a category, from memory and from the
/// database; returns the number of entries.
async fn compare_allowed(
    clients: &mut [AuthorizationServiceClient<Channel>],
    tenant: &Tenant,
    entropy: &mut Entropy,
) -> usize {
    let world = &tenant.model.world;
    let users: Vec<&Code> = world.users.keys().collect();
    let subject = SubjectRef {
        kind: SubjectKind::User,
        code: (*entropy.pick(&users)).clone(),
    };
    let kind = *entropy.pick(&[
        ResourceType::Category,
        ResourceType::Category,
        ResourceType::Product,
    ]);
    let below = match entropy.below(3) {
        0 => "deepest_0001".to_owned(),
        _ => one(tenant, entropy),
    };
    let request = pb::ListAllowedRequest {
        tenant: tenant.code.clone(),
        subject: Some(pb::Subject {
            r#type: subject.kind.to_string(),
            id: subject.code.to_string(),
        }),
        action: "view".into(),
        resource_type: kind.to_string(),
        filter: Some(pb::ListFilter {
            category: below.clone(),
            ..Default::default()
        }),
        page_size: 10_000,
        ..Default::default()
    };
    let expected = allowed_below(world, &subject, kind, &below.parse().unwrap());
    for client in clients {
        let listed = lists::all_pages(client, &request).await;
        let listed: BTreeSet<String> = listed.into_iter().map(|(code, _)| code).collect();
        assert_eq!(listed, expected, "{request:#?}");
    }
    expected.len()
}

fn allowed_below(
    world: &World,
    subject: &SubjectRef,
    kind: ResourceType,
    below: &Code,
) -> BTreeSet<String> {
    let above = |code: &Code| world.category_parents.get(code).cloned();
    let lies_below = |code: &Code| {
        std::iter::successors(Some(code.clone()), above).any(|category| category == *below)
    };
    let codes: Vec<Code> = if kind == ResourceType::Product {
        let products = world.products.iter();
        let products = products.filter(|(key, of)| {
            let ProductRef { kind, .. } = key;
            *kind == ProductKind::Product && of.categories.iter().any(lies_below)
        });
        products.map(|(key, _)| key.code.clone()).collect()
    } else {
        let categories = world.items_of(ItemKind::Category);
        let categories = categories.filter(|item| lies_below(&item.code));
        categories.map(|item| item.code.clone()).collect()
    };
    // Keeps only the relevant rights for each decision, since they are few of a
    // large number.
    let mut rights: BTreeMap<Code, Vec<(Code, ItemRef, Level)>> = BTreeMap::new();
    for ((group, item), level) in &world.rights {
        let of_item = rights.entry(item.code.clone()).or_default();
        of_item.push((group.clone(), item.clone(), *level));
    }
    let mut few = world.clone();
    let allowed = codes.into_iter().filter(|code| {
        let product = ProductRef {
            kind: ProductKind::Product,
            code: code.clone(),
        };
        let relevant = match world.products.get(&product) {
            Some(product) if kind == ResourceType::Product => product.categories.clone(),
            Some(_) | None => BTreeSet::from([code.clone()]),
        };
        let relevant = relevant
            .iter()
            .filter_map(|code| rights.get(code))
            .flatten();
        let relevant = relevant.map(|(group, item, at)| ((group.clone(), item.clone()), *at));
        few.rights = relevant.collect();
        let resource = Resource {
            kind,
            id: Some(code.clone()),
            description: Description::default(),
        };
        let view = Action::find("view").unwrap();
        let question = Question::new(subject.clone(), view, Some(resource), Context::default());
        reference::decide(&few, &question.unwrap()).is_allowed()
    });
    allowed.map(|code| code.to_string()).collect()
}
