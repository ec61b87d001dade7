mod fact_rows;

use hashbrown::HashMap;
use tokio_postgres::types::ToSql;

use crate::domain::{
    Code, FactKey, Facts, FactsNeeded, GroupFacts, GroupId, GroupsNeeded, Level, ProductKind,
    Vocabulary,
};

use self::fact_rows::{FactRows, corrupt};
use super::{
    IndexedProduct, ReadAsOf, Snapshot, Store, StoreError, connection_pool::FACTS_SQL,
    statement::name_of,
};

const STATEMENT: &str = "find_facts";

/// Selects the facts that all questions of a tenant share.
const VOCABULARY_SQL: &str = include_str!("vocabulary.sql");

/// Selects all access rights of some user groups.
const RIGHTS_SQL: &str = include_str!("group_rights.sql");

impl Store {
    /// Reads the facts of a tenant that some questions need, in one snapshot and one
    /// round trip; `None` if the tenant does not exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable or a standby;
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn facts(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
    ) -> Result<ReadAsOf<Option<Facts>>, StoreError> {
        let parameters = Parameters::of(tenant, needed);
        self.load(FACTS_SQL, &parameters.list(), FactRows::facts)
            .await
    }

    /// Reads products and models with their ids.
    pub(super) async fn numbered_products(
        &self,
        tenant: &Code,
        needed: &FactsNeeded,
    ) -> Result<ReadAsOf<Vec<IndexedProduct>>, StoreError> {
        let parameters = Parameters::of(tenant, needed);
        self.load(FACTS_SQL, &parameters.list(), FactRows::numbered_products)
            .await
    }

    /// Reads the facts that all questions of a tenant share, in one round trip;
    /// `None` if the tenant does not exist.
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn vocabulary(
        &self,
        tenant: &Code,
    ) -> Result<ReadAsOf<Option<Vocabulary>>, StoreError> {
        let within = FactKey::Tenant(tenant.clone()).to_string();
        let parameters: [&(dyn ToSql + Sync); 2] = [&tenant.folded(), &within];
        self.load(VOCABULARY_SQL, &parameters, FactRows::vocabulary)
            .await
    }

    /// Reads all access rights of some user groups, in one round trip. Groups that do
    /// not exist are omitted.
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn group_rights(
        &self,
        tenant: &Code,
        groups: &[GroupId],
    ) -> Result<ReadAsOf<GroupRights>, StoreError> {
        let within = FactKey::Tenant(tenant.clone()).to_string();
        let parameters: [&(dyn ToSql + Sync); 3] = [&tenant.folded(), &within, &groups];
        self.load(RIGHTS_SQL, &parameters, |mut fact_rows| fact_rows.groups())
            .await
    }

    /// Reads tagged rows and extracts a value from them.
    async fn load<T>(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        extract: impl FnOnce(FactRows) -> T,
    ) -> Result<ReadAsOf<T>, StoreError> {
        let rows = self.query(name_of(sql), sql, parameters).await?;
        let mut fact_rows = FactRows::of(&rows)?;
        Ok(ReadAsOf {
            as_of: fact_rows.as_of()?,
            tenant: fact_rows.tenant(),
            found: extract(fact_rows),
        })
    }
}

/// User groups with all their access rights.
pub type GroupRights = HashMap<GroupId, GroupFacts>;

impl Snapshot<'_> {
    /// Reads the facts that some questions need, like [`Store::facts`].
    ///
    /// # Errors
    ///
    /// As [`Store::facts`].
    pub async fn facts(&self, needed: &FactsNeeded) -> Result<Facts, StoreError> {
        let parameters = Parameters::of(&self.tenant().code, needed);
        let rows = self.query(STATEMENT, FACTS_SQL, &parameters.list()).await?;
        let facts = FactRows::of(&rows)?.facts();
        facts.ok_or_else(|| corrupt("no tenant, in a snapshot that has it".to_owned()))
    }
}

/// Parameters of the facts statement, as columns.
struct Parameters<'n> {
    tenant: &'n str,
    within: String,
    subject_types: Vec<&'n str>,
    subject_keys: Vec<&'n str>,
    item_types: Vec<&'n str>,
    item_keys: Vec<&'n str>,
    models: Vec<bool>,
    product_keys: Vec<&'n str>,
    attributes: Vec<&'n str>,
    grid_views: Vec<&'n str>,
    all_groups: bool,
}

impl<'n> Parameters<'n> {
    fn of(tenant: &'n Code, needed: &'n FactsNeeded) -> Self {
        let subjects = needed.subjects.iter();
        let (subject_types, subject_keys) = subjects
            .map(|s| (<&str>::from(s.kind), s.code.folded()))
            .unzip();
        let items = needed.items.iter();
        let (item_types, item_keys) = items
            .map(|i| (<&str>::from(i.kind), i.code.folded()))
            .unzip();
        let products = needed.products.iter();
        let (models, product_keys) = products
            .map(|p| (p.kind == ProductKind::Model, p.code.folded()))
            .unzip();
        Self {
            tenant: tenant.folded(),
            within: FactKey::Tenant(tenant.clone()).to_string(),
            subject_types,
            subject_keys,
            item_types,
            item_keys,
            models,
            product_keys,
            attributes: needed.attributes.iter().map(Code::folded).collect(),
            grid_views: needed.grid_views.iter().map(Code::folded).collect(),
            all_groups: needed.groups == GroupsNeeded::All,
        }
    }

    fn list(&self) -> [&(dyn ToSql + Sync); 11] {
        [
            &self.tenant,
            &self.subject_types,
            &self.subject_keys,
            &self.item_types,
            &self.item_keys,
            &self.models,
            &self.product_keys,
            &self.attributes,
            &self.grid_views,
            &self.all_groups,
            &self.within,
        ]
    }
}

/// Converts stored bits to a level.
pub(super) fn level_of_bits(statement: &'static str, stored: i64) -> Result<Level, StoreError> {
    let level = u8::try_from(stored).map(Level::from_bits);
    level.map_err(|_| StoreError::corrupt(statement, format!("level {stored}")))
}
