use std::time::Duration;

use pim_authz::{
    cache::Clock,
    pb::{
        self, authorization_service_client::AuthorizationServiceClient,
        catalog_service_client::CatalogServiceClient,
    },
    server::ServeConfig,
};
use tokio::task::JoinHandle;
use tonic::Status;

use super::{Database, File, Server, TENANT, TestServer, Verdict, file, product, user};
use crate::postgres_proxy::{Fault, reply, request};

/// A lease that ends during a schedule only where time [passes](World::passes), and is
/// renewed only when its server connects again.
pub(crate) const LONG: Duration = Duration::from_mins(5);

/// A lease that does not end then, either.
pub(crate) const LONGER: Duration = Duration::from_hours(1);

/// Two servers of one company: one that answers from its cache, and one that writes.
///
/// Julia and Mary are in the group `admins`, which may view the category `master`; the
/// group `editors` may view the category `other`. The products `hat` and `cap` are in
/// `master`.
pub(crate) struct World {
    pub(crate) reader: Server,
    pub(crate) writer: Server,
    pub(crate) database: Database,
    /// The clock of both servers, so that they agree on how much time passes.
    pub(crate) clock: Clock,
}

impl World {
    /// Starts both servers with leases that last. The reader's cache has what a Check of
    /// Mary needs.
    pub(crate) async fn new(database: Database) -> Self {
        Self::with_leases(database, [LONG, LONGER]).await
    }

    /// As [`World::new`], with these leases of the reader and of the writer.
    pub(crate) async fn with_leases(database: Database, leases: [Duration; 2]) -> Self {
        let [of_reader, of_writer] = leases;
        let clock = Clock::settable();
        let writer = Self::writer(&database, of_writer, clock).await;
        let reader = Self::serve(&database, of_reader, clock, |_| {}).await;
        while reader.status().await.index_loads == 0 {
            reader.may_view(TENANT, "mary").await.unwrap();
        }
        reader.answers_from_memory("mary", true).await;
        Self {
            reader,
            writer,
            database,
            clock,
        }
    }

    /// Starts a server with this lease and clock.
    pub(crate) async fn serve(
        database: &Database,
        lease: Duration,
        clock: Clock,
        set: impl FnOnce(&mut ServeConfig),
    ) -> Server {
        let mut config = TestServer::config(database);
        config.cache.lease = lease;
        config.cache.clock = clock;
        set(&mut config);
        Server::start_with(config, database.clone()).await
    }

    /// Starts the writer alone.
    pub(crate) async fn writer(database: &Database, lease: Duration, clock: Clock) -> Server {
        let writer = Self::serve(database, lease, clock, |_| {}).await;
        writer.import(&company()).await;
        writer
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

    /// Lets time pass on both servers at once.
    pub(crate) fn passes(&self, time: Duration) {
        self.clock.set(time, 1_000);
    }

    /// Waits until a write has returned. While it waits for others, a quarter of the reader's
    /// lease passes after the other.
    pub(crate) async fn returns_in_time<T>(&self, mut write: JoinHandle<T>) -> T {
        loop {
            tokio::select! {
                written = &mut write => return written.unwrap(),
                () = self.write_waits() => self.passes(LONG / 4),
            }
        }
    }

    /// Waits until a write waits for another server: its own has applied the announcement.
    pub(crate) async fn write_waits(&self) {
        let looks = self.writer.proxy.observe(reply("read_leases").every());
        looks.arrived().await;
        let applied = self.writer.proxy.observe(reply("read_log").every());
        applied.arrived_times(2).await;
        looks.arrived_times(looks.count() + 1).await;
    }

    /// Removes Julia from all groups, as time passes.
    pub(crate) async fn remove_julia_in_time(&self) {
        self.returns_in_time(self.removing_julia()).await;
    }

    /// Makes a write that concerns no question, as time passes.
    pub(crate) async fn write_in_time(&self) {
        let write = self.writer.putting_user("zoe", &[], "");
        self.returns_in_time(write).await.unwrap();
    }

    /// Cuts the connection of the reader's lease, and waits until it has renewed the lease on
    /// the next one.
    pub(crate) async fn reader_connects_again(&self) {
        let renewal = self.reader.proxy.observe(reply("renew"));
        self.reader.proxy.cut(request("read_log")).arrived().await;
        renewal.arrived().await;
        // It reads the log, extends the lease, and reads the log again.
        let logs = self.reader.proxy.observe(request("read_log").every());
        logs.arrived_times(2).await;
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
