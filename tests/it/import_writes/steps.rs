use std::ops::Deref;

use pim_authz::{
    admin::{
        AdminError, Answered, ImportOptions, ImportReport, Staging, WriteContext, WriteCoordinator,
        Written,
    },
    cache::{Cache, CacheSettings, CoherenceThread},
    domain::{Code, Edition},
    import::{FileRead, Reader},
    store::Store,
    supervision::Supervisor,
};

use crate::harness::Database;

/// The files of an import: name and content.
pub(super) type Files<'f> = &'f [(&'f str, &'f str)];

/// A small catalog that contains everything the other imports refer to.
pub(super) const SMALL: Files<'static> = &[
    (
        "user_groups.csv",
        "code;name\nmanagers;Managers\nredactors;Redactors\n",
    ),
    ("user_roles.csv", "role;permissions\nADMIN;*\n"),
    ("users.csv", "username;roles;groups\njulia;ADMIN;Managers\n"),
    ("locales.csv", "code\nen_US\nfr_FR\n"),
    ("categories.csv", "code;parent\nshoes;master\nmaster;\n"),
    ("channels.csv", "code;tree;locales\nweb;master;en_US\n"),
    (
        "product_models.csv",
        "code;parent;categories\nboots;;shoes\nred-boots;boots;\n",
    ),
    (
        "products.csv",
        "sku;categories;parent\nhat;master,SHOES;\nred-boots-38;;red-boots\n",
    ),
    (
        "product_category_accesses.csv",
        "category;view_items;edit_items;own_items\nmaster;redactors;;Managers\n",
    ),
];

/// A `WriteCoordinator` without a server, and the thread that keeps its cache
/// coherent.
pub(super) struct OwnCoordinator {
    coordinator: WriteCoordinator,
    _coherence: CoherenceThread,
}

impl Deref for OwnCoordinator {
    type Target = WriteCoordinator;

    fn deref(&self) -> &WriteCoordinator {
        &self.coordinator
    }
}

pub(super) async fn coordinator(database: &Database) -> OwnCoordinator {
    let store = Store::new(database.url(), 8).unwrap();
    let (cache, coherence) = Cache::start(
        store.clone(),
        CacheSettings::default(),
        tokio::runtime::Handle::current(),
        &Supervisor::default(),
    )
    .await
    .unwrap();
    OwnCoordinator {
        coordinator: WriteCoordinator::new(store, cache).unwrap(),
        _coherence: coherence,
    }
}

pub(super) fn context(tenant: &str) -> WriteContext {
    WriteContext {
        tenant: tenant.parse().unwrap(),
        actor: "user:julia".to_owned(),
        caller: None,
        request_id: "r-1".to_owned(),
        idempotency_key: String::new(),
        request_hash: Vec::new(),
        dry_run: false,
        expected_revision: None,
    }
}

pub(super) fn enterprise() -> ImportOptions {
    ImportOptions {
        edition: Some(Edition::Enterprise),
        ..ImportOptions::default()
    }
}

pub(super) async fn stage(
    coordinator: &WriteCoordinator,
    tenant: &str,
    files: Files<'_>,
) -> Staging {
    let tenant: Code = tenant.parse().unwrap();
    let mut staging = Staging::begin(coordinator, tenant).await.unwrap();
    let mut reader = Reader::new();
    for (name, content) in files {
        let batch = reader.push(name, content.as_bytes());
        staging.add(batch.rows).await.unwrap();
        batch
            .refused
            .into_iter()
            .for_each(|refusal| staging.refuse(refusal));
    }
    let finished = reader.finish();
    staging.add(finished.batch.rows).await.unwrap();
    finished
        .batch
        .refused
        .into_iter()
        .for_each(|refusal| staging.refuse(refusal));
    for FileRead {
        file, key_column, ..
    } in finished.files
    {
        staging.record_file(file);
        staging.record_key_column(file, key_column);
    }
    staging
}

pub(super) async fn try_import(
    coordinator: &WriteCoordinator,
    context: &WriteContext,
    options: &ImportOptions,
    files: Files<'_>,
) -> Result<Written<ImportReport>, AdminError> {
    let staging = stage(coordinator, context.tenant.as_str(), files).await;
    match coordinator
        .import(staging, context, options, |_, _, _| {})
        .await?
    {
        Answered::Fresh(outcome) => Ok(outcome),
        Answered::Replayed(kept) => panic!("answered before: {kept:?}"),
    }
}

/// Imports into the tenant `default` of the enterprise edition.
pub(super) async fn import(
    coordinator: &WriteCoordinator,
    files: Files<'_>,
) -> Written<ImportReport> {
    try_import(coordinator, &context("default"), &enterprise(), files)
        .await
        .unwrap()
}

/// The refusals in the form `file:line column`.
pub(super) fn places(outcome: &Written<ImportReport>) -> Vec<String> {
    let place =
        |r: &pim_authz::admin::entry::Refusal| format!("{}:{} {}", r.file, r.line, r.column);
    outcome.details.refused.iter().map(place).collect()
}

/// Reads one text value from the database, as its owner.
pub(super) async fn text(database: &Database, sql: &str) -> String {
    let (client, _session) = database.connect().await;
    client
        .batch_execute("SET search_path = pim_authz")
        .await
        .unwrap();
    let row = client.query_one(sql, &[]).await.unwrap();
    row.get::<_, Option<String>>(0).unwrap_or_default()
}
