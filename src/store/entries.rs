//! Stored entities as the administration lists them: each entry holds the codes
//! of the entities it refers to; pages follow an order that an index serves.

mod apps;
mod catalog;
mod directory;
mod effective_rights;
mod rights;
mod tenants;

use tokio_postgres::types::ToSql;

use crate::domain::Code;

pub use self::{
    apps::ListedApp,
    catalog::PlainItems,
    rights::{RightPlace, RightsListed},
};
use super::{
    Snapshot, StoreError,
    entity_rows::{FromRow, parse_all},
    product_lists::count,
};

/// A type of entry listed in the order of folded codes.
#[expect(private_bounds, reason = "only the store parses rows")]
pub trait CodedEntry: FromRow {
    /// Selects which of the table's rows are listed: a subject's or item's type.
    type Space: Into<&'static str> + Copy;

    /// Name of the statement.
    const NAME: &'static str;
    /// Name of the table, aliased as `entry`.
    const TABLE: &'static str;
    /// SQL condition for rows of the space `$2`.
    const OF_SPACE: &'static str;
    /// SQL select list over `entry`; `$1` is the tenant.
    const COLUMNS: &'static str;

    /// Returns the entry's code.
    fn code(&self) -> &Code;
}

/// The space of an entry type that has only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every;

impl From<Every> for &'static str {
    fn from(_: Every) -> Self {
        ""
    }
}

impl Snapshot<'_> {
    /// Reads the next entries after a folded code, restricted to the codes in `only`
    /// unless it is empty.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if a stored value violates the domain's rules.
    pub async fn entries_after<E: CodedEntry>(
        &self,
        space: E::Space,
        after: &str,
        only: &[Code],
        limit: usize,
    ) -> Result<Vec<E>, StoreError> {
        let (name, table, of_space, columns) = (E::NAME, E::TABLE, E::OF_SPACE, E::COLUMNS);
        let rows = format!("{table} AS entry WHERE entry.tenant_id = $1 AND {of_space}");
        let source = if only.is_empty() {
            format!("{rows} AND entry.key > $3 AND $5::text[] IS NOT NULL")
        } else {
            // Forces one index look-up per code, whatever the planner estimates.
            format!(
                "unnest($5::text[]) AS named (key)
                 CROSS JOIN LATERAL (SELECT * FROM {rows} AND entry.key = named.key AND entry.key > $3 OFFSET 0) AS entry"
            )
        };
        let sql = format!("-- {name}\nSELECT {columns} FROM {source} ORDER BY entry.key LIMIT $4");
        let space: &str = space.into();
        let mut keys: Vec<&str> = only.iter().map(Code::folded).collect();
        keys.sort_unstable();
        keys.dedup();
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.tenant().id.0, &space, &after, &count(limit), &keys];
        let rows = self.query(name, &sql, &parameters).await?;
        parse_all(name, &rows)
    }
}
