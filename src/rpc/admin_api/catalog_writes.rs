use crate::{
    admin::{CategoryRemoval, DefaultRights, ProductRequest, request::EntityRequest},
    domain::{
        AttributePatch, CategoryPatch, ChannelPatch, GridViewPatch, ItemKind, PlainItem,
        ProductPatch, ProfilePatch,
    },
    pb,
    rpc::failure::Failure,
};

use super::{
    directory_writes::{cascade, deletions, puts},
    entity_messages::{FromMessage as _, product_kind},
    parse_entries::codes,
    writes::{entries, writes},
};

fn defaults(without: bool) -> DefaultRights {
    if without {
        DefaultRights::Withheld
    } else {
        DefaultRights::Given
    }
}

puts! {
    PutLocalesRequest -> PutLocalesResponse: locales: PlainItem,
        |items, message| put_items(ItemKind::Locale, items, message.without_default_rights);
    PutAttributeGroupsRequest -> PutAttributeGroupsResponse: attribute_groups: PlainItem,
        |items, message| put_items(ItemKind::AttributeGroup, items, message.without_default_rights);
    PutAssetFamiliesRequest -> PutAssetFamiliesResponse: asset_families: PlainItem,
        |items, message| put_items(ItemKind::AssetFamily, items, message.without_default_rights);
    PutReferenceEntitiesRequest -> PutReferenceEntitiesResponse: reference_entities: PlainItem,
        |items, message| put_items(ItemKind::ReferenceEntity, items, message.without_default_rights);
    PutChannelsRequest -> PutChannelsResponse: channels: ChannelPatch,
        |entries, message| EntityRequest::PutChannels {
            entries,
            defaults: defaults(message.without_default_rights),
        };
    PutCategoriesRequest -> PutCategoriesResponse: categories: CategoryPatch,
        |entries, message| EntityRequest::PutCategories {
            entries,
            defaults: defaults(message.without_default_rights),
        };
    PutAttributesRequest -> PutAttributesResponse: attributes: AttributePatch,
        |entries, message| EntityRequest::PutAttributes(entries);
    PutGridViewsRequest -> PutGridViewsResponse: grid_views: GridViewPatch,
        |entries, message| EntityRequest::PutGridViews(entries);
    PutProfilesRequest -> PutProfilesResponse: profiles: ProfilePatch,
        |entries, message| EntityRequest::PutProfiles {
            entries,
            defaults: defaults(message.without_default_rights),
        };
}

/// Returns the request to put items of one kind that have nothing but their code.
fn put_items(kind: ItemKind, items: Vec<PlainItem>, without_defaults: bool) -> EntityRequest {
    EntityRequest::PutItems {
        kind,
        codes: items.into_iter().map(|item| item.code).collect(),
        defaults: defaults(without_defaults),
    }
}

deletions! {
    DeleteChannelsRequest -> DeleteChannelsResponse:
        |codes, cascade| EntityRequest::DeleteItems { kind: ItemKind::Channel, codes, cascade };
    DeleteLocalesRequest -> DeleteLocalesResponse:
        |codes, cascade| EntityRequest::DeleteItems { kind: ItemKind::Locale, codes, cascade };
    DeleteAttributeGroupsRequest -> DeleteAttributeGroupsResponse:
        |codes, cascade| EntityRequest::DeleteItems { kind: ItemKind::AttributeGroup, codes, cascade };
    DeleteAssetFamiliesRequest -> DeleteAssetFamiliesResponse:
        |codes, cascade| EntityRequest::DeleteItems { kind: ItemKind::AssetFamily, codes, cascade };
    DeleteReferenceEntitiesRequest -> DeleteReferenceEntitiesResponse:
        |codes, cascade| EntityRequest::DeleteItems { kind: ItemKind::ReferenceEntity, codes, cascade };
    DeleteProfilesRequest -> DeleteProfilesResponse:
        |codes, _cascade| EntityRequest::DeleteProfiles { codes };
    DeleteAttributesRequest -> DeleteAttributesResponse:
        |codes, _cascade| EntityRequest::DeleteAttributes { codes };
    DeleteGridViewsRequest -> DeleteGridViewsResponse:
        |codes, _cascade| EntityRequest::DeleteGridViews { codes };
}

writes! {
    DeleteCategoriesRequest -> DeleteCategoriesResponse: CategoryRemoval =
        |message, _| CategoryRemoval {
            codes: codes("codes", &message.codes)?,
            cascade: cascade(message.cascade),
        };
    PutProductsRequest [expected_revision] -> PutProductsResponse: ProductRequest =
        |message, _| put_products(message.products)?;
    DeleteProductsRequest -> DeleteProductsResponse: ProductRequest =
        |message, _| ProductRequest::Delete {
            kind: product_kind(message.kind)?,
            codes: codes("codes", &message.codes)?,
            cascade: cascade(message.cascade),
        };
}

pub(super) fn put_products(products: Vec<pb::Product>) -> Result<ProductRequest, Failure> {
    let products = entries("products", products, ProductPatch::from_message)?;
    Ok(ProductRequest::Put(products))
}
