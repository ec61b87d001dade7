//! The counts of dry runs: the subjects and products whose answers change, for
//! each write of the administration (`api.md`, `Effect`).

mod answers;
mod worlds;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use pim_authz::pb::{self, Edition, catalog_service_client::CatalogServiceClient};
use tonic::transport::Channel;

use self::{
    answers::Answers,
    worlds::Start,
    writes::{Rehearsed, call, codes},
};
use super::calls::{Answer, Call};
use crate::harness::{File, TestServer, file, header};

/// A tenant whose current answers are known.
struct Tenant<'s> {
    server: &'s TestServer,
    channel: Channel,
    code: String,
    before: Answers,
    wrong: Vec<String>,
}

impl<'s> Tenant<'s> {
    async fn start(
        server: &'s TestServer,
        code: &str,
        start: Start,
        known: Option<Answers>,
    ) -> Self {
        server.import(code, start.edition(), &start.files()).await;
        Self::of(server, code, known).await
    }

    /// An existing tenant; all its answers are read unless they are known.
    async fn of(server: &'s TestServer, code: &str, known: Option<Answers>) -> Self {
        let channel = server.channel().await;
        let before = match known {
            Some(known) => known,
            None => answers::check_all(&channel, code).await,
        };
        Self {
            server,
            channel,
            code: code.to_owned(),
            before,
            wrong: Vec::new(),
        }
    }

    /// Rehearses a write, performs it, and compares the predicted counts with
    /// the difference of the answers.
    async fn check(&mut self, call: Call) -> Answer {
        let call = call.of(&self.code);
        let predicted = call.clone().rehearsed().send(&self.channel).await;
        let predicted = predicted.unwrap_or_else(|status| panic!("{status:?} {call:?}"));
        let done = call.send(&self.channel).await.unwrap();
        self.compare(&format!("{call:?}"), &predicted.effect, &done.effect)
            .await;
        done
    }

    async fn compare(&mut self, what: &str, predicted: &pb::Effect, done: &pb::Effect) {
        let counts = |effect: &pb::Effect| {
            [
                effect.created,
                effect.changed,
                effect.removed,
                effect.unchanged,
            ]
        };
        assert_eq!(counts(predicted), counts(done), "{what}");
        assert_eq!(done.subjects_affected + done.products_affected, 0);
        assert!(predicted.sample.len() <= 20, "{predicted:?}");
        let after = answers::check_all(&self.channel, &self.code).await;
        let (expected, differ) = self.before.difference(&after);
        let counted = (predicted.subjects_affected, predicted.products_affected);
        if counted != expected {
            self.wrong.push(format!(
                "{counted:?} counted, {expected:?} affected: {what}\n  sample {:?}\n  {}",
                predicted.sample,
                differ.join("\n  ")
            ));
        }
        self.before = after;
    }

    /// Imports files with pruning, which removes entities that the files do not
    /// name: all channels and locales, some attributes, most subjects, and so
    /// on.
    async fn prune(&mut self, header: pb::ImportHeader) {
        let header = pb::ImportHeader {
            prune: true,
            prune_all: true,
            ..header
        };
        let gate = [
            file("locales.csv", &["code"]),
            file("channels.csv", &["code"]),
        ];
        let subjects = [
            file("users.csv", &["username;roles", "admin;admin"]),
            file("apps.csv", &["code;scopes"]),
        ];
        self.import(header.clone(), &gate).await;
        let attributes = file("attributes.csv", &["code;group", "sku;marketing"]);
        self.import(header.clone(), &[attributes]).await;
        self.import(header.clone(), &subjects).await;
        let categories = file("categories.csv", &["code;parent", "shoes;"]);
        self.import(header.clone(), &[categories]).await;
        let products = file("products.csv", &["sku", "hat"]);
        self.import(header, &[products]).await;
    }

