use crate::{
    admin::{
        DefaultRights, ProductRequest,
        entry::ProductEntry,
        request::{
            AttributeEntry, CategoryEntry, ChannelEntry, EntityRequest, GridViewEntry, ProfileEntry,
        },
    },
    domain::{Code, ItemKind, ProductKind},
    pb,
    rpc::{
        failure::{Failure, InvalidField},
        parse::{code, optional_code},
    },
};

use super::{
    AdminApi, Answer,
    directory_writes::{cascade, deletions},
    parse_entries::{codes, list, optional_codes},
    writes::{answered, context, entries},
};

fn defaults(without: bool) -> DefaultRights {
    if without {
        DefaultRights::Withheld
    } else {
        DefaultRights::Given
    }
}

/// Implements the calls that put items consisting only of their code.
macro_rules! plain_items {
    ($($request:ident -> $response:ident: $kind:ident, $field:ident;)+) => {
        $(
            impl Answer<pb::$request> for AdminApi {
                type Message = pb::$response;

                async fn answer(&self, request: pb::$request) -> Result<Self::Message, Failure> {
                    let entities = |message: pb::$request| {
                        let named = entries(stringify!($field), message.$field, |item| {
                            code("code", &item.code)
                        });
                        Ok(EntityRequest::PutItems {
                            kind: ItemKind::$kind,
                            codes: named?,
                            defaults: defaults(message.without_default_rights),
                        })
                    };
                    self.change_entities(request, entities).await
                }
            }
        )+
    };
}

plain_items! {
    PutLocalesRequest -> PutLocalesResponse: Locale, locales;
    PutAttributeGroupsRequest -> PutAttributeGroupsResponse: AttributeGroup, attribute_groups;
    PutAssetFamiliesRequest -> PutAssetFamiliesResponse: AssetFamily, asset_families;
    PutReferenceEntitiesRequest -> PutReferenceEntitiesResponse: ReferenceEntity, reference_entities;
}

impl Answer<pb::PutChannelsRequest> for AdminApi {
    type Message = pb::PutChannelsResponse;

    async fn answer(&self, request: pb::PutChannelsRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutChannelsRequest| {
            Ok(EntityRequest::PutChannels {
                entries: entries("channels", message.channels, channel)?,
                defaults: defaults(message.without_default_rights),
            })
        };
        self.change_entities(request, entities).await
    }
}

fn channel(message: pb::Channel) -> Result<ChannelEntry, InvalidField> {
    let pb::Channel {
        code: text,
        tree,
        locales,
    } = message;
    Ok(ChannelEntry {
        code: code("code", &text)?,
        tree: optional_code("tree", &tree)?,
        locales: list("locales", &locales)?,
    })
}

impl Answer<pb::PutCategoriesRequest> for AdminApi {
    type Message = pb::PutCategoriesResponse;

    async fn answer(&self, request: pb::PutCategoriesRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutCategoriesRequest| {
            Ok(EntityRequest::PutCategories {
                entries: entries("categories", message.categories, category)?,
                defaults: defaults(message.without_default_rights),
            })
        };
        self.change_entities(request, entities).await
    }
}

fn category(message: pb::Category) -> Result<CategoryEntry, InvalidField> {
    let pb::Category { code: text, parent } = message;
    Ok(CategoryEntry {
        code: code("code", &text)?,
        parent: parent
            .map(|text| optional_code("parent", &text))
            .transpose()?,
    })
}

impl Answer<pb::PutAttributesRequest> for AdminApi {
    type Message = pb::PutAttributesResponse;

    async fn answer(&self, request: pb::PutAttributesRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutAttributesRequest| {
            let attributes = entries("attributes", message.attributes, |attribute| {
                let pb::Attribute {
                    code: text,
                    group,
                    scopable,
                    localizable,
                } = attribute;
                Ok(AttributeEntry {
                    code: code("code", &text)?,
                    group: optional_code("group", &group)?,
                    scopable,
                    localizable,
                })
            });
            Ok(EntityRequest::PutAttributes(attributes?))
        };
        self.change_entities(request, entities).await
    }
}

impl Answer<pb::PutGridViewsRequest> for AdminApi {
    type Message = pb::PutGridViewsResponse;

