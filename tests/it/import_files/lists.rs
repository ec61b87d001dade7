//! Lists of codes or labels that contain commas.

use super::*;

/// The groups of a tenant, with the labels `IT`, `Sales` and `Sales, EMEA`.
fn groups() -> File {
    file(
        "user_groups.csv",
        &["code;name", "it;IT", "far;\"Sales, EMEA\"", "sales;Sales"],
    )
}

async fn members(server: &TestServer, user: &str) -> Vec<String> {
    let request = pb::ListUsersRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let channel = server.channel().await;
    let mut client = pb::directory_service_client::DirectoryServiceClient::new(channel);
    let users = client.list_users(request).await.unwrap().into_inner().users;
    let found = users.into_iter().find(|found| found.code == user).unwrap();
    found.groups.unwrap().codes
}

#[tokio::test]
async fn lists_accept_group_labels_with_commas() {
    let server = TestServer::start().await;
    let files = [
        groups(),
        file(
            "users.csv",
            &[
                "username;roles;groups",
                "julia;;\"IT,Sales, EMEA\"",
                "mary;;Sales",
            ],
        ),
        file("categories.csv", &["code", "shoes"]),
        file("products.csv", &["sku;categories", "boot;shoes"]),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "shoes;;\"it, sales,emea\";",
            ],
        ),
    ];
    let summary = server.import("acme", Edition::Enterprise, &files).await;
    assert_eq!(summary.refused_count, 0);
    assert_eq!(members(&server, "julia").await, ["All", "far", "it"]);
    assert_eq!(level(&server, "julia", "boot").await, pb::Level::Edit);
    assert_eq!(level(&server, "mary", "boot").await, pb::Level::None);
}

#[tokio::test]
async fn ambiguous_list_refuses_its_row_and_names_both_readings() {
    let server = TestServer::start().await;
    let groups = file(
        "user_groups.csv",
        &["name", "EMEA", "Sales", "\"Sales, EMEA\""],
    );
    let users = file(
        "users.csv",
        &["username;roles;groups", "julia;;\"Sales, EMEA\""],
    );
    let rights = file(
        "locale_accesses.csv",
        &[
            "locale;view_products;edit_products",
            "en_US;\"Sales,EMEA\";",
        ],
    );
    let locales = file("locales.csv", &["code", "en_US"]);
    let files = [groups, users, rights, locales];
    let summary = refused(&server, header("acme", Edition::Enterprise), &files).await;
    let places: Vec<(&str, &str)> = summary
        .refused
        .iter()
        .map(|row| (row.file.as_str(), row.column.as_str()))
        .collect();
    let expected = [
        ("locale_accesses.csv", "view_products"),
        ("users.csv", "groups"),
    ];
    assert_eq!(places, expected);
    for row in &summary.refused {
        let both = "as `Sales` and `EMEA`, and as `Sales, EMEA`";
        assert!(row.message.contains(both), "{row:?}");
    }
}

#[tokio::test]
async fn lists_accept_codes_with_commas() {
    let server = TestServer::start().await;
    let files = [
        file("user_roles.csv", &["role;permissions", "\"a,b\";"]),
        file("users.csv", &["username;roles", "julia;\"a, b\""]),
        file("locales.csv", &["code", "\"en,US\"", "de"]),
        file("channels.csv", &["code;locales", "print;\"de,en,US\""]),
        file("attribute_groups.csv", &["code", "\"x, y\""]),
        file("grid_views.csv", &["code;attribute_groups", "mine;\"x,y\""]),
        file(
            "categories.csv",
            &["code;parent", "\"shoes, boots\";", "hats;"],
        ),
        file(
            "product_models.csv",
            &["code;categories", "m;\"hats,shoes,boots\""],
        ),
        file(
            "products.csv",
            &[
                "sku;categories",
                "hat;hats",
                "boot;\"Shoes, boots\"",
                "cap;\"shoes,boots,hats\"",
            ],
        ),
        file(
            "apps.csv",
            &[
                "code;scopes;trees_own;locales_edit",
                "shop;write_products;\"shoes,boots\";\"en,us,de\"",
            ],
        ),
    ];
    let summary = server.import("acme", Edition::Enterprise, &files).await;
    assert_eq!(summary.refused_count, 0);
    let again = server.import("acme", Edition::Unspecified, &files).await;
    assert_eq!(again.revision, 1, "{again:#?}");
    let request = pb::ListProductsRequest {
        tenant: "acme".into(),
        ..Default::default()
    };
    let channel = server.channel().await;
    let mut client = pb::catalog_service_client::CatalogServiceClient::new(channel);
    let products = client
        .list_products(request)
        .await
        .unwrap()
        .into_inner()
        .products;
    let found: Vec<(String, Vec<String>)> = products
        .into_iter()
        .map(|product| (product.code, product.categories.unwrap().codes))
        .collect();
    let both = || vec!["hats".to_owned(), "shoes, boots".to_owned()];
    let boots = || vec!["shoes, boots".to_owned()];
    assert!(found.contains(&("cap".to_owned(), both())), "{found:?}");
    assert!(found.contains(&("boot".to_owned(), boots())), "{found:?}");
}

#[tokio::test]
async fn product_with_ambiguous_category_list_is_refused() {
    let server = TestServer::start().await;
    let files = [
        file("categories.csv", &["code", "a", "b", "\"a,b\""]),
        file(
            "products.csv",
            &[
                "sku;categories",
                "hat;\"a,b\"",
                "cap;\"b,a\"",
                "bag;\"a,c\"",
            ],
        ),
    ];
    let summary = refused(&server, header("acme", Edition::Growth), &files).await;
    let refused: Vec<(u64, &str)> = summary
        .refused
        .iter()
        .map(|row| (row.line, row.message.as_str()))
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!((refused[0].0, refused[1].0), (2, 4));
    assert!(
        refused[0].1.contains("as `a` and `b`, and as `a,b`"),
        "{refused:?}"
    );
    assert!(refused[1].1.contains("`c`"), "{refused:?}");
}

#[tokio::test]
async fn private_group_of_app_is_refused_with_its_owner() {
    let server = TestServer::start().await;
    let files = [
        file("apps.csv", &["code;scopes", "shop;"]),
        file("locales.csv", &["code", "en_US"]),
        file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;app:Shop;"],
        ),
        file("users.csv", &["username;roles;groups", "julia;;app:shop"]),
    ];
    // First the app is part of the import, then it is already stored.
    for step in ["new", "stored"] {
        let summary = refused(&server, header("acme", Edition::Enterprise), &files).await;
        assert_eq!(summary.refused_count, 2, "{step}");
        for row in &summary.refused {
            let message = row.message.to_lowercase();
            assert!(message.contains("private group of app `shop`"), "{row:?}");
            assert!(message.contains("`apps.csv`"), "{row:?}");
        }
        server
            .import("acme", Edition::Enterprise, &files[..2])
            .await;
    }
}
