use std::time::{Duration, Instant};

use pim_authz::pb::{
    self, authorization_service_client::AuthorizationServiceClient,
    catalog_service_client::CatalogServiceClient,
};
use tokio::task::JoinHandle;
use tonic::Status;

use super::{Database, File, Server, TENANT, TestServer, Verdict, file, product, user};
use crate::postgres_proxy::{Fault, Proxy, reply, request};

/// A lease that neither ends nor is renewed during a schedule.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// Two servers of one company: one that answers from its cache, and one that writes.
///
/// Julia and Mary are in the group `admins`, which may view the category `master`; the
/// group `editors` may view the category `other`. The products `hat` and `cap` are in
/// `master`.
pub(crate) struct World {
    pub(crate) reader: Server,
    pub(crate) writer: Server,
    pub(crate) database: Database,
}

impl World {
    /// Starts both servers with leases that last. The reader's cache has what a Check of
    /// Mary needs.
    pub(crate) async fn new(database: Database) -> Self {
        Self::with_lease(database, LONG).await
    }

    /// As [`World::new`], with this lease of the reader.
    pub(crate) async fn with_lease(database: Database, lease: Duration) -> Self {
        Self::with_leases(database, [lease, LONG]).await
    }

    /// As [`World::new`], with these leases of the reader and of the writer.
    pub(crate) async fn with_leases(database: Database, leases: [Duration; 2]) -> Self {
        let [of_reader, of_writer] = leases;
        let writer = Self::writer(&database, of_writer).await;
        let reader = Server::start_with_lease(&database, of_reader).await;
        while reader.status().await.index_loads == 0 {
            reader.may_view(TENANT, "mary").await.unwrap();
        }
        reader.answers_from_memory("mary", true).await;
        Self {
            reader,
            writer,
            database,
        }
    }

    /// Starts the writer alone.
    pub(crate) async fn writer(database: &Database, lease: Duration) -> Server {
        let writer = Server::start_with_lease(database, lease).await;
        writer.import(&company()).await;
        writer
    }

    /// Starts a reader that waits for no call when it stops.
    pub(crate) async fn hasty_reader(database: &Database) -> Server {
        let (proxy, through) = Proxy::before(database.url()).await;
        let mut config = TestServer::config(database);
        config.database_url = through;
        config.cache.lease = LONG;
        config.drain = Duration::ZERO;
        let served = TestServer::start_with(config, database.clone()).await;
        Server {
            channel: served.channel().await,
            proxy,
            served,
        }
    }

    /// Begins a Check of Julia on the reader, on a connection of its own: a call that is held
    /// at a gate blocks its connection.
    pub(crate) async fn checking(&self) -> JoinHandle<Result<bool, Status>> {
        let channel = self.reader.served.channel().await;
        tokio::spawn(super::may_view(channel, TENANT.into(), "julia".into()))
    }

    /// Removes Julia from all groups.
    pub(crate) async fn remove_julia(&self) {
        self.writer.put_user("julia", &[], "").await.unwrap();
    }

    /// As [`World::remove_julia`], in a task.
    pub(crate) fn removing_julia(&self) -> JoinHandle<()> {
        let task = self.writer.putting_user("julia", &[], "");
        tokio::spawn(async move {
            task.await.unwrap().unwrap();
        })
    }

    /// Moves products into a category, and out of all others.
    pub(crate) async fn move_products(&self, products: &[&str], category: &str) {
        self.moving_products(products, category).await.unwrap();
    }

    /// As [`World::move_products`], in a task.
    pub(crate) fn moving_products(&self, products: &[&str], category: &str) -> JoinHandle<()> {
        let products = products.iter().map(|product| pb::Product {
            code: (*product).to_owned(),
            categories: Some(pb::CodeList {
                codes: vec![category.to_owned()],
            }),
            ..Default::default()
        });
        let request = pb::PutProductsRequest {
            tenant: TENANT.into(),
            products: products.collect(),
            ..Default::default()
        };
        let mut client = CatalogServiceClient::new(self.writer.channel.clone());
        tokio::spawn(async move {
            client.put_products(request).await.unwrap();
        })
    }

