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

/// Implements [`CodedEntry`] for a type with a field `code`.
macro_rules! coded_entry {
    ($entry:ty, $space:ty {
        name: $name:expr,
        table: $table:expr,
        of_space: $of_space:expr,
        columns: $columns:expr,
    }) => {
        impl $crate::store::entries::CodedEntry for $entry {
            type Space = $space;

            const NAME: &'static str = $name;
            const TABLE: &'static str = $table;
            const OF_SPACE: &'static str = $of_space;
            const COLUMNS: &'static str = $columns;

            fn code(&self) -> &Code {
                &self.code
            }
        }
    };
}
use coded_entry;

/// Returns the source of the next `rows` after the place `$3` in `column`; of the
/// keys `$5` if `only` has any.
fn next_rows(rows: &str, column: &str, only: &[Code]) -> String {
    if only.is_empty() {
        return format!("{rows} AND entry.{column} > $3 AND $5::text[] IS NOT NULL");
    }
    // Forces one index look-up per code, whatever the planner estimates.
    format!(
        "unnest($5::text[]) AS named (key)
                 CROSS JOIN LATERAL (SELECT * FROM {rows} AND entry.key = named.key AND entry.{column} > $3 OFFSET 0) AS entry"
    )
}

/// Returns the keys of codes, each once.
fn distinct_keys(codes: &[Code]) -> Vec<&str> {
    let mut keys: Vec<&str> = codes.iter().map(Code::folded).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
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
        let source = next_rows(&rows, "key", only);
        let sql = format!("-- {name}\nSELECT {columns} FROM {source} ORDER BY entry.key LIMIT $4");
        let space: &str = space.into();
        let keys = distinct_keys(only);
        let parameters: [&(dyn ToSql + Sync); 5] =
            [&self.tenant().id.0, &space, &after, &count(limit), &keys];
        let rows = self.query(name, &sql, &parameters).await?;
        parse_all(name, &rows)
    }
}
