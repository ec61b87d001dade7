//! `GetEffectiveAccess`: the level that a subject holds on each item over all its
//! user groups, and the groups that give it (rules 3.4, 3.5).

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::{
    domain::{Code, ItemKind, ItemRef, Level, SubjectRef},
    pb::{self, access_rights_service_client::AccessRightsServiceClient},
};
use strum::IntoEnumIterator as _;
use tonic::transport::Channel;

use crate::{
    harness::{
        Seed, TestServer, first_seed, refusal, seeds,
        stored_worlds::{every_subject, store_world},
        words,
    },
    support::{Entropy, World, random_stored_world, subject},
};

const WORLDS: usize = 8;

type Client = AccessRightsServiceClient<Channel>;

/// The level on each item, and the groups that give it.
type Held = BTreeMap<ItemRef, (pb::Level, BTreeSet<Code>)>;

#[tokio::test]
async fn rule_3_5_effective_access_matches_the_reference_on_random_worlds() {
    let server = TestServer::start().await;
    let mut client = Client::new(server.channel().await);
    let (mut listed, mut without_groups) = (0, 0);
    for seed in (first_seed()..).take(seeds(WORLDS)) {
        let _printed_on_failure = Seed(seed);
        let mut entropy = Entropy::seeded(seed + 5_000, 8_000);
        let world = random_stored_world(&mut entropy);
        let tenant = format!("world_{seed}");
        store_world(&server, &tenant, &world).await;
        let unknown = subject("user:nobody_at_all");
        for subject in every_subject(&world).into_iter().chain([unknown]) {
            let expected = expected(&world, &subject);
            listed += expected.len();
            without_groups += expected.values().filter(|held| held.1.is_empty()).count();
            for page_size in [2, 10_000] {
                let found = read(&mut client, &tenant, &subject, "", page_size).await;
                assert_eq!(found, expected, "{subject}");
            }
            for kind in ItemKind::iter() {
                let mut of_kind = expected.clone();
                of_kind.retain(|item, _| item.kind == kind);
                let found = read(&mut client, &tenant, &subject, kind.into(), 3).await;
                assert_eq!(found, of_kind, "{subject}, only {kind}");
            }
        }
    }
    // Both kinds of editions were compared, with enough items to be meaningful.
    assert!(listed > 300, "{listed}");
    assert!(
        0 < without_groups && without_groups < listed,
        "{without_groups}"
    );
}

/// Returns what a subject holds by the rules.
fn expected(world: &World, subject: &SubjectRef) -> Held {
    // Rules 1.6: a subject that is unknown or disabled holds nothing.
    let is_app = world.apps.contains_key(&subject.code);
    let member = world.member(subject);
    if !(is_app && member.is_none()) && member.is_none_or(|member| member.disabled) {
        return Held::new();
    }
    let items = world.items.iter();
    if !world.edition.is_enterprise() {
        // Rules 3.4: everyone holds the highest level.
        let highest = |item: &ItemRef| *item.kind.levels().last().unwrap();
        let held = items.map(|item| {
            (
                item.clone(),
                (words::level(Some(highest(item))), BTreeSet::new()),
            )
        });
        return held.collect();
    }
    let groups = world.groups_of(subject);
    let mut held = Held::new();
    for item in items {
        let rights: Vec<(&Code, Level)> = groups
            .iter()
            .map(|group| (group, world.right(group, item)))
            .filter(|(_, level)| *level != Level::Hidden)
            .collect();
        // Rules 3.5: the highest level wins; rules 3.3: flags add up.
        let highest = rights
            .iter()
            .fold(Level::Hidden, |all, right| all.or(right.1));
        if highest == Level::Hidden {
            continue;
        }
        let alone = rights.iter().any(|(_, level)| *level == highest);
        let giving = rights
            .iter()
            .filter(|(_, level)| !alone || *level == highest);
        let giving = giving.map(|(group, _)| (*group).clone()).collect();
        held.insert(item.clone(), (words::level(Some(highest)), giving));
    }
    held
}

