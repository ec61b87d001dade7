use tokio_postgres::Row;

use crate::{
    domain::{Code, Level},
    store::{SelectionAxis, StoreError},
};

use super::{CodedEntry, Every, code};

/// A connected app.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the contract")]
pub struct AppEntryRow {
    pub code: Code,
    /// As granted, unordered.
    pub scopes: Vec<String>,
    /// Choices made in the permissions step.
    pub chosen: Vec<ChosenRow>,
    pub group: String,
    pub connected_by: String,
    /// Microseconds since 1970.
    pub connected_at: i64,
}

/// One choice of the permissions step (rules 5.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenRow {
    /// Axis of the choice.
    pub axis: SelectionAxis,
    /// Chosen level.
    pub level: Level,
    /// Code of the chosen item; `None` for all items, later ones included.
    pub item: Option<String>,
}

impl CodedEntry for AppEntryRow {
    type Space = Every;

    const NAME: &'static str = "list_app_entries";
    const TABLE: &'static str = "subject";
    const OF_SPACE: &'static str = "$2::text = '' AND entry.type = 'app'";
    const COLUMNS: &'static str = "
        entry.code,
        ARRAY(SELECT scope FROM app_scope AS s WHERE s.tenant_id = $1 AND s.subject_id = entry.id) AS scopes,
        (SELECT code FROM user_group AS g
          WHERE g.tenant_id = $1
            AND g.id = (SELECT group_id FROM app WHERE app.tenant_id = $1 AND app.subject_id = entry.id)) AS group_code,
        (SELECT connected_by FROM app WHERE app.tenant_id = $1 AND app.subject_id = entry.id) AS connected_by,
        (SELECT (extract(epoch FROM connected_at) * 1000000)::bigint
           FROM app WHERE app.tenant_id = $1 AND app.subject_id = entry.id) AS connected_at,
        ARRAY(SELECT axis FROM app_selection AS s WHERE s.tenant_id = $1 AND s.subject_id = entry.id
               ORDER BY axis, level, item_id) AS axes,
        ARRAY(SELECT level FROM app_selection AS s WHERE s.tenant_id = $1 AND s.subject_id = entry.id
               ORDER BY axis, level, item_id) AS levels,
        ARRAY(SELECT (SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = s.item_id)
                FROM app_selection AS s WHERE s.tenant_id = $1 AND s.subject_id = entry.id
               ORDER BY axis, level, item_id) AS items";

    fn of(row: &Row) -> Result<Self, StoreError> {
        let axes: Vec<&str> = row.get("axes");
        let levels: Vec<i16> = row.get("levels");
        let items: Vec<Option<String>> = row.get("items");
        let mut chosen = Vec::with_capacity(axes.len());
        for ((axis, level), item) in axes.into_iter().zip(levels).zip(items) {
            chosen.push(ChosenRow {
                axis: axis.parse().map_err(|_| StoreError::CorruptRow {
                    statement: Self::NAME,
                    message: format!("axis `{axis}`"),
                })?,
                level: Level::from_bits(u8::try_from(level).unwrap_or_default()),
                item,
            });
        }
        Ok(Self {
            code: code(Self::NAME, row)?,
            scopes: row.get("scopes"),
            chosen,
            group: row.get("group_code"),
            connected_by: row.get("connected_by"),
            connected_at: row.get("connected_at"),
        })
    }

    fn code(&self) -> &Code {
        &self.code
    }
}