    /// Rehearses an import, then performs it.
    async fn import(&mut self, header: pb::ImportHeader, files: &[File]) {
        let mut effects = Vec::new();
        for dry_run in [true, false] {
            let header = pb::ImportHeader {
                dry_run,
                ..header.clone()
            };
            let answer = self.server.try_import(header, files).await;
            assert!(answer.ended.is_ok(), "{answer:?}");
            effects.push(answer.summary.unwrap().effect.unwrap());
        }
        self.compare(&format!("{header:?} {files:?}"), &effects[0], &effects[1])
            .await;
    }
}

/// Rehearses and performs each write on a tenant of its own.
async fn assert_counted(rehearsed: Vec<Rehearsed>) {
    let server = TestServer::start().await;
    let mut wrong = Vec::new();
    let mut answers: BTreeMap<Start, Answers> = BTreeMap::new();
    for (number, (start, call)) in rehearsed.into_iter().enumerate() {
        let code = format!("t{number}");
        // Tenants with the same start have the same answers.
        let known = answers.get(&start).cloned();
        let mut tenant = Tenant::start(&server, &code, start, known).await;
        answers
            .entry(start)
            .or_insert_with(|| tenant.before.clone());
        tenant.check(call).await;
        wrong.extend(
            tenant
                .wrong
                .into_iter()
                .map(|message| format!("{start:?}: {message}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn tenant_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_tenants()).await;
}

#[tokio::test]
async fn directory_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_the_directory()).await;
}

#[tokio::test]
async fn rule_4_5_dry_runs_count_subjects_affected_by_the_gate() {
    assert_counted(writes::of_channels_and_locales()).await;
}

#[tokio::test]
async fn category_and_product_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_categories_and_products()).await;
}

#[tokio::test]
async fn other_catalog_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_the_small_rest()).await;
}

#[tokio::test]
async fn access_right_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_access_rights()).await;
}

#[tokio::test]
async fn app_dry_runs_count_affected_subjects_and_products() {
    assert_counted(writes::of_apps()).await;
}

fn start(app: &str, scopes: &[&str]) -> Call {
    call!(StartConnection(StartConnectionRequest) { app: app.into(), scopes: codes(scopes) })
}

fn all() -> Option<pb::AppSelection> {
    Some(pb::AppSelection {
        all: true,
        codes: Vec::new(),
    })
}

