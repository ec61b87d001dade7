use pim_authz::{
    domain::{ItemKind, ProductKind},
    pb,
};

use super::{
    batches::{doomed, entries, key, maybe, reference, references},
    words::{
        ATTRIBUTE_GROUPS, ATTRIBUTES, CATEGORIES, CHANNELS, ENTITIES, FAMILIES, LOCALES, MODELS,
        PRODUCTS, PROFILES, VIEWS,
    },
};
use crate::{
    administration::{administered::Administered, calls::Call},
    support::Entropy,
};

pub(super) fn put(model: &Administered, entropy: &mut Entropy) -> Call {
    match entropy.below(16) {
        0..4 => put_categories(model, entropy),
        4..8 => put_products(model, entropy),
        8 => put_channels(model, entropy),
        9 => put_attributes(entropy),
        10 => put_grid_views(entropy),
        11 => put_profiles(entropy),
        _ => put_plain(entropy),
    }
}

pub(super) fn filling(model: &Administered, entropy: &mut Entropy) -> Vec<Call> {
    vec![
        put_locales(entropy),
        put_attribute_groups(entropy),
        put_channels(model, entropy),
        put_categories(model, entropy),
        put_categories(model, entropy),
        put_categories(model, entropy),
        put_categories(model, entropy),
        put_attributes(entropy),
        put_products(model, entropy),
        put_products(model, entropy),
        put_profiles(entropy),
        put_families(entropy),
        put_entities(entropy),
        put_plain(entropy),
    ]
}

