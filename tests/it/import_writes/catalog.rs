use super::steps::{SMALL, coordinator, import, text};
use crate::harness::Database;

/// The rights on an item, as `group:level`.
fn rights_on(item: &str) -> String {
    format!(
        "SELECT string_agg(g.code || ':' || r.level, ' ' ORDER BY g.key)
           FROM access_right AS r
           JOIN user_group AS g ON g.id = r.group_id
           JOIN item AS i ON i.id = r.item_id
          WHERE i.key = '{item}'"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_8_new_child_category_copies_imported_rights_of_its_parent() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    import(&coordinator, SMALL).await;
    assert_eq!(
        text(&database, &rights_on("master")).await,
        "managers:7 redactors:1"
    );
    assert_eq!(
        text(&database, &rights_on("shoes")).await,
        "managers:7 redactors:1"
    );
    assert_eq!(text(&database, &rights_on("web")).await, "All:3");
    let more = [
        ("categories.csv", "code;parent\nhigh;boots\nboots;shoes\n"),
        (
            "product_category_accesses.csv",
            "category;view_items;edit_items;own_items\nshoes;All;All;\n",
        ),
    ];
    import(&coordinator, &more).await;
    assert_eq!(
        text(&database, &rights_on("master")).await,
        "managers:7 redactors:1"
    );
    assert_eq!(text(&database, &rights_on("high")).await, "All:3");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_6_app_right_on_tree_covers_existing_and_later_categories() {
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    import(&coordinator, SMALL).await;
    let apps = [(
        "apps.csv",
        "code;scopes;trees_edit;locales_view\nShop;write_products,fly;master;*\n",
    )];
    let connected = import(&coordinator, &apps).await;
    assert!(connected.details.applied, "{connected:?}");
    assert_eq!(
        connected.details.files[0].warnings.len(),
        1,
        "{connected:?}"
    );
    assert_eq!(
        text(&database, &rights_on("shoes")).await,
        "app:Shop:3 managers:7 redactors:1"
    );
    assert_eq!(
        text(&database, &rights_on("fr_fr")).await,
        "All:3 app:Shop:1"
    );
    assert_eq!(text(&database, &rights_on("web")).await, "All:3 app:Shop:3");
    let later = [
        ("categories.csv", "code;parent\nboots;shoes\n"),
        ("locales.csv", "code\nde_DE\n"),
        ("channels.csv", "code\nprint\n"),
        (
            "channel_accesses.csv",
            "channel;view_products;edit_products\nprint;redactors;\n",
        ),
    ];
    import(&coordinator, &later).await;
    assert_eq!(
        text(&database, &rights_on("boots")).await,
        "app:Shop:3 managers:7 redactors:1"
    );
    assert_eq!(
        text(&database, &rights_on("de_de")).await,
        "All:3 app:Shop:1"
    );
    assert_eq!(
        text(&database, &rights_on("print")).await,
        "app:Shop:3 redactors:1"
    );
    let nothing = import(&coordinator, &apps).await;
    assert!(nothing.effect.is_empty(), "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_changes_parents_and_categories_of_products() {
    const PRODUCTS: &str = "SELECT string_agg(p.code || '<' || coalesce(m.code, '') || '<' || coalesce(c.codes, ''), ' ' ORDER BY p.key)
        FROM product AS p
        LEFT JOIN product AS m ON m.id = p.parent_id
        LEFT JOIN LATERAL (SELECT string_agg(i.code, ',' ORDER BY i.key) AS codes FROM product_category AS pc
                             JOIN item AS i ON i.id = pc.category_id WHERE pc.product_id = p.id) AS c ON true";
    let database = Database::create().await;
    let coordinator = coordinator(&database).await;
    import(&coordinator, SMALL).await;
    assert_eq!(
        text(&database, PRODUCTS).await,
        "boots<<shoes hat<<master,shoes red-boots<boots< red-boots-38<red-boots<"
    );
    let other = [(
        "products.csv",
        "sku;parent;categories\nHAT;boots;master\nred-boots-38;;\n",
    )];
    let changed = import(&coordinator, &other).await;
    assert_eq!(
        (changed.details.files[0].changed, changed.effect.changed),
        (2, 2),
        "{changed:?}"
    );
    assert_eq!(
        text(&database, PRODUCTS).await,
        "boots<<shoes hat<boots<master red-boots<boots< red-boots-38<<"
    );
}
