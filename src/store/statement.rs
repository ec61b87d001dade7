use tokio_postgres::{Row, types::ToSql};

use super::{Snapshot, Store, StoreError, Transaction, entity_rows::Columns};

/// Returns the name of a statement, under which it is measured: the first line of
/// its text is `-- name`.
pub(super) fn name_of(sql: &'static str) -> &'static str {
    let first = sql.lines().next().unwrap_or_default();
    first.strip_prefix("-- ").unwrap_or(first)
}

/// Implements the running of statements that begin with their name.
macro_rules! named_statements {
    ($connection:ty) => {
        impl $connection {
            /// Runs a statement and returns its rows.
            pub(super) async fn rows(
                &self,
                sql: &'static str,
                parameters: &[&(dyn ToSql + Sync)],
            ) -> Result<Vec<Row>, StoreError> {
                self.query(name_of(sql), sql, parameters).await
            }

            /// Runs a statement and returns its first row, if there is one.
            pub(super) async fn first_row(
                &self,
                sql: &'static str,
                parameters: &[&(dyn ToSql + Sync)],
            ) -> Result<Option<Row>, StoreError> {
                Ok(self.rows(sql, parameters).await?.into_iter().next())
            }

            /// Runs a statement and parses its rows.
            pub(super) async fn parsed<T, C: FromIterator<T>>(
                &self,
                sql: &'static str,
                parameters: &[&(dyn ToSql + Sync)],
                parse: impl Fn(&Columns<'_>) -> Result<T, StoreError>,
            ) -> Result<C, StoreError> {
                let rows = self.rows(sql, parameters).await?;
                let rows = rows.iter().map(|row| Columns::new(name_of(sql), row));
                rows.map(|row| parse(&row)).collect()
            }
        }
    };
}
named_statements!(Store);
named_statements!(Snapshot<'_>);
named_statements!(Transaction<'_>);

impl Transaction<'_> {
    /// Runs a statement and parses its first row, if there is one.
    pub(super) async fn find<T>(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
        parse: impl FnOnce(&Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let row = self.first_row(sql, parameters).await?;
        let row = row.as_ref().map(|row| Columns::new(name_of(sql), row));
        row.map(|row| parse(&row)).transpose()
    }

    /// Runs a statement that begins with its name.
    pub(super) async fn run(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StoreError> {
        self.affected(sql, parameters).await.map(|_| ())
    }

    /// Runs a statement that begins with its name, and returns the number of rows it
    /// affected.
    pub(super) async fn affected(
        &self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        self.execute(name_of(sql), sql, parameters).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_names_the_statement() {
        assert_eq!(name_of("-- find_tenant\n SELECT 1"), "find_tenant");
        assert_eq!(name_of(include_str!("facts.sql")), "find_facts");
    }
}
