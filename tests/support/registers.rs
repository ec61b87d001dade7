//! Three registers, each stored in another kind of facts, and the calls that write and read
//! them:
//!
//! - 0: the groups of one user. Group `g3` views the category of product `p3`, so
//!   bit 3 is set if the user may view `p3`.
//! - 1: the categories of one product. User `b3` views one category, so bit 3 is
//!   set if that user may view the product.
//! - 2: the rights of one group. Its member may view `r3` if bit 3 is set.
//!
//! One `BatchCheck` reads all three registers or some; one `ListUsers` reads the
//! first. One page of `ListAllowed` reads the first (`u` may view `p3`), another
//! the second and third: a write of the second also puts product `s3`, in the
//! same call, into a category that `w` views or into one that no group views.

use pim_authz::pb::{
    self, access_rights_service_client::AccessRightsServiceClient,
    authorization_service_client::AuthorizationServiceClient,
    catalog_service_client::CatalogServiceClient, check_result::Outcome,
    directory_service_client::DirectoryServiceClient, import_catalog_request::Part,
    import_service_client::ImportServiceClient,
};
use tonic::transport::Channel;

use crate::history::REGISTERS;

/// Number of bits of a value, so that a register has 2^`BITS` values.
pub(crate) const BITS: usize = 12;

/// Values of the registers that one response shows.
pub(crate) type Values = [Option<u32>; REGISTERS];

fn names(prefix: &str) -> Vec<String> {
    (0..BITS).map(|bit| format!("{prefix}{bit}")).collect()
}

fn set(prefix: &str, value: u32) -> Vec<String> {
    let bits = (0..BITS).filter(|bit| value & (1 << bit) != 0);
    bits.map(|bit| format!("{prefix}{bit}")).collect()
}

/// Creates the tenant by an import.
pub(crate) async fn set_up(channel: Channel) {
    let lines = |header: &str, rows: Vec<String>| {
        let rows = std::iter::once(header.to_owned()).chain(rows);
        rows.collect::<Vec<_>>().join("\n")
    };
    let each = |row: &dyn Fn(usize) -> String| (0..BITS).map(row).collect::<Vec<_>>();
    let groups = [names("g"), names("h"), vec!["w".to_owned()]].concat();
    let groups = groups.iter().map(|code| format!("{code};{code}")).collect();
    let mut users = each(&|bit| format!("b{bit};;h{bit}"));
    users.extend(["u;;".to_owned(), "w;;w".to_owned()]);
    let states = vec!["on".to_owned(), "off".to_owned()];
    let categories = [names("c"), names("d"), names("e"), states].concat();
    let categories = categories.iter().map(|code| format!("{code};")).collect();
    let mut products = each(&|bit| format!("p{bit};c{bit}"));
    products.extend(each(&|bit| format!("r{bit};d{bit}")));
    products.extend(each(&|bit| format!("s{bit};off")));
    // A product without a category would be visible to everyone.
    products.push("q;e11,d0".to_owned());
    let mut rights = each(&|bit| format!("c{bit};g{bit};;"));
    rights.extend(each(&|bit| format!("d{bit};;;")));
    rights.extend(each(&|bit| format!("e{bit};h{bit};;")));
    rights.extend(["on;w;;".to_owned(), "off;;;".to_owned()]);
    let files = [
        ("user_groups.csv", lines("code;name", groups)),
        ("users.csv", lines("username;roles;groups", users)),
        ("categories.csv", lines("code;parent", categories)),
        ("products.csv", lines("sku;categories", products)),
        (
            "product_category_accesses.csv",
            lines("category;view_items;edit_items;own_items", rights),
        ),
    ];
    let header = pb::ImportHeader {
        tenant: "default".into(),
        edition: pb::Edition::Enterprise.into(),
        ..Default::default()
    };
    let pieces = files.into_iter().map(|(file, text)| {
        Part::Piece(pb::FilePiece {
            file: file.into(),
            content: text.into_bytes(),
        })
    });
    let parts: Vec<_> = std::iter::once(Part::Header(header))
        .chain(pieces)
        .map(|part| pb::ImportCatalogRequest { part: Some(part) })
        .collect();
    let mut client = ImportServiceClient::new(channel);
    let parts = tokio_stream::iter(parts);
    let mut events = client.import_catalog(parts).await.unwrap().into_inner();
    while events.message().await.unwrap().is_some() {}
}

