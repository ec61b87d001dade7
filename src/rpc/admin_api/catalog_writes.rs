use crate::{
    admin::{CategoryRemoval, CodedKind, DefaultRights, ProductRequest, request::EntityRequest},
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
    DeleteChannelsRequest -> DeleteChannelsResponse: CodedKind::Items(ItemKind::Channel);
    DeleteLocalesRequest -> DeleteLocalesResponse: CodedKind::Items(ItemKind::Locale);
    DeleteAttributeGroupsRequest -> DeleteAttributeGroupsResponse:
        CodedKind::Items(ItemKind::AttributeGroup);
    DeleteAssetFamiliesRequest -> DeleteAssetFamiliesResponse:
        CodedKind::Items(ItemKind::AssetFamily);
    DeleteReferenceEntitiesRequest -> DeleteReferenceEntitiesResponse:
        CodedKind::Items(ItemKind::ReferenceEntity);
    DeleteAttributesRequest -> DeleteAttributesResponse: CodedKind::Attributes;
    DeleteGridViewsRequest -> DeleteGridViewsResponse: CodedKind::GridViews;
}

writes! {
    DeleteProfilesRequest -> DeleteProfilesResponse: EntityRequest =
        |message, _| EntityRequest::DeleteProfiles { codes: codes("codes", &message.codes)? };
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