/// Reads all pages; each item occurs once.
async fn read(
    client: &mut Client,
    tenant: &str,
    subject: &SubjectRef,
    item_type: &str,
    page_size: i32,
) -> Held {
    let mut request = pb::GetEffectiveAccessRequest {
        tenant: tenant.to_owned(),
        page_size,
        subject: Some(pb::Subject {
            r#type: subject.kind.to_string(),
            id: subject.code.to_string(),
        }),
        item_type: item_type.to_owned(),
        ..Default::default()
    };
    let mut held = Held::new();
    loop {
        let page = client.get_effective_access(request.clone()).await.unwrap();
        let page = page.into_inner();
        assert!(page.rights.len() <= usize::try_from(page_size).unwrap());
        for right in page.rights {
            let level = right.level();
            let item = right.item.unwrap();
            let item = ItemRef {
                kind: item.r#type.parse().unwrap(),
                code: item.id.parse().unwrap(),
            };
            let groups: Vec<Code> = right
                .groups
                .iter()
                .map(|code| code.parse().unwrap())
                .collect();
            assert!(groups.is_sorted(), "{groups:?}");
            let earlier = held.insert(item, (level, groups.into_iter().collect()));
            assert_eq!(earlier, None);
        }
        if page.next_page_token.is_empty() {
            return held;
        }
        request.page_token = page.next_page_token;
    }
}

/// A subject in many groups gets shorter pages, so that no page grows without
/// bounds.
#[tokio::test]
async fn pages_of_a_subject_in_many_groups_are_shorter() {
    const GROUPS: usize = 400;
    const ITEMS: usize = 300;
    let groups: Vec<String> = (0..GROUPS).map(|number| format!("g{number}")).collect();
    let all = groups.join(",");
    let lines = |header: &str, rows: Vec<String>| {
        let rows = std::iter::once(header.to_owned()).chain(rows);
        rows.map(|row| row + "\n").collect::<String>()
    };
    let families: Vec<String> = (0..ITEMS)
        .map(|number| format!("family_{number}"))
        .collect();
    let rights = families.iter().map(|family| format!("{family};\"{all}\";"));
    let files = [
        (
            "user_groups.csv",
            lines(
                "code;name",
                groups.iter().map(|group| format!("{group};")).collect(),
            ),
        ),
        (
            "users.csv",
            lines("username;roles;groups", vec![format!("julia;;\"{all}\"")]),
        ),
        ("asset_families.csv", lines("code", families.clone())),
        (
            "asset_family_accesses.csv",
            lines("asset_family;view;edit", rights.collect()),
        ),
    ];
    let files = files.map(|(name, content)| (name.to_owned(), content));
    let server = TestServer::start().await;
    server.import("acme", pb::Edition::Enterprise, &files).await;
    let mut client = Client::new(server.channel().await);
    let request = pb::GetEffectiveAccessRequest {
        tenant: "acme".to_owned(),
        page_size: 10_000,
        subject: Some(pb::Subject {
            r#type: "user".to_owned(),
            id: "julia".to_owned(),
        }),
        ..Default::default()
    };
    let page = client
        .get_effective_access(request)
        .await
        .unwrap()
        .into_inner();
    // In all groups and in `All`: 100,000 rights are those on 249 items.
    assert_eq!(page.rights.len(), 100_000 / (GROUPS + 1));
    assert!(!page.next_page_token.is_empty());
    let held = read(&mut client, "acme", &subject("user:julia"), "", 10_000).await;
    assert_eq!(held.len(), ITEMS);
    assert!(held.values().all(|(_, giving)| giving.len() == GROUPS));
}

#[tokio::test]
async fn invalid_requests_name_the_field() {
    let server = TestServer::start().await;
    let mut client = Client::new(server.channel().await);
    let of = |r#type: &str, id: &str| {
        Some(pb::Subject {
            r#type: r#type.to_owned(),
            id: id.to_owned(),
        })
    };
    let cases = [
        ("subject", None, ""),
        ("subject.type", of("robot", "x"), ""),
        ("subject.id", of("user", ""), ""),
        ("item_type", of("user", "julia"), "product"),
    ];
    for (field, subject, item_type) in cases {
        let request = pb::GetEffectiveAccessRequest {
            subject,
            item_type: item_type.to_owned(),
            ..Default::default()
        };
        let status = client.get_effective_access(request).await.unwrap_err();
        let (code, _, path) = refusal(&status);
        assert_eq!(code, tonic::Code::InvalidArgument, "{status:?}");
        assert_eq!(path.as_deref(), Some(field), "{status:?}");
    }
}
