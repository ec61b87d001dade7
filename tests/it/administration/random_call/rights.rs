use pim_authz::{
    domain::{Code, ItemKind, ItemRef},
    pb,
};
use strum::IntoEnumIterator as _;

use super::{
    batches::{entries, reference, spelled},
    catalog::mostly,
    words::{APPS, GROUPS},
};
use crate::{
    administration::{administered::Administered, calls::Call},
    support::Entropy,
};

pub(super) fn write(model: &Administered, entropy: &mut Entropy) -> Call {
    match entropy.below(5) {
        0 | 1 => Call::GrantAccess(pb::GrantAccessRequest {
            grants: grants(model, entropy),
            ..Default::default()
        }),
        2 | 3 => Call::RevokeAccess(pb::RevokeAccessRequest {
            revocations: grants(model, entropy),
            ..Default::default()
        }),
        _ => replace(model, entropy),
    }
}

/// Changes the rights of an app's private group on all items of one kind: often
/// channels, otherwise any kind that is stored (rules 5.7, 5.8).
pub(in super::super) fn of_an_app(model: &Administered, entropy: &mut Entropy) -> Call {
    let connected: Vec<String> = model.world.apps.keys().map(Code::to_string).collect();
    let apps = mostly(&connected, &APPS, entropy);
    let app = *entropy.pick(&apps);
    let group = format!("app:{app}");
    let kinds = ItemKind::iter().filter(|kind| model.world.items_of(*kind).next().is_some());
    let kinds: Vec<ItemKind> = kinds.collect();
    let kind = if kinds.is_empty() || entropy.chance(40) {
        ItemKind::Channel
    } else {
        *entropy.pick(&kinds)
    };
    let items = model.world.items_of(kind);
    let takes = entropy.chance(if kind == ItemKind::Channel { 85 } else { 20 });
    let entries = items.map(|item| pb::AccessGrant {
        group: group.clone(),
        item: Some(pb::Item {
            r#type: kind.to_string(),
            id: item.code.to_string(),
        }),
        level: level(&kind.to_string(), entropy).into(),
        apply_to_children: None,
    });
    let entries: Vec<pb::AccessGrant> = entries.collect();
    if takes {
        return Call::RevokeAccess(pb::RevokeAccessRequest {
            revocations: entries,
            ..Default::default()
        });
    }
    Call::GrantAccess(pb::GrantAccessRequest {
        grants: entries,
        ..Default::default()
    })
}

/// Grants an app's private group rights on kinds of items that the wizard's
/// steps do not set, and withholds some channels (rules 5.7, 5.8).
pub(in super::super) fn beside_the_steps(
    model: &Administered,
    app: &str,
    entropy: &mut Entropy,
) -> [Call; 2] {
    let entry = |item: &ItemRef, level: pb::Level| pb::AccessGrant {
        group: format!("app:{app}"),
        item: Some(pb::Item {
            r#type: item.kind.to_string(),
            id: item.code.to_string(),
        }),
        level: level.into(),
        apply_to_children: None,
    };
    let mut grants = Vec::new();
    let mut revocations = Vec::new();
    for item in &model.world.items {
        let level = level(&item.kind.to_string(), entropy);
        match item.kind {
            ItemKind::Channel if entropy.chance(60) => revocations.push(entry(item, level)),
            ItemKind::Channel
            | ItemKind::Category
            | ItemKind::Locale
            | ItemKind::AttributeGroup => {}
            ItemKind::AssetFamily
            | ItemKind::ReferenceEntity
            | ItemKind::ImportProfile
            | ItemKind::ExportProfile => grants.push(entry(item, level)),
        }
    }
    [
        Call::GrantAccess(pb::GrantAccessRequest {
            grants,
            ..Default::default()
        }),
        Call::RevokeAccess(pb::RevokeAccessRequest {
            revocations,
            ..Default::default()
        }),
    ]
}

