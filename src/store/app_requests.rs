use uuid::Uuid;

use crate::domain::Code;

use super::{StoreError, TenantId, Transaction};

/// Lifetime of a request to connect an app (rules 5.1).
const LIFETIME: &str = "1 hour";

/// A pending request to connect an app (rules 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRequestRow {
    /// Identifier of the request.
    pub id: Uuid,
    /// Code of the app to connect.
    pub app: Code,
    /// JSON with the completed steps and the choices made.
    pub state: String,
}

impl Transaction<'_> {
    /// Returns a request that has not expired.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable,
    /// [`StoreError::CorruptRow`] if the app's code is invalid.
    pub async fn find_app_request(
        &self,
        tenant: TenantId,
        id: Uuid,
    ) -> Result<Option<AppRequestRow>, StoreError> {
        const SQL: &str = "-- find_app_request
            SELECT app_code, state::text AS state
              FROM app_request
             WHERE tenant_id = $1 AND id = $2 AND expires_at > now()";
        self.find(SQL, &[&tenant.0, &id], |row| {
            Ok(AppRequestRow {
                id,
                app: row.word("app_code")?,
                state: row.get("state")?,
            })
        })
        .await
    }

    /// Inserts or updates a request, and deletes the tenant's expired requests.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
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
        self.run(EXPIRE, &[&tenant.0]).await?;
        let AppRequestRow { id, app, state } = request;
        self.run(
            PUT,
            &[&tenant.0, id, &app.as_str(), &actor, state, &LIFETIME],
        )
        .await
    }

    /// Deletes a request.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database is unavailable.
    pub async fn delete_app_request(&self, tenant: TenantId, id: Uuid) -> Result<(), StoreError> {
        const SQL: &str = "-- delete_app_request
            DELETE FROM app_request
             WHERE tenant_id = $1 AND id = $2";
        self.run(SQL, &[&tenant.0, &id]).await
    }
}
