//! Calls the administration of a running server at size, and says how long each
//! call took: `scripts/measure-administration` runs it.

use std::{env, error::Error, future::Future, time::Instant};

use pim_authz::pb::{
    self, access_rights_service_client::AccessRightsServiceClient,
    catalog_service_client::CatalogServiceClient, directory_service_client::DirectoryServiceClient,
    tenant_service_client::TenantServiceClient,
};
use tokio_stream::StreamExt as _;
use tonic::transport::Channel;

const TENANT: &str = "measured";
const GROUPS: usize = 20;
const CHUNK: usize = 10_000;
/// How many sub-categories a category has.
const CHILDREN: usize = 8;
const LARGEST_MESSAGE: usize = 64 << 20;

type Failed = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = env::args().skip(1);
    let server = arguments.next().ok_or("say the server's URL")?;
    let products: usize = arguments.next().ok_or("say how many products")?.parse()?;
    let categories: usize = arguments.next().ok_or("say how many categories")?.parse()?;
    let channel = Channel::from_shared(server)?.connect().await?;
    make_tenant(&channel).await?;
    make_categories(&channel, categories).await?;
    change_rights(&channel).await?;
    for run in ["products, all new", "products, again"] {
        timed(run, import(&channel, products, categories)).await?;
    }
    Ok(())
}

/// Runs a call and prints its name and seconds.
async fn timed<T>(name: &str, call: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let begun = Instant::now();
    let answer = call.await?;
    println!("{name}\t{:.3}", begun.elapsed().as_secs_f64());
    Ok(answer)
}

async fn make_tenant(channel: &Channel) -> Result<(), Failed> {
    let request = pb::CreateTenantRequest {
        tenant: TENANT.into(),
        edition: pb::Edition::Enterprise.into(),
        ..Default::default()
    };
    TenantServiceClient::new(channel.clone())
        .create_tenant(request)
        .await?;
    let user_groups = (0..GROUPS).map(|number| pb::UserGroup {
        code: group(number),
        ..Default::default()
    });
    let request = pb::PutUserGroupsRequest {
        tenant: TENANT.into(),
        user_groups: user_groups.collect(),
        ..Default::default()
    };
    DirectoryServiceClient::new(channel.clone())
        .put_user_groups(request)
        .await?;
    Ok(())
}

async fn make_categories(channel: &Channel, categories: usize) -> Result<(), Failed> {
    let entries = (0..categories).map(|number| pb::Category {
        code: category(number),
        parent: number
            .checked_sub(1)
            .map(|before| category(before / CHILDREN)),
    });
    let request = pb::PutCategoriesRequest {
        tenant: TENANT.into(),
        categories: entries.collect(),
        ..Default::default()
    };
    let mut client = CatalogServiceClient::new(channel.clone());
    timed("categories, all new", async {
        Ok(client.put_categories(request).await?)
    })
    .await?;
    Ok(())
}

async fn change_rights(channel: &Channel) -> Result<(), Failed> {
    let mut client = AccessRightsServiceClient::new(channel.clone());
    let root = || pb::Item {
        r#type: "category".into(),
        id: category(0),
    };
    for (name, level) in [
        ("rights replaced, all new", pb::Level::View),
        ("rights replaced, all different", pb::Level::Edit),
        ("rights replaced, all the same", pb::Level::Edit),
    ] {
        let rights = (0..GROUPS).map(|number| pb::GroupLevel {
            group: group(number),
            level: level.into(),
        });
        let request = pb::ReplaceAccessRequest {
            tenant: TENANT.into(),
            items: vec![pb::ItemRights {
                item: Some(root()),
                rights: rights.collect(),
                apply_to_children: None,
            }],
            ..Default::default()
        };
        timed(name, async { Ok(client.replace_access(request).await?) }).await?;
    }
    let grant = |level: pb::Level| pb::AccessGrant {
        group: group(0),
        item: Some(root()),
        level: level.into(),
        apply_to_children: None,
    };
    let request = pb::GrantAccessRequest {
        tenant: TENANT.into(),
        grants: vec![grant(pb::Level::Own)],
        ..Default::default()
    };
    timed("one group's rights granted", async {
        Ok(client.grant_access(request).await?)
    })
    .await?;
    let request = pb::RevokeAccessRequest {
        tenant: TENANT.into(),
        revocations: vec![grant(pb::Level::View)],
        ..Default::default()
    };
    timed("one group's rights revoked", async {
        Ok(client.revoke_access(request).await?)
    })
    .await?;
    Ok(())
}

async fn import(channel: &Channel, products: usize, categories: usize) -> Result<(), Failed> {
    let chunks = (0..products.div_ceil(CHUNK)).map(move |index| {
        let numbers = index * CHUNK..((index + 1) * CHUNK).min(products);
        pb::ImportProductsRequest {
            tenant: if index == 0 {
                TENANT.into()
            } else {
                String::new()
            },
            products: numbers.map(|number| product(number, categories)).collect(),
            chunk: index as u64 + 1,
            ..Default::default()
        }
    });
    let mut client =
        CatalogServiceClient::new(channel.clone()).max_encoding_message_size(LARGEST_MESSAGE);
    let answers = client.import_products(tokio_stream::iter(chunks)).await?;
    let mut answers = answers.into_inner();
    while let Some(answer) = answers.next().await {
        answer?;
    }
    Ok(())
}

/// A product in two to four categories.
fn product(number: usize, categories: usize) -> pb::Product {
    let held = 2 + number % 3;
    let codes = (1..=held).map(|place| category((number * 31 * place + place) % categories));
    pb::Product {
        code: format!("sku_{number}"),
        categories: Some(pb::CodeList {
            codes: codes.collect(),
        }),
        ..Default::default()
    }
}

fn group(number: usize) -> String {
    format!("group_{number}")
}

fn category(number: usize) -> String {
    format!("category_{number}")
}
