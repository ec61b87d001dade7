use crate::{
    domain::{App, Code},
    store::{
        StoreError,
        entity_rows::{Columns, FromRow, selection_columns},
    },
};

use super::{Every, coded_entry};

/// A connected app in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedApp {
    /// Code of the app.
    pub code: Code,
    /// The app.
    pub app: App<Code, Code>,
    /// When it was connected, in microseconds since 1970.
    pub connected_at: i64,
}

impl FromRow for ListedApp {
    fn from_row(row: &Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            code: row.get("code")?,
            app: App::from_row(row)?,
            connected_at: row.get("connected_at")?,
        })
    }
}

coded_entry!(ListedApp, Every {
    name: "list_app_entries",
    // Every subject of the type `app` has a row in the table `app`.
    table: "(SELECT subject.*, app.group_id, app.connected_by, app.connected_at,
                                         app.later_channels, app.permissions_passed
                                    FROM subject
                                    JOIN app ON app.tenant_id = subject.tenant_id AND app.subject_id = subject.id)",
    of_space: "$2::text = '' AND entry.type = 'app'",
    columns: concat!(
        "
        entry.code, entry.connected_by, entry.later_channels, entry.permissions_passed,
        (extract(epoch FROM entry.connected_at) * 1000000)::bigint AS connected_at,
        (SELECT code FROM user_group AS g WHERE g.tenant_id = $1 AND g.id = entry.group_id) AS app_group,
        ARRAY(SELECT scope FROM app_scope AS s WHERE s.tenant_id = $1 AND s.subject_id = entry.id) AS scopes, ",
        selection_columns!(
            "entry.id",
            "(SELECT code FROM item AS i WHERE i.tenant_id = $1 AND i.id = s.item_id)"
        )
    ),
});