/// Writes a value and returns its revision; calls with the same idempotency key
/// are the same write.
pub(crate) async fn send(
    channel: Channel,
    register: usize,
    value: u32,
    key: &str,
) -> Result<u64, tonic::Status> {
    let tenant = "default".to_owned();
    let idempotency_key = key.to_owned();
    match register {
        0 => {
            let codes = set("g", value);
            let user = pb::User {
                code: "u".into(),
                groups: Some(pb::CodeList { codes }),
                ..Default::default()
            };
            let request = pb::PutUsersRequest {
                tenant,
                idempotency_key,
                users: vec![user],
                ..Default::default()
            };
            let mut client = DirectoryServiceClient::new(channel);
            Ok(client.put_users(request).await?.into_inner().revision)
        }
        1 => {
            let codes = set("e", value);
            let product = |code: String, codes| pb::Product {
                code,
                categories: Some(pb::CodeList { codes }),
                ..Default::default()
            };
            let states = (0..BITS).map(|bit| {
                let is_set = value & (1 << bit) != 0;
                let state = if is_set { "on" } else { "off" };
                product(format!("s{bit}"), vec![state.to_owned()])
            });
            let products = std::iter::once(product("q".into(), codes)).chain(states);
            let request = pb::PutProductsRequest {
                tenant,
                idempotency_key,
                products: products.collect(),
                ..Default::default()
            };
            let mut client = CatalogServiceClient::new(channel);
            Ok(client.put_products(request).await?.into_inner().revision)
        }
        _ => {
            let request = pb::ReplaceAccessRequest {
                tenant,
                idempotency_key,
                items: (0..BITS).map(|bit| rights(bit, value)).collect(),
                ..Default::default()
            };
            let mut client = AccessRightsServiceClient::new(channel);
            Ok(client.replace_access(request).await?.into_inner().revision)
        }
    }
}

/// Returns the rights on the category of one bit.
fn rights(bit: usize, value: u32) -> pb::ItemRights {
    let viewer = pb::GroupLevel {
        group: "w".into(),
        level: pb::Level::View.into(),
    };
    let is_set = value & (1 << bit) != 0;
    pb::ItemRights {
        item: Some(pb::Item {
            r#type: "category".into(),
            id: format!("d{bit}"),
        }),
        rights: is_set.then_some(viewer).into_iter().collect(),
        ..Default::default()
    }
}

/// Reads registers by one `BatchCheck`. `None` if the server does not answer.
pub(crate) async fn check(channel: Channel, wanted: [bool; REGISTERS]) -> Option<Values> {
    let item = |user: String, product: String| pb::CheckItem {
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: user,
        }),
        resource: Some(pb::Resource {
            r#type: "product".into(),
            id: product,
            ..Default::default()
        }),
        ..Default::default()
    };
    let registers = (0..REGISTERS).filter(|register| wanted[*register]);
    let items = registers.clone().flat_map(|register| {
        (0..BITS).map(move |bit| match register {
            0 => item("u".into(), format!("p{bit}")),
            1 => item(format!("b{bit}"), "q".into()),
            _ => item("w".into(), format!("r{bit}")),
        })
    });
    let request = pb::BatchCheckRequest {
        tenant: "default".into(),
        action: "view".into(),
        items: items.collect(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    let answer = client.batch_check(request).await.ok()?.into_inner();
    let allowed: Vec<bool> = answer
        .results
        .into_iter()
        .map(|result| match result.outcome {
            Some(Outcome::Decision(decision)) => decision.allowed,
            other => panic!("{other:?}"),
        })
        .collect();
    let mut values = [None; REGISTERS];
    for (register, bits) in registers.zip(allowed.chunks(BITS)) {
        let bits = bits.iter().enumerate();
        values[register] = Some(bits.map(|(bit, is_set)| u32::from(*is_set) << bit).sum());
    }
    // Initial value of the second register.
    if values[1] == Some(1 << 11) {
        values[1] = Some(0);
    }
    Some(values)
}

/// Reads registers by a page of the list of one user: `u` or `w`.
pub(crate) async fn page(channel: Channel, user: &str) -> Option<Values> {
    let request = pb::ListAllowedRequest {
        tenant: "default".into(),
        subject: Some(pb::Subject {
            r#type: "user".into(),
            id: user.into(),
        }),
        action: "view".into(),
        resource_type: "product".into(),
        ..Default::default()
    };
    let mut client = AuthorizationServiceClient::new(channel);
    let page = client.list_allowed(request).await.ok()?.into_inner();
    assert_eq!(page.next_page_token, "");
    let value = |prefix: char| -> u32 {
        let codes = page.resources.iter().map(|resource| &resource.id);
        let bits = codes.filter_map(|code| code.strip_prefix(prefix)?.parse::<u32>().ok());
        bits.map(|bit| 1 << bit).sum()
    };
    Some(if user == "u" {
        [Some(value('p')), None, None]
    } else {
        [None, Some(value('s')), Some(value('r'))]
    })
}

/// Reads the first register from the administration API.
pub(crate) async fn list(channel: Channel) -> Option<Values> {
    let request = pb::ListUsersRequest {
        tenant: "default".into(),
        codes: vec!["u".into()],
        ..Default::default()
    };
    let mut client = DirectoryServiceClient::new(channel);
    let page = client.list_users(request).await.ok()?.into_inner();
    let user = page.users.into_iter().next()?;
    let groups = user.groups.unwrap_or_default().codes;
    let bits = groups
        .iter()
        .filter_map(|group| group.strip_prefix('g')?.parse::<u32>().ok());
    Some([Some(bits.map(|bit| 1 << bit).sum()), None, None])
}