fn put_categories(model: &Administered, entropy: &mut Entropy) -> Call {
    let code = |category: &pb::Category| category.code.clone();
    let contradict = |category: &mut pb::Category| {
        category.parent = match category.parent {
            Some(_) => None,
            None => Some("Master".to_owned()),
        };
    };
    let categories = entries(entropy, code, contradict, |entropy| {
        let stored = items(model, ItemKind::Category);
        let above = reference(&mostly(&stored, &CATEGORIES, entropy), entropy);
        let parent = match entropy.below(8) {
            0..3 => None,
            3 => Some(String::new()),
            _ => Some(above),
        };
        pb::Category {
            code: key(&CATEGORIES, entropy),
            parent,
        }
    });
    Call::PutCategories(pb::PutCategoriesRequest {
        categories,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

fn put_products(model: &Administered, entropy: &mut Entropy) -> Call {
    // Products and models have separate code spaces (rules 1.5).
    let code = |product: &pb::Product| {
        let is_model = product.kind() == pb::ProductKind::Model;
        format!("{is_model} {}", product.code)
    };
    let contradict = |product: &mut pb::Product| {
        product.parent = match product.parent {
            Some(_) => None,
            None => Some("Shirt".to_owned()),
        };
    };
    let products = entries(entropy, code, contradict, |entropy| {
        let is_model = entropy.chance(40);
        let kind = match entropy.below(3) {
            _ if is_model => pb::ProductKind::Model,
            0 => pb::ProductKind::Unspecified,
            _ => pb::ProductKind::Product,
        };
        let stored = models(model);
        let above = reference(&mostly(&stored, &MODELS, entropy), entropy);
        let parent = match entropy.below(8) {
            0..4 => None,
            4 => Some(String::new()),
            _ => Some(above),
        };
        let stored = items(model, ItemKind::Category);
        let categories = references(25, &mostly(&stored, &CATEGORIES, entropy), entropy);
        pb::Product {
            code: key(if is_model { &MODELS } else { &PRODUCTS }, entropy),
            kind: kind.into(),
            parent,
            categories: maybe(60, categories, entropy),
        }
    });
    Call::PutProducts(pb::PutProductsRequest {
        products,
        ..Default::default()
    })
}

pub(super) fn items(model: &Administered, kind: ItemKind) -> Vec<String> {
    let items = model.world.items_of(kind);
    items.map(|item| item.code.to_string()).collect()
}

pub(super) fn models(model: &Administered) -> Vec<String> {
    let products = model.world.products.keys();
    let models = products.filter(|key| key.kind == ProductKind::Model);
    models.map(|key| key.code.to_string()).collect()
}

/// The stored codes, if any; sometimes all possible codes.
pub(super) fn mostly<'w>(
    stored: &'w [String],
    all: &[&'w str],
    entropy: &mut Entropy,
) -> Vec<&'w str> {
    if stored.is_empty() || entropy.chance(15) {
        return all.to_vec();
    }
    stored.iter().map(String::as_str).collect()
}

/// Channels whose trees are named by root categories.
fn put_channels(model: &Administered, entropy: &mut Entropy) -> Call {
    let roots = roots(model);
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let code = |channel: &pb::Channel| channel.code.clone();
    let contradict = |channel: &mut pb::Channel| match channel.locales.pop() {
        None => channel.locales.push("en_US".to_owned()),
        Some(_) => channel.locales.clear(),
    };
    let channels = entries(entropy, code, contradict, |entropy| {
        let tree = if roots.is_empty() || entropy.chance(40) {
            String::new()
        } else {
            reference(&roots, entropy)
        };
        pb::Channel {
            code: key(&CHANNELS, entropy),
            tree,
            locales: references(30, &LOCALES, entropy),
        }
    });
    Call::PutChannels(pb::PutChannelsRequest {
        channels,
        without_default_rights: entropy.chance(30),
        ..Default::default()
    })
}

/// Deletes a channel and creates it again without default rights (rules 3.8),
/// so that only an administrator can give an app a right on it
/// (rules 5.7, 5.8).
pub(in super::super) fn withheld_channel(entropy: &mut Entropy) -> [Call; 2] {
    let code = key(&CHANNELS, entropy);
    let channel = pb::Channel {
        code: code.clone(),
        ..Default::default()
    };
    let deletion = Call::DeleteChannels(pb::DeleteChannelsRequest {
        codes: vec![code],
        cascade: true,
        ..Default::default()
    });
    let put = Call::PutChannels(pb::PutChannelsRequest {
        channels: vec![channel],
        without_default_rights: true,
        ..Default::default()
    });
    [deletion, put]
}

pub(super) fn roots(model: &Administered) -> Vec<String> {
    let kind = ItemKind::Category;
    let parents = &model.world.category_parents;
    let categories = model.world.items_of(kind);
    let roots = categories.filter(|item| !parents.contains_key(&item.code));
    roots.map(|item| item.code.to_string()).collect()
}

fn put_attributes(entropy: &mut Entropy) -> Call {
    let code = |attribute: &pb::Attribute| attribute.code.clone();
    let contradict = |attribute: &mut pb::Attribute| attribute.scopable = !attribute.scopable;
    let attributes = entries(entropy, code, contradict, |entropy| {
        let group = reference(&ATTRIBUTE_GROUPS, entropy);
        pb::Attribute {
            code: key(&ATTRIBUTES, entropy),
            group: if entropy.chance(80) {
                group
            } else {
                String::new()
            },
            scopable: entropy.chance(50),
            localizable: entropy.chance(50),
        }
    });
    Call::PutAttributes(pb::PutAttributesRequest {
        attributes,
        ..Default::default()
    })
}

fn put_grid_views(entropy: &mut Entropy) -> Call {
    let code = |view: &pb::GridView| view.code.clone();
    let contradict = |view: &mut pb::GridView| match view.attribute_groups.pop() {
        None => view.attribute_groups.push("General".to_owned()),
        Some(_) => view.attribute_groups.clear(),
    };
    let grid_views = entries(entropy, code, contradict, |entropy| pb::GridView {
        code: key(&VIEWS, entropy),
        attribute_groups: references(40, &ATTRIBUTE_GROUPS, entropy),
    });
    Call::PutGridViews(pb::PutGridViewsRequest {
        grid_views,
        ..Default::default()
    })
}

fn put_profiles(entropy: &mut Entropy) -> Call {
    let code = |profile: &pb::Profile| profile.code.clone();
    let contradict = |profile: &mut pb::Profile| {
        profile.kind = match profile.kind() {
            pb::ProfileKind::Export => pb::ProfileKind::Import.into(),
            pb::ProfileKind::Import | pb::ProfileKind::Unspecified => {
                pb::ProfileKind::Export.into()
            }
        };
    };
    let profiles = entries(entropy, code, contradict, |entropy| {
        let code = key(&PROFILES, entropy);
        let usual = if code.eq_ignore_ascii_case("csv_import") {
            pb::ProfileKind::Import
        } else {
            pb::ProfileKind::Export
        };
        let kinds = [pb::ProfileKind::Unspecified, pb::ProfileKind::Import];
        let kind = if entropy.chance(85) {
            usual
        } else {
            *entropy.pick(&kinds)
        };
        pb::Profile {
            code,
            kind: kind.into(),
        }
    });
    Call::PutProfiles(pb::PutProfilesRequest {
        profiles,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

fn put_plain(entropy: &mut Entropy) -> Call {
    match entropy.below(4) {
        0 => put_locales(entropy),
        1 => put_attribute_groups(entropy),
        2 => put_families(entropy),
        _ => put_entities(entropy),
    }
}

fn put_families(entropy: &mut Entropy) -> Call {
    let code = |family: &pb::AssetFamily| family.code.clone();
    let asset_families = entries(
        entropy,
        code,
        |_| {},
        |entropy| pb::AssetFamily {
            code: key(&FAMILIES, entropy),
        },
    );
    Call::PutAssetFamilies(pb::PutAssetFamiliesRequest {
        asset_families,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

fn put_entities(entropy: &mut Entropy) -> Call {
    let code = |entity: &pb::ReferenceEntity| entity.code.clone();
    let reference_entities = entries(
        entropy,
        code,
        |_| {},
        |entropy| pb::ReferenceEntity {
            code: key(&ENTITIES, entropy),
        },
    );
    Call::PutReferenceEntities(pb::PutReferenceEntitiesRequest {
        reference_entities,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

fn put_locales(entropy: &mut Entropy) -> Call {
    let code = |locale: &pb::Locale| locale.code.clone();
    let locales = entries(
        entropy,
        code,
        |_| {},
        |entropy| pb::Locale {
            code: key(&LOCALES, entropy),
        },
    );
    Call::PutLocales(pb::PutLocalesRequest {
        locales,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

fn put_attribute_groups(entropy: &mut Entropy) -> Call {
    let code = |group: &pb::AttributeGroup| group.code.clone();
    let attribute_groups = entries(
        entropy,
        code,
        |_| {},
        |entropy| pb::AttributeGroup {
            code: key(&ATTRIBUTE_GROUPS, entropy),
        },
    );
    Call::PutAttributeGroups(pb::PutAttributeGroupsRequest {
        attribute_groups,
        without_default_rights: entropy.chance(10),
        ..Default::default()
    })
}

/// Builds one deletion with random codes and a random cascade flag.
macro_rules! deletion {
    ($call:ident($request:ident), $words:expr, $refer:expr, $entropy:expr) => {{
        let (codes, cascade) = doomed($words, $refer, $entropy);
        Call::$call(pb::$request {
            codes,
            cascade,
            ..Default::default()
        })
    }};
}

/// Deletes all channels or all locales, the axes above product data, which
/// opens the gate (rules 4.5).
fn delete_all(kind: ItemKind, model: &Administered) -> Call {
    let (codes, cascade) = (items(model, kind), true);
    if kind == ItemKind::Channel {
        return Call::DeleteChannels(pb::DeleteChannelsRequest {
            codes,
            cascade,
            ..Default::default()
        });
    }
    Call::DeleteLocales(pb::DeleteLocalesRequest {
        codes,
        cascade,
        ..Default::default()
    })
}

/// Opens or closes the gate, or adds an item without rights: this changes
/// answers for subjects that hold no right on the item that is added or removed
/// (rules 4.5, 4.9).
pub(in super::super) fn of_a_vocabulary(model: &Administered, entropy: &mut Entropy) -> Call {
    let code = || "fresh".to_owned();
    match entropy.below(5) {
        0 => delete_all(ItemKind::Channel, model),
        1 => delete_all(ItemKind::Locale, model),
        2 => Call::PutCategories(pb::PutCategoriesRequest {
            categories: vec![pb::Category {
                code: code(),
                parent: None,
            }],
            without_default_rights: true,
            ..Default::default()
        }),
        3 => Call::PutChannels(pb::PutChannelsRequest {
            channels: vec![pb::Channel {
                code: code(),
                ..Default::default()
            }],
            without_default_rights: true,
            ..Default::default()
        }),
        _ => Call::PutLocales(pb::PutLocalesRequest {
            locales: vec![pb::Locale { code: code() }],
            without_default_rights: true,
            ..Default::default()
        }),
    }
}

pub(super) fn delete(model: &Administered, entropy: &mut Entropy) -> Call {
    match entropy.below(17) {
        15 => delete_all(ItemKind::Channel, model),
        16 => delete_all(ItemKind::Locale, model),
        0..3 => deletion!(
            DeleteCategories(DeleteCategoriesRequest),
            &CATEGORIES,
            true,
            entropy
        ),
        3..5 => deletion!(
            DeleteLocales(DeleteLocalesRequest),
            &LOCALES,
            false,
            entropy
        ),
        5..7 => deletion!(
            DeleteAttributeGroups(DeleteAttributeGroupsRequest),
            &ATTRIBUTE_GROUPS,
            false,
            entropy
        ),
        7..10 => delete_products(entropy),
        _ => delete_plain(entropy),
    }
}

fn delete_products(entropy: &mut Entropy) -> Call {
    if entropy.chance(30) {
        return deletion!(
            DeleteProducts(DeleteProductsRequest),
            &PRODUCTS,
            false,
            entropy
        );
    }
    let (codes, cascade) = doomed(&MODELS, true, entropy);
    Call::DeleteProducts(pb::DeleteProductsRequest {
        codes,
        cascade,
        kind: pb::ProductKind::Model.into(),
        ..Default::default()
    })
}

/// Deletes entities that nothing refers to.
fn delete_plain(entropy: &mut Entropy) -> Call {
    match entropy.below(6) {
        0 => deletion!(
            DeleteChannels(DeleteChannelsRequest),
            &CHANNELS,
            false,
            entropy
        ),
        1 => deletion!(
            DeleteAttributes(DeleteAttributesRequest),
            &ATTRIBUTES,
            false,
            entropy
        ),
        2 => deletion!(
            DeleteAssetFamilies(DeleteAssetFamiliesRequest),
            &FAMILIES,
            false,
            entropy
        ),
        3 => deletion!(
            DeleteReferenceEntities(DeleteReferenceEntitiesRequest),
            &ENTITIES,
            false,
            entropy
        ),
        4 => deletion!(
            DeleteProfiles(DeleteProfilesRequest),
            &PROFILES,
            false,
            entropy
        ),
        _ => deletion!(
            DeleteGridViews(DeleteGridViewsRequest),
            &VIEWS,
            false,
            entropy
        ),
    }
}