    /// Lists the products that Julia may view, on the reader.
    pub(crate) async fn list(&self) -> Vec<String> {
        self.listing().await.unwrap()
    }

    /// As [`World::list`], in a task.
    pub(crate) fn listing(&self) -> JoinHandle<Vec<String>> {
        let request = pb::ListAllowedRequest {
            tenant: TENANT.into(),
            subject: user("julia"),
            action: "view".into(),
            resource_type: "product".into(),
            ..Default::default()
        };
        let mut client = AuthorizationServiceClient::new(self.reader.channel.clone());
        tokio::spawn(async move {
            let page = client.list_allowed(request).await.unwrap().into_inner();
            page.resources.into_iter().map(|found| found.id).collect()
        })
    }

    /// Removes Julia from all groups; `held`, which keeps the reader from acknowledging, is
    /// released only if the write waits for the reader.
    pub(crate) async fn remove_julia_despite(&self, held: &Fault) {
        self.returns_despite(self.removing_julia(), held).await;
    }

    /// As [`World::remove_julia_despite`], for a write that has just begun.
    pub(crate) async fn returns_despite<T>(&self, mut write: JoinHandle<T>, held: &Fault) -> T {
        // A write that waits for nobody else reads the leases once.
        let looks = self.writer.proxy.observe(reply("read_leases").every());
        tokio::select! {
            written = &mut write => return written.unwrap(),
            () = looks.arrived_times(3) => held.release(),
        }
        write.await.unwrap()
    }

    /// Judges a Check of Julia on the reader: the last write has returned and decides
    /// `current`.
    pub(crate) async fn check_after(&self, current: bool) -> Verdict {
        Verdict::of(self.reader.may_view(TENANT, "julia").await, current)
    }

    /// Waits until the reader has a lease again.
    pub(crate) async fn reader_answers_again(&self) {
        while self.reader.may_view(TENANT, "mary").await.is_err() {}
    }

    /// Checks on the reader whether a user may view a product.
    pub(crate) fn check(
        &self,
        code: &str,
        on: &str,
    ) -> impl Future<Output = Result<bool, Status>> + use<> {
        let request = pb::CheckRequest {
            tenant: TENANT.into(),
            subject: user(code),
            action: "view".into(),
            resource: product(on),
            ..Default::default()
        };
        let mut client = AuthorizationServiceClient::new(self.reader.channel.clone());
        async move { Ok(client.check(request).await?.into_inner().allowed) }
    }

    /// Waits until the reader answers this Check from its cache.
    pub(crate) async fn reader_knows(&self, user: &str, product: &str) {
        let before = self.reader.status().await.hits;
        while self.reader.status().await.hits == before {
            self.check(user, product).await.unwrap();
        }
    }

    /// Waits until this much time has passed, counted by the writer's looks at the log.
    pub(crate) async fn passes(&self, time: Duration) {
        let begun = Instant::now();
        let looks = self.writer.proxy.observe(request("read_log").every());
        while begun.elapsed() < time {
            looks.arrived_times(looks.count() + 1).await;
        }
    }

    /// Makes the writer find another primary, and waits until it has joined the new epoch.
    pub(crate) async fn begin_epoch(&self, name: &str) {
        let joined = self.writer.proxy.observe(reply("join"));
        let promote = format!("UPDATE pim_authz.head SET fingerprint = '{name}'");
        self.database.execute(&promote).await;
        joined.arrived().await;
    }

    /// Waits until the reader has read a product of its index again.
    pub(crate) async fn index_is_patched(&self) {
        while self.reader.status().await.products_patched == 0 {}
    }
}

fn company() -> Vec<File> {
    vec![
        file("user_groups.csv", &["code;name", "admins;A", "editors;E"]),
        file(
            "users.csv",
            &["username;roles;groups", "julia;;admins", "mary;;admins"],
        ),
        file("categories.csv", &["code;parent", "master;", "other;"]),
        file(
            "products.csv",
            &["sku;categories", "hat;master", "cap;master"],
        ),
        file(
            "product_category_accesses.csv",
            &[
                "category;view_items;edit_items;own_items",
                "master;admins;;",
                "other;editors;;",
            ],
        ),
    ]
}