/// An item, usually a stored one; most often a category.
fn item(model: &Administered, entropy: &mut Entropy) -> pb::Item {
    let axes = [
        ItemKind::Category,
        ItemKind::Channel,
        ItemKind::Locale,
        ItemKind::AttributeGroup,
    ];
    let kind = match entropy.below(3) {
        0 => ItemKind::Category,
        1 => *entropy.pick(&ItemKind::iter().collect::<Vec<_>>()),
        _ => *entropy.pick(&axes),
    };
    let stored: Vec<&ItemRef> = model.world.items_of(kind).collect();
    let stored: Vec<&str> = stored.iter().map(|item| item.code.as_str()).collect();
    let id = if stored.is_empty() {
        "nowhere".to_owned()
    } else {
        reference(&stored, entropy)
    };
    let stored = kind.to_string();
    let is_bad = entropy.chance(1);
    pb::Item {
        r#type: if is_bad { "asset".to_owned() } else { stored },
        id,
    }
}

fn group(entropy: &mut Entropy) -> String {
    if entropy.chance(25) {
        let app = *entropy.pick(&APPS);
        return spelled(&format!("app:{app}"), entropy);
    }
    let words: Vec<&str> = GROUPS.into_iter().chain(["All"]).collect();
    reference(&words, entropy)
}

/// A level, usually one that this kind of item can have.
fn level(kind: &str, entropy: &mut Entropy) -> pb::Level {
    let any = [
        pb::Level::Unspecified,
        pb::Level::None,
        pb::Level::View,
        pb::Level::Edit,
        pb::Level::Own,
        pb::Level::Execute,
        pb::Level::ExecuteAndEdit,
    ];
    if entropy.chance(3) {
        return *entropy.pick(&any);
    }
    match kind {
        "category" => *entropy.pick(&any[2..5]),
        "import_profile" | "export_profile" => *entropy.pick(&[any[3], any[5], any[6]]),
        _ => *entropy.pick(&any[2..4]),
    }
}

/// Sometimes set on categories, rarely on other items.
fn apply_to_children(kind: &str, entropy: &mut Entropy) -> Option<bool> {
    let percent = if kind == "category" { 40 } else { 1 };
    entropy.chance(percent).then(|| entropy.chance(40))
}

fn grants(model: &Administered, entropy: &mut Entropy) -> Vec<pb::AccessGrant> {
    let key = |grant: &pb::AccessGrant| {
        let item = grant.item.clone().unwrap();
        format!("{} {} {}", grant.group, item.r#type, item.id)
    };
    entries(
        entropy,
        key,
        |_| {},
        |entropy| {
            let group = group(entropy);
            let item = item(model, entropy);
            let level = level(&item.r#type, entropy).into();
            let apply_to_children = apply_to_children(&item.r#type, entropy);
            pb::AccessGrant {
                group,
                item: Some(item),
                level,
                apply_to_children,
            }
        },
    )
}

fn replace(model: &Administered, entropy: &mut Entropy) -> Call {
    let key = |entry: &pb::ItemRights| {
        let item = entry.item.clone().unwrap();
        format!("{} {}", item.r#type, item.id)
    };
    let contradict = |entry: &mut pb::ItemRights| match entry.rights.pop() {
        Some(_) => entry.rights.clear(),
        None => entry.rights.push(pb::GroupLevel {
            group: "All".into(),
            level: pb::Level::Edit.into(),
        }),
    };
    let items = entries(entropy, key, contradict, |entropy| {
        let item = item(model, entropy);
        let mut rights: Vec<pb::GroupLevel> = Vec::new();
        for _ in 0..entropy.below(4) {
            let group = group(entropy);
            let is_again = |right: &pb::GroupLevel| Code::fold(&right.group) == Code::fold(&group);
            if rights.iter().any(is_again) && !entropy.chance(3) {
                continue;
            }
            let mut level = level(&item.r#type, entropy);
            if entropy.chance(10) {
                level = pb::Level::None;
            }
            let level = level.into();
            rights.push(pb::GroupLevel { group, level });
        }
        let apply_to_children = apply_to_children(&item.r#type, entropy);
        pb::ItemRights {
            item: Some(item),
            rights,
            apply_to_children,
        }
    });
    Call::ReplaceAccess(pb::ReplaceAccessRequest {
        items,
        ..Default::default()
    })
}
