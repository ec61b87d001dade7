use std::fmt::Write as _;

use pim_authz::pb::{self, Edition};

use super::{batch, both_servers};
use crate::harness::{File, file, product, user};

/// Codes that consist of other codes joined by common separators.
const CODES: [&str; 16] = [
    "a",
    "b",
    "a/b",
    "a:b",
    "a|b",
    "a#b",
    "a%2Fb",
    "a%b",
    "a b",
    "a\\b",
    "a\"b",
    "a'b",
    "a@b",
    "a\u{1f600}b",
    "user",
    "user/a",
];

/// Whether the subject may view the product, computed from their numbers.
fn may(subject: usize, product: usize) -> bool {
    (subject * 31 + product * 17 + subject * product * 7) % 5 < 2
}

/// A quoted cell, which may contain quotation marks.
fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

/// The files of a tenant in which each user has its own group and each product
/// its own category.
fn files(shift: usize) -> Vec<File> {
    let mut groups = "code;name\n".to_owned();
    let mut users = "username;roles;groups\n".to_owned();
    let mut categories = "code;parent\n".to_owned();
    let mut products = "sku;categories\n".to_owned();
    let mut rights = "category;view_items;edit_items;own_items\n".to_owned();
    for (number, code) in CODES.iter().enumerate() {
        writeln!(groups, "g{number};Group {number}").unwrap();
        writeln!(users, "{};reader;g{number}", quoted(code)).unwrap();
        writeln!(categories, "c{number};").unwrap();
        writeln!(products, "{};c{number}", quoted(code)).unwrap();
        let viewers: Vec<String> = (0..CODES.len())
            .filter(|&subject| may(subject + shift, number))
            .map(|subject| format!("g{subject}"))
            .collect();
        writeln!(rights, "c{number};{};;", quoted(&viewers.join(","))).unwrap();
    }
    vec![
        file(
            "user_roles.csv",
            &["role;permissions", "reader;product.list"],
        ),
        ("user_groups.csv".to_owned(), groups),
        ("users.csv".to_owned(), users),
        ("categories.csv".to_owned(), categories),
        ("products.csv".to_owned(), products),
        ("product_category_accesses.csv".to_owned(), rights),
    ]
}

/// `OpenFGA`, CVE-2026-33729, CVE-2026-41131 and CVE-2026-48096: two questions
/// had the same cache key, and one received the answer of the other.
#[tokio::test]
async fn codes_with_separators_do_not_collide() {
    let servers = both_servers().await;
    // Codes of tenants contain separators as well; each tenant has different
    // rights.
    let tenants = ["a", "a/b", "a/subjects/user/a", "a%2Fb"];
    for (shift, tenant) in tenants.iter().enumerate() {
        servers[0]
            .import(tenant, Edition::Enterprise, &files(shift))
            .await;
    }
    // All pairs in one order and then in reverse, from the cache and from the
    // database.
    for round in 0..4 {
        for (shift, tenant) in tenants.iter().enumerate() {
            let mut pairs: Vec<(usize, usize)> = (0..CODES.len())
                .flat_map(|subject| (0..CODES.len()).map(move |product| (subject, product)))
                .collect();
            if round % 2 == 1 {
                pairs.reverse();
            }
            let items = pairs.iter().map(|(subject, product_number)| pb::CheckItem {
                subject: user(CODES[*subject]),
                resource: product(CODES[*product_number]),
                ..Default::default()
            });
            let request = pb::BatchCheckRequest {
                tenant: (*tenant).to_owned(),
                action: "view".into(),
                items: items.collect(),
                ..Default::default()
            };
            let expected: Vec<bool> = pairs
                .iter()
                .map(|(subject, product)| may(subject + shift, *product))
                .collect();
            for server in &servers {
                assert_eq!(batch(server, &request).await, expected, "{tenant}");
            }
        }
    }
}
