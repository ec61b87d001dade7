use std::pin::Pin;

use futures_util::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::pb::{self, catalog_service_server::CatalogService};

use super::{AdminApi, Answer as _, service};

service! {
    CatalogService {
        put_channels(PutChannelsRequest) -> PutChannelsResponse;
        delete_channels(DeleteChannelsRequest) -> DeleteChannelsResponse;
        list_channels(ListChannelsRequest) -> ListChannelsResponse;
        put_locales(PutLocalesRequest) -> PutLocalesResponse;
        delete_locales(DeleteLocalesRequest) -> DeleteLocalesResponse;
        list_locales(ListLocalesRequest) -> ListLocalesResponse;
        put_categories(PutCategoriesRequest) -> PutCategoriesResponse;
        delete_categories(DeleteCategoriesRequest) -> DeleteCategoriesResponse;
        list_categories(ListCategoriesRequest) -> ListCategoriesResponse;
        put_attribute_groups(PutAttributeGroupsRequest) -> PutAttributeGroupsResponse;
        delete_attribute_groups(DeleteAttributeGroupsRequest) -> DeleteAttributeGroupsResponse;
        list_attribute_groups(ListAttributeGroupsRequest) -> ListAttributeGroupsResponse;
        put_attributes(PutAttributesRequest) -> PutAttributesResponse;
        delete_attributes(DeleteAttributesRequest) -> DeleteAttributesResponse;
        list_attributes(ListAttributesRequest) -> ListAttributesResponse;
        put_products(PutProductsRequest) -> PutProductsResponse;
        delete_products(DeleteProductsRequest) -> DeleteProductsResponse;
        list_products(ListProductsRequest) -> ListProductsResponse;
        put_asset_families(PutAssetFamiliesRequest) -> PutAssetFamiliesResponse;
        delete_asset_families(DeleteAssetFamiliesRequest) -> DeleteAssetFamiliesResponse;
        list_asset_families(ListAssetFamiliesRequest) -> ListAssetFamiliesResponse;
        put_reference_entities(PutReferenceEntitiesRequest) -> PutReferenceEntitiesResponse;
        delete_reference_entities(DeleteReferenceEntitiesRequest) -> DeleteReferenceEntitiesResponse;
        list_reference_entities(ListReferenceEntitiesRequest) -> ListReferenceEntitiesResponse;
        put_profiles(PutProfilesRequest) -> PutProfilesResponse;
        delete_profiles(DeleteProfilesRequest) -> DeleteProfilesResponse;
        list_profiles(ListProfilesRequest) -> ListProfilesResponse;
        put_grid_views(PutGridViewsRequest) -> PutGridViewsResponse;
        delete_grid_views(DeleteGridViewsRequest) -> DeleteGridViewsResponse;
        list_grid_views(ListGridViewsRequest) -> ListGridViewsResponse;
    }

    type ImportProductsStream =
        Pin<Box<dyn Stream<Item = Result<pb::ImportProductsResponse, Status>> + Send>>;

    async fn import_products(
        &self,
        request: Request<Streaming<pb::ImportProductsRequest>>,
    ) -> Result<Response<Self::ImportProductsStream>, Status> {
        let acknowledgements = self.import_chunks(request);
        Ok(Response::new(Box::pin(ReceiverStream::new(acknowledgements))))
    }

}