    async fn answer(&self, request: pb::PutGridViewsRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutGridViewsRequest| {
            let views = entries("grid_views", message.grid_views, |view| {
                let pb::GridView {
                    code: text,
                    attribute_groups,
                } = view;
                Ok(GridViewEntry {
                    code: code("code", &text)?,
                    attribute_groups: list("attribute_groups", &attribute_groups)?,
                })
            });
            Ok(EntityRequest::PutGridViews(views?))
        };
        self.change_entities(request, entities).await
    }
}

impl Answer<pb::PutProfilesRequest> for AdminApi {
    type Message = pb::PutProfilesResponse;

    async fn answer(&self, request: pb::PutProfilesRequest) -> Result<Self::Message, Failure> {
        let entities = |message: pb::PutProfilesRequest| {
            let profiles = entries("profiles", message.profiles, |profile| {
                let pb::Profile { code: text, kind } = profile;
                Ok(ProfileEntry {
                    code: code("code", &text)?,
                    kind: profile_kind(kind)?,
                })
            });
            Ok(EntityRequest::PutProfiles {
                entries: profiles?,
                defaults: defaults(message.without_default_rights),
            })
        };
        self.change_entities(request, entities).await
    }
}

/// Parses the kind of a profile; `None`: not given.
pub(super) fn profile_kind(number: i32) -> Result<Option<ItemKind>, InvalidField> {
    match pb::ProfileKind::try_from(number) {
        Ok(pb::ProfileKind::Unspecified) => Ok(None),
        Ok(pb::ProfileKind::Import) => Ok(Some(ItemKind::ImportProfile)),
        Ok(pb::ProfileKind::Export) => Ok(Some(ItemKind::ExportProfile)),
        Err(_) => {
            let message = format!(
                "{number} is unknown; allowed are: PROFILE_KIND_IMPORT, PROFILE_KIND_EXPORT"
            );
            Err(InvalidField::new("kind", message))
        }
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

impl Answer<pb::DeleteCategoriesRequest> for AdminApi {
    type Message = pb::DeleteCategoriesResponse;

    async fn answer(
        &self,
        mut request: pb::DeleteCategoriesRequest,
    ) -> Result<Self::Message, Failure> {
        let context = context(&mut request, &self.calling)?;
        let named = codes("codes", &request.codes)?;
        let cascade = cascade(request.cascade);
        let coordinator = &self.coordinator;
        answered(|encode| coordinator.delete_categories(named, cascade, context, encode)).await
    }
}

impl Answer<pb::PutProductsRequest> for AdminApi {
    type Message = pb::PutProductsResponse;

    async fn answer(&self, mut request: pb::PutProductsRequest) -> Result<Self::Message, Failure> {
        let context = context(&mut request, &self.calling)?;
        let products = entries("products", request.products, product)?;
        let put = ProductRequest::Put(products);
        answered(|encode| self.coordinator.change_products(put, context, encode)).await
    }
}

impl Answer<pb::DeleteProductsRequest> for AdminApi {
    type Message = pb::DeleteProductsResponse;

    async fn answer(
        &self,
        mut request: pb::DeleteProductsRequest,
    ) -> Result<Self::Message, Failure> {
        let context = context(&mut request, &self.calling)?;
        let delete = ProductRequest::Delete {
            kind: product_kind(request.kind)?,
            codes: codes("codes", &request.codes)?,
            cascade: cascade(request.cascade),
        };
        answered(|encode| self.coordinator.change_products(delete, context, encode)).await
    }
}

/// Parses a product or model of a request.
pub(super) fn product(message: pb::Product) -> Result<ProductEntry, InvalidField> {
    let pb::Product {
        code: text,
        kind,
        parent,
        categories,
    } = message;
    Ok(ProductEntry {
        kind: product_kind(kind)?,
        code: code("code", &text)?,
        parent: parent
            .map(|text| optional_code("parent", &text))
            .transpose()?,
        categories: optional_codes("categories", categories)?,
        rest: 0,
    })
}

/// Parses the kind of a product; by default a product.
pub(super) fn product_kind(number: i32) -> Result<ProductKind, InvalidField> {
    match pb::ProductKind::try_from(number) {
        Ok(pb::ProductKind::Unspecified | pb::ProductKind::Product) => Ok(ProductKind::Product),
        Ok(pb::ProductKind::Model) => Ok(ProductKind::Model),
        Err(_) => {
            let message = format!(
                "{number} is unknown; allowed are: 0, PRODUCT_KIND_PRODUCT, PRODUCT_KIND_MODEL"
            );
            Err(InvalidField::new("kind", message))
        }
    }
}
