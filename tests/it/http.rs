//! Calls over HTTP without gRPC: by the Connect protocol, gRPC-Web and AuthZEN.

mod authzen;
mod bodies;
mod calls;
mod cors;
mod documents;
mod grpc_web;
mod random_worlds;
mod refusals;
mod searches;
mod streams;

use pim_authz::pb::Edition;

use crate::harness::{TestServer, file};

/// The path of an RPC of the authorization service.
fn rpc(name: &str) -> String {
    format!("/pim.authz.v1.AuthorizationService/{name}")
}

/// A server whose user `julia` may view and edit the products of `shoes` and not those of
/// `hats`, and holds the role `reader`; as the tenants `default` and `acme`.
async fn shop() -> TestServer {
    let server = TestServer::start().await;
    fill(&server).await;
    server
}

async fn fill(server: &TestServer) {
    let files = [
        file(
            "users.csv",
            &["username;roles;groups", "julia;reader;red", "otto;;blue"],
        ),
        file("user_groups.csv", &["code;name", "red;red", "blue;blue"]),
        file(
            "user_roles.csv",
            &["role;permissions", "reader;product.list,product.create"],
        ),
        file(
            "categories.csv",
            &["code;parent", "master;", "shoes;master", "hats;master"],
        ),
        file(
            "products.csv",
            &["sku;categories", "boot;shoes", "hat;hats", "sandal;shoes"],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;blue;blue;blue",
                "shoes;red,blue;red,blue;blue",
                "hats;blue;blue;blue",
            ],
        ),
    ];
    for tenant in ["default", "acme"] {
        let summary = server.import(tenant, Edition::Enterprise, &files).await;
        assert_eq!(summary.refused_count, 0, "{summary:#?}");
    }
}
