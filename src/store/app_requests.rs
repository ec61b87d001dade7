use uuid::Uuid;

use crate::domain::Code;

use super::{StoreError, TenantId, Transaction};

/// How long a connection of an app may be under way (rules 5.1).
const LIFETIME: &str = "1 hour";

/// A connection of an app that is under way (rules 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRequestRow {
    /// Its number.
    pub id: Uuid,
    /// The app that is to be connected.
    pub app: Code,
    /// JSON of the steps done and what was chosen.
    pub state: String,
}

impl Transaction<'_> {
    /// Finds a request that has not expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer,
    /// [`StoreError::CorruptRow`] when its app's code is none.
    pub async fn find_app_request(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<AppRequestRow>, StoreError> {
        const SQL: &str = "-- find_app_request
            SELECT app_code, state::text AS state
              FROM app_request
             WHERE tenant_id = $1 AND id = $2 AND expires_at > now()";
        let rows = self
            .query("find_app_request", SQL, &[&tenant.0, &id])
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let code: &str = row.get("app_code");
        let app = code.parse().map_err(|_| StoreError::CorruptRow {
            statement: "find_app_request",
            message: format!("app_code `{code}`"),
        })?;
        let state = row.get("state");
        Ok(Some(AppRequestRow { id, app, state }))
    }

    /// Stores a request, new or taken a step further; those that have expired
    /// go.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn put_app_request(
        &self,
        tenant: TenantId,
        actor: &str,
        request: &AppRequestRow,
    ) -> Result<(), StoreError> {
        const EXPIRE: &str = "-- expire_app_requests
            DELETE FROM app_request
             WHERE tenant_id = $1 AND expires_at <= now()";
        const PUT: &str = "-- put_app_request
            INSERT INTO app_request (tenant_id, id, app_code, actor, state, expires_at)
            VALUES ($1, $2, $3, $4, $5::text::jsonb, now() + $6::text::interval)
                ON CONFLICT (tenant_id, id) DO UPDATE SET actor = excluded.actor, state = excluded.state";
        self.execute("expire_app_requests", EXPIRE, &[&tenant.0])
            .await?;
        let AppRequestRow { id, app, state } = request;
        self.execute(
            "put_app_request",
            PUT,
            &[&tenant.0, id, &app.as_str(), &actor, state, &LIFETIME],
        )
        .await
        .map(|_| ())
    }

    /// Deletes a request.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the database does not answer.
    pub async fn delete_app_request(&self, tenant: TenantId, id: Uuid) -> Result<(), StoreError> {
        const SQL: &str = "-- delete_app_request
            DELETE FROM app_request
             WHERE tenant_id = $1 AND id = $2";
        self.execute("delete_app_request", SQL, &[&tenant.0, &id])
            .await
            .map(|_| ())
    }
}