/// Only the last step connects the app; the other steps affect no subject.
#[tokio::test]
async fn app_step_dry_runs_count_affected_subjects_and_products() {
    let server = TestServer::start().await;
    let mut wrong = Vec::new();
    for (number, begun) in [Start::Whole, Start::Gateless, Start::Growth]
        .into_iter()
        .enumerate()
    {
        let mut tenant = Tenant::start(&server, &format!("t{number}"), begun, None).await;
        let id = |answer: Answer| answer.request_id;
        for (app, scopes) in [
            ("new", ["read_products", "write_products"].as_slice()),
            ("reader", &["read_products", "write_products"]),
            ("bare", &["read_categories"]),
        ] {
            let request_id = id(tenant.check(start(app, scopes)).await);
            let rights = || {
                Some(pb::AppRights {
                    edit: all(),
                    ..Default::default()
                })
            };
            let authorize =
                call!(AuthorizeScopes(AuthorizeScopesRequest) { request_id: request_id.clone() });
            let left = tenant.check(authorize).await.steps;
            if left.contains(&pb::AppStep::Permissions) {
                tenant
                    .check(call!(SetPermissions(SetPermissionsRequest) {
                        request_id: request_id.clone(),
                        trees: rights(),
                        locales: rights(),
                        attribute_groups: rights(),
                    }))
                    .await;
            }
            if !left.is_empty() {
                tenant.check(call!(ConfirmConnection(ConfirmConnectionRequest) { request_id: request_id })).await;
            }
        }
        let request_id = id(tenant.check(start("other", &["read_products"])).await);
        tenant
            .check(call!(CancelConnection(CancelConnectionRequest) { request_id: request_id }))
            .await;
        tenant.check(start("new", &["read_products"])).await;
        wrong.extend(
            tenant
                .wrong
                .into_iter()
                .map(|message| format!("{begun:?}: {message}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn import_dry_runs_count_affected_subjects_and_products() {
    let server = TestServer::start().await;
    let mut wrong = Vec::new();
    for (number, begun) in [Start::Whole, Start::Gateless, Start::Growth]
        .into_iter()
        .enumerate()
    {
        let code = format!("t{number}");
        let mut tenant = Tenant::of(&server, &code, None).await;
        // A new tenant, then the same files again.
        let new = header(&code, begun.edition());
        tenant.import(new.clone(), &begun.files()).await;
        tenant.import(new.clone(), &begun.files()).await;
        let files = [
            file(
                "products.csv",
                &["sku;categories;parent", "hat;print;", "new;;boots"],
            ),
            file("channels.csv", &["code", "new"]),
            file(
                "users.csv",
                &["username;roles;groups", "new;editor;readers"],
            ),
        ];
        tenant.import(new.clone(), &files).await;
        let rights = [file(
            "locale_accesses.csv",
            &["locale;view_products;edit_products", "en_US;readers;"],
        )];
        if begun != Start::Gateless {
            tenant.import(new.clone(), &rights).await;
        }
        tenant.prune(new).await;
        wrong.extend(
            tenant
                .wrong
                .into_iter()
                .map(|message| format!("{begun:?}: {message}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test]
async fn product_stream_dry_runs_count_affected_subjects_and_products() {
    let server = TestServer::start().await;
    let mut tenant = Tenant::start(&server, "acme", Start::Whole, None).await;
    let product = |code: &str, categories: &[&str]| pb::Product {
        code: code.into(),
        categories: Some(pb::CodeList {
            codes: codes(categories),
        }),
        ..Default::default()
    };
    let mut effects = Vec::new();
    for dry_run in [true, false] {
        let request = pb::ImportProductsRequest {
            tenant: "acme".into(),
            dry_run,
            products: vec![product("hat", &["print"]), product("new", &["shoes"])],
            chunk: 1,
            ..Default::default()
        };
        let mut client = CatalogServiceClient::new(tenant.channel.clone());
        let events = client.import_products(tokio_stream::iter([request])).await;
        let answer = events
            .unwrap()
            .into_inner()
            .message()
            .await
            .unwrap()
            .unwrap();
        effects.push(answer.effect.unwrap());
    }
    tenant
        .compare("ImportProducts", &effects[0], &effects[1])
        .await;
    assert!(tenant.wrong.is_empty(), "{:#?}", tenant.wrong);
}

/// A new tenant has no subjects and no products.
#[tokio::test]
async fn dry_run_of_new_tenant_affects_no_subject_or_product() {
    let server = TestServer::start().await;
    let mut tenant = Tenant::of(&server, "acme", None).await;
    tenant
        .check(call!(CreateTenant(CreateTenantRequest) { edition: Edition::Enterprise.into() }))
        .await;
    assert!(tenant.wrong.is_empty(), "{:#?}", tenant.wrong);
}

/// Checks by name that the tests of this module rehearse every write of
/// [`Call`].
#[test]
fn every_write_is_rehearsed() {
    let steps = [
        "CreateTenant",
        "StartConnection",
        "AuthorizeScopes",
        "SetPermissions",
        "ConfirmConnection",
        "CancelConnection",
    ];
    let rehearsed = [
        writes::of_tenants(),
        writes::of_the_directory(),
        writes::of_channels_and_locales(),
        writes::of_categories_and_products(),
        writes::of_the_small_rest(),
        writes::of_access_rights(),
        writes::of_apps(),
    ];
    let names = rehearsed.iter().flatten().map(|(_, call)| call.name());
    let names: BTreeSet<&str> = names.chain(steps).collect();
    let all: BTreeSet<&str> = Call::NAMES.iter().copied().collect();
    assert_eq!(names, all);
}
