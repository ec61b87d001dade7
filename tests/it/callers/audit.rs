use pim_authz::pb::{
    self, CallerRight, Edition, audit_service_client::AuditServiceClient,
    catalog_service_client::CatalogServiceClient, directory_service_client::DirectoryServiceClient,
    operations_service_client::OperationsServiceClient,
};
use tonic::Code;

use super::world::{EVERY_RIGHT, Key, Line, World, everywhere, of_tenants};
use crate::harness::{file, refusal};

async fn changes(world: &World, key: &Key, request: pb::ListChangesRequest) -> Vec<pb::Change> {
    let mut client: AuditServiceClient<Line> =
        AuditServiceClient::new(key.line(&world.guarded).await);
    let listed = client.list_changes(request).await.unwrap();
    listed.into_inner().changes
}

async fn verified(world: &World, request: pb::VerifyAuditRequest) -> pb::VerifyAuditResponse {
    let mut client = OperationsServiceClient::new(world.open.channel().await);
    client.verify_audit(request).await.unwrap().into_inner()
}

fn of_callers() -> pb::VerifyAuditRequest {
    pb::VerifyAuditRequest {
        callers: true,
        facts: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn changes_of_callers_have_their_own_audit_log() {
    let world = World::start().await;
    let shop = pb::Caller {
        subject_alternative_names: vec!["shop.example".into()],
        oidc_identities: vec![pb::OidcIdentity {
            issuer: "https://id.example".into(),
            subject: "shop".into(),
        }],
        ..of_tenants("shop", &["acme", "later"], &EVERY_RIGHT)
    };
    world.put(shop.clone()).await;
    let withdrawn = world.key("shop").await;
    world.withdraw(&withdrawn).await;
    let until = pb::CreateCallerKeyRequest {
        caller: "shop".into(),
        valid_for: Some(prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        ..Default::default()
    };
    world.keeper().await.create_caller_key(until).await.unwrap();
    let auditor = everywhere("auditor", &[CallerRight::Audit]);
    let key = world.caller(auditor).await;
    let request = pb::ListChangesRequest {
        callers: true,
        ..Default::default()
    };
    let listed = changes(&world, &key, request).await;
    let kinds: Vec<&str> = listed.iter().map(|change| change.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "caller.created",
            "caller_key.created",
            "caller_key.removed",
            "caller_key.created",
            "caller.created",
            "caller_key.created"
        ]
    );
    let verified = verified(&world, of_callers()).await;
    assert!(verified.intact, "{verified:?}");
    assert_eq!((verified.revision, verified.compared_facts), (6, 4));
    // A caller with rights on some tenants only may not read this log.
    let one = world
        .caller(of_tenants("one", &["acme"], &EVERY_RIGHT))
        .await;
    let mut client = AuditServiceClient::new(one.line(&world.guarded).await);
    let request = pb::ListChangesRequest {
        callers: true,
        ..Default::default()
    };
    let status = client.list_changes(request).await.unwrap_err();
    assert_eq!(
        refusal(&status),
        (Code::PermissionDenied, "CALLER_NOT_PERMITTED".into(), None)
    );
}

/// Disables the triggers, as an attacker with full access to the database
/// could.
const TAMPER: &str = "SET search_path = pim_authz; ALTER TABLE audit DISABLE TRIGGER USER; SET pim_authz.door = 'test';";

#[tokio::test]
async fn tampering_with_callers_or_their_log_is_detected() {
    let cases = [
        "UPDATE caller SET rights = '{check,operate}'",
        "UPDATE caller SET all_tenants = false",
        "DELETE FROM caller_tenant",
        "UPDATE caller_key SET hash = sha256('eve')",
        "UPDATE caller_key SET expires_at = NULL",
        "DELETE FROM caller_key",
        "INSERT INTO caller_subject_alternative_name SELECT -1, id, 'eve.example' FROM caller",
        "UPDATE audit SET after = replace(after, 'check', 'audit') WHERE tenant_id = -1",
        "UPDATE audit SET caller = 'eve' WHERE tenant_id = -1",
    ];
    for tampering in cases {
        let world = World::start().await;
        let shop = pb::Caller {
            tenants: vec!["acme".into()],
            ..everywhere("shop", &[CallerRight::Check])
        };
        world.put(shop).await;
        let until = pb::CreateCallerKeyRequest {
            caller: "shop".into(),
            valid_for: Some(prost_types::Duration {
                seconds: 86_400,
                nanos: 0,
            }),
            ..Default::default()
        };
        world.keeper().await.create_caller_key(until).await.unwrap();
        assert!(verified(&world, of_callers()).await.intact);
        let sql = format!("{TAMPER} {tampering}");
        world.open.database.execute(&sql).await;
        assert!(!verified(&world, of_callers()).await.intact, "{tampering}");
    }
}

/// Makes writes of each kind to tenant `acme`, at revisions 2 to 6: four by a
/// caller, one of them with an actor, and one without credentials.
async fn written(world: &World) -> Key {
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut directory = DirectoryServiceClient::new(key.line(&world.guarded).await);
    for (actor, code) in [("", "ann"), ("user:julia", "bob")] {
        let request = pb::PutUsersRequest {
            tenant: "acme".into(),
            actor: actor.into(),
            users: vec![pb::User {
                code: code.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        directory.put_users(request).await.unwrap();
    }
    let mut catalog = CatalogServiceClient::new(key.line(&world.guarded).await);
    let products = pb::PutProductsRequest {
        tenant: "acme".into(),
        products: vec![pb::Product {
            code: "cap".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    catalog.put_products(products).await.unwrap();
    let delete = pb::DeleteProductsRequest {
        tenant: "acme".into(),
        codes: vec!["cap".into()],
        ..Default::default()
    };
    catalog.delete_products(delete).await.unwrap();
    let rows = file("locales.csv", &["code", "sv_SE"]);
    world
        .open
        .import("acme", Edition::Unspecified, &[rows])
        .await;
    key
}

#[tokio::test]
async fn the_log_of_a_tenant_names_the_caller() {
    let world = World::start().await;
    let key = written(&world).await;
    let request = pb::ListChangesRequest {
        tenant: "acme".into(),
        after_revision: 1,
        ..Default::default()
    };
    let listed = changes(&world, &key, request.clone()).await;
    let by: Vec<(&str, &str, &str)> = listed
        .iter()
        .map(|change| (&*change.kind, &*change.actor, &*change.caller))
        .collect();
    assert_eq!(
        by,
        [
            ("user.created", "caller:shop", "shop"),
            ("user.created", "user:julia", "shop"),
            ("product.created", "caller:shop", "shop"),
            ("products.applied", "caller:shop", "shop"),
            ("product.removed", "caller:shop", "shop"),
            ("products.applied", "caller:shop", "shop"),
            ("locale.created", "user:admin", ""),
            ("access_right.changed", "user:admin", ""),
            ("import.applied", "user:admin", ""),
        ]
    );
    let own = pb::ListChangesRequest {
        actor: "caller:shop".into(),
        ..request
    };
    assert_eq!(changes(&world, &key, own).await.len(), 5);
}

#[tokio::test]
async fn the_hash_of_a_row_covers_its_caller() {
    let world = World::start().await;
    written(&world).await;
    let of_acme = pb::VerifyAuditRequest {
        tenant: "acme".into(),
        facts: true,
        ..Default::default()
    };
    let before = verified(&world, of_acme.clone()).await;
    assert!(before.intact, "{before:?}");
    for tampering in [
        "UPDATE audit SET caller = 'eve' WHERE revision = 2 AND caller <> ''",
        "UPDATE audit SET caller = '' WHERE revision = 3 AND caller <> ''",
        "UPDATE audit SET caller = 'shop' WHERE revision = 6 AND caller = ''",
    ] {
        let sql = format!("{TAMPER} {tampering}");
        world.open.database.execute(&sql).await;
        let after = verified(&world, of_acme.clone()).await;
        assert!(!after.intact, "{tampering}");
        let undo = format!(
            "{TAMPER} UPDATE audit SET caller = CASE WHEN revision IN (2, 3, 4, 5) THEN 'shop' ELSE '' END
              WHERE tenant_id = (SELECT id FROM tenant WHERE code = 'acme')"
        );
        world.open.database.execute(&undo).await;
        assert!(verified(&world, of_acme.clone()).await.intact);
    }
}

#[tokio::test]
async fn actor_of_another_caller_is_rejected() {
    let world = World::start().await;
    let key = world.caller(everywhere("shop", &EVERY_RIGHT)).await;
    let mut directory = DirectoryServiceClient::new(key.line(&world.guarded).await);
    let request = pb::PutUsersRequest {
        tenant: "acme".into(),
        actor: "caller:other".into(),
        ..Default::default()
    };
    let status = directory.put_users(request).await.unwrap_err();
    assert_eq!(refusal(&status).2.as_deref(), Some("actor"));
}
