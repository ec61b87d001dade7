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

pub(super) fn put(model: &Administered, tape: &mut Entropy) -> Call {
    match tape.below(16) {
        0..4 => put_categories(model, tape),
        4..8 => put_products(model, tape),
        8 => put_channels(model, tape),
        9 => put_attributes(tape),
        10 => put_grid_views(tape),
        11 => put_profiles(tape),
        _ => put_plain(tape),
    }
}

pub(super) fn filling(model: &Administered, tape: &mut Entropy) -> Vec<Call> {
    vec![
        put_locales(tape),
        put_attribute_groups(tape),
        put_channels(model, tape),
        put_categories(model, tape),
        put_categories(model, tape),
        put_categories(model, tape),
        put_categories(model, tape),
        put_attributes(tape),
        put_products(model, tape),
        put_products(model, tape),
        put_profiles(tape),
        put_families(tape),
        put_entities(tape),
        put_plain(tape),
    ]
}

fn put_categories(model: &Administered, tape: &mut Entropy) -> Call {
    let code = |category: &pb::Category| category.code.clone();
    let contradict = |category: &mut pb::Category| {
        category.parent = match category.parent {
            Some(_) => None,
            None => Some("Master".to_owned()),
        };
    };
    let categories = entries(tape, code, contradict, |tape| {
        let stored = items(model, ItemKind::Category);
        let above = reference(&mostly(&stored, &CATEGORIES, tape), tape);
        let parent = match tape.below(8) {
            0..3 => None,
            3 => Some(String::new()),
            _ => Some(above),
        };
        pb::Category {
            code: key(&CATEGORIES, tape),
            parent,
        }
    });
    Call::PutCategories(pb::PutCategoriesRequest {
        categories,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

fn put_products(model: &Administered, tape: &mut Entropy) -> Call {
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
    let products = entries(tape, code, contradict, |tape| {
        let is_model = tape.chance(40);
        let kind = match tape.below(3) {
            _ if is_model => pb::ProductKind::Model,
            0 => pb::ProductKind::Unspecified,
            _ => pb::ProductKind::Product,
        };
        let stored = models(model);
        let above = reference(&mostly(&stored, &MODELS, tape), tape);
        let parent = match tape.below(8) {
            0..4 => None,
            4 => Some(String::new()),
            _ => Some(above),
        };
        let stored = items(model, ItemKind::Category);
        let categories = references(25, &mostly(&stored, &CATEGORIES, tape), tape);
        pb::Product {
            code: key(if is_model { &MODELS } else { &PRODUCTS }, tape),
            kind: kind.into(),
            parent,
            categories: maybe(60, categories, tape),
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

/// What is stored, if anything; now and then all that could be.
pub(super) fn mostly<'w>(
    stored: &'w [String],
    all: &[&'w str],
    tape: &mut Entropy,
) -> Vec<&'w str> {
    if stored.is_empty() || tape.chance(15) {
        return all.to_vec();
    }
    stored.iter().map(String::as_str).collect()
}

/// Trees are named by roots.
fn put_channels(model: &Administered, tape: &mut Entropy) -> Call {
    let roots = roots(model);
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let code = |channel: &pb::Channel| channel.code.clone();
    let contradict = |channel: &mut pb::Channel| match channel.locales.pop() {
        None => channel.locales.push("en_US".to_owned()),
        Some(_) => channel.locales.clear(),
    };
    let channels = entries(tape, code, contradict, |tape| {
        let tree = if roots.is_empty() || tape.chance(40) {
            String::new()
        } else {
            reference(&roots, tape)
        };
        pb::Channel {
            code: key(&CHANNELS, tape),
            tree,
            locales: references(30, &LOCALES, tape),
        }
    });
    Call::PutChannels(pb::PutChannelsRequest {
        channels,
        without_default_rights: tape.chance(30),
        ..Default::default()
    })
}

/// A channel that is made anew, without default rights (rules 3.8): what an
/// app holds on it is for an administrator to say (rules 5.7, 5.8).
pub(in super::super) fn withheld_channel(tape: &mut Entropy) -> [Call; 2] {
    let code = key(&CHANNELS, tape);
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

fn put_attributes(tape: &mut Entropy) -> Call {
    let code = |attribute: &pb::Attribute| attribute.code.clone();
    let contradict = |attribute: &mut pb::Attribute| attribute.scopable = !attribute.scopable;
    let attributes = entries(tape, code, contradict, |tape| {
        let group = reference(&ATTRIBUTE_GROUPS, tape);
        pb::Attribute {
            code: key(&ATTRIBUTES, tape),
            group: if tape.chance(80) {
                group
            } else {
                String::new()
            },
            scopable: tape.chance(50),
            localizable: tape.chance(50),
        }
    });
    Call::PutAttributes(pb::PutAttributesRequest {
        attributes,
        ..Default::default()
    })
}

fn put_grid_views(tape: &mut Entropy) -> Call {
    let code = |view: &pb::GridView| view.code.clone();
    let contradict = |view: &mut pb::GridView| match view.attribute_groups.pop() {
        None => view.attribute_groups.push("General".to_owned()),
        Some(_) => view.attribute_groups.clear(),
    };
    let grid_views = entries(tape, code, contradict, |tape| pb::GridView {
        code: key(&VIEWS, tape),
        attribute_groups: references(40, &ATTRIBUTE_GROUPS, tape),
    });
    Call::PutGridViews(pb::PutGridViewsRequest {
        grid_views,
        ..Default::default()
    })
}

fn put_profiles(tape: &mut Entropy) -> Call {
    let code = |profile: &pb::Profile| profile.code.clone();
    let contradict = |profile: &mut pb::Profile| {
        profile.kind = match profile.kind() {
            pb::ProfileKind::Export => pb::ProfileKind::Import.into(),
            pb::ProfileKind::Import | pb::ProfileKind::Unspecified => {
                pb::ProfileKind::Export.into()
            }
        };
    };
    let profiles = entries(tape, code, contradict, |tape| {
        let code = key(&PROFILES, tape);
        let usual = if code.eq_ignore_ascii_case("csv_import") {
            pb::ProfileKind::Import
        } else {
            pb::ProfileKind::Export
        };
        let kinds = [pb::ProfileKind::Unspecified, pb::ProfileKind::Import];
        let kind = if tape.chance(85) {
            usual
        } else {
            *tape.pick(&kinds)
        };
        pb::Profile {
            code,
            kind: kind.into(),
        }
    });
    Call::PutProfiles(pb::PutProfilesRequest {
        profiles,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

fn put_plain(tape: &mut Entropy) -> Call {
    match tape.below(4) {
        0 => put_locales(tape),
        1 => put_attribute_groups(tape),
        2 => put_families(tape),
        _ => put_entities(tape),
    }
}

fn put_families(tape: &mut Entropy) -> Call {
    let code = |family: &pb::AssetFamily| family.code.clone();
    let asset_families = entries(
        tape,
        code,
        |_| {},
        |tape| pb::AssetFamily {
            code: key(&FAMILIES, tape),
        },
    );
    Call::PutAssetFamilies(pb::PutAssetFamiliesRequest {
        asset_families,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

fn put_entities(tape: &mut Entropy) -> Call {
    let code = |entity: &pb::ReferenceEntity| entity.code.clone();
    let reference_entities = entries(
        tape,
        code,
        |_| {},
        |tape| pb::ReferenceEntity {
            code: key(&ENTITIES, tape),
        },
    );
    Call::PutReferenceEntities(pb::PutReferenceEntitiesRequest {
        reference_entities,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

fn put_locales(tape: &mut Entropy) -> Call {
    let code = |locale: &pb::Locale| locale.code.clone();
    let locales = entries(
        tape,
        code,
        |_| {},
        |tape| pb::Locale {
            code: key(&LOCALES, tape),
        },
    );
    Call::PutLocales(pb::PutLocalesRequest {
        locales,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

fn put_attribute_groups(tape: &mut Entropy) -> Call {
    let code = |group: &pb::AttributeGroup| group.code.clone();
    let attribute_groups = entries(
        tape,
        code,
        |_| {},
        |tape| pb::AttributeGroup {
            code: key(&ATTRIBUTE_GROUPS, tape),
        },
    );
    Call::PutAttributeGroups(pb::PutAttributeGroupsRequest {
        attribute_groups,
        without_default_rights: tape.chance(10),
        ..Default::default()
    })
}

/// One deletion, with the codes and the cascade that were drawn.
macro_rules! deletion {
    ($call:ident($request:ident), $words:expr, $refer:expr, $tape:expr) => {{
        let (codes, cascade) = doomed($words, $refer, $tape);
        Call::$call(pb::$request {
            codes,
            cascade,
            ..Default::default()
        })
    }};
}

/// Deletes the last of what rules product data from above, which opens the gate
/// (rules 4.5).
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

/// What opens and shuts the gate, and a new item that nobody holds: answers
/// change of whoever holds no right on what comes or goes (rules 4.5, 4.9).
pub(in super::super) fn of_a_vocabulary(model: &Administered, tape: &mut Entropy) -> Call {
    let code = || "fresh".to_owned();
    match tape.below(5) {
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

pub(super) fn delete(model: &Administered, tape: &mut Entropy) -> Call {
    match tape.below(17) {
        15 => delete_all(ItemKind::Channel, model),
        16 => delete_all(ItemKind::Locale, model),
        0..3 => deletion!(
            DeleteCategories(DeleteCategoriesRequest),
            &CATEGORIES,
            true,
            tape
        ),
        3..5 => deletion!(DeleteLocales(DeleteLocalesRequest), &LOCALES, false, tape),
        5..7 => deletion!(
            DeleteAttributeGroups(DeleteAttributeGroupsRequest),
            &ATTRIBUTE_GROUPS,
            false,
            tape
        ),
        7..10 => delete_products(tape),
        _ => delete_plain(tape),
    }
}

fn delete_products(tape: &mut Entropy) -> Call {
    if tape.chance(30) {
        return deletion!(
            DeleteProducts(DeleteProductsRequest),
            &PRODUCTS,
            false,
            tape
        );
    }
    let (codes, cascade) = doomed(&MODELS, true, tape);
    Call::DeleteProducts(pb::DeleteProductsRequest {
        codes,
        cascade,
        kind: pb::ProductKind::Model.into(),
        ..Default::default()
    })
}

/// What nothing refers to.
fn delete_plain(tape: &mut Entropy) -> Call {
    match tape.below(6) {
        0 => deletion!(
            DeleteChannels(DeleteChannelsRequest),
            &CHANNELS,
            false,
            tape
        ),
        1 => deletion!(
            DeleteAttributes(DeleteAttributesRequest),
            &ATTRIBUTES,
            false,
            tape
        ),
        2 => deletion!(
            DeleteAssetFamilies(DeleteAssetFamiliesRequest),
            &FAMILIES,
            false,
            tape
        ),
        3 => deletion!(
            DeleteReferenceEntities(DeleteReferenceEntitiesRequest),
            &ENTITIES,
            false,
            tape
        ),
        4 => deletion!(
            DeleteProfiles(DeleteProfilesRequest),
            &PROFILES,
            false,
            tape
        ),
        _ => deletion!(DeleteGridViews(DeleteGridViewsRequest), &VIEWS, false, tape),
    }
}
