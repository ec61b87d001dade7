use pim_authz::pb::{self, app_service_client::AppServiceClient};
use tonic::{Status, transport::Channel};

/// The steps that connect an app to the tenant `acme` (rules 5.1). The actor is
/// the user `admin` by default.
#[derive(Clone)]
pub(crate) struct Steps {
    client: AppServiceClient<Channel>,
    pub(crate) request_id: String,
    pub(crate) actor: String,
    pub(crate) dry_run: bool,
}

impl Steps {
    pub(crate) async fn start(
        channel: &Channel,
        app: &str,
        scopes: &[&str],
    ) -> (Self, Vec<pb::AppStep>) {
        let mut steps = Self {
            client: AppServiceClient::new(channel.clone()),
            request_id: String::new(),
            actor: "user:admin".into(),
            dry_run: false,
        };
        let begun = steps.begin(app, scopes).await.unwrap();
        let left = begun.steps().collect();
        (steps, left)
    }

    /// Starts the connection of an app; the following steps apply to it.
    pub(crate) async fn begin(
        &mut self,
        app: &str,
        scopes: &[&str],
    ) -> Result<pb::StartConnectionResponse, Status> {
        let request = pb::StartConnectionRequest {
            tenant: "acme".into(),
            actor: self.actor.clone(),
            dry_run: self.dry_run,
            app: app.into(),
            scopes: scopes.iter().map(|&scope| scope.into()).collect(),
            ..Default::default()
        };
        let begun = self.client.start_connection(request).await?.into_inner();
        self.request_id.clone_from(&begun.request_id);
        Ok(begun)
    }

    pub(crate) async fn authorize(&mut self) -> Result<pb::AuthorizeScopesResponse, Status> {
        let request = pb::AuthorizeScopesRequest {
            tenant: "acme".into(),
            actor: self.actor.clone(),
            dry_run: self.dry_run,
            request_id: self.request_id.clone(),
            ..Default::default()
        };
        Ok(self.client.authorize_scopes(request).await?.into_inner())
    }

    pub(crate) async fn permit(&mut self, trees: pb::AppRights) -> Result<(), Status> {
        let rights = pb::SetPermissionsRequest {
            trees: Some(trees),
            ..Default::default()
        };
        self.set_permissions(rights).await
    }

    pub(crate) async fn set_permissions(
        &mut self,
        rights: pb::SetPermissionsRequest,
    ) -> Result<(), Status> {
        let request = pb::SetPermissionsRequest {
            tenant: "acme".into(),
            actor: self.actor.clone(),
            dry_run: self.dry_run,
            request_id: self.request_id.clone(),
            ..rights
        };
        self.client.set_permissions(request).await.map(|_| ())
    }

    pub(crate) async fn confirm(&mut self) -> Result<pb::ConfirmConnectionResponse, Status> {
        let request = pb::ConfirmConnectionRequest {
            tenant: "acme".into(),
            actor: self.actor.clone(),
            dry_run: self.dry_run,
            request_id: self.request_id.clone(),
            ..Default::default()
        };
        Ok(self.client.confirm_connection(request).await?.into_inner())
    }

    pub(crate) async fn cancel(&mut self) -> Result<(), Status> {
        let request = pb::CancelConnectionRequest {
            tenant: "acme".into(),
            actor: self.actor.clone(),
            dry_run: self.dry_run,
            request_id: self.request_id.clone(),
            ..Default::default()
        };
        self.client.cancel_connection(request).await.map(|_| ())
    }

    /// Performs all remaining steps, with `view` on every tree in the
    /// permissions step.
    pub(crate) async fn finish(&mut self, left: &[pb::AppStep]) {
        self.authorize().await.unwrap();
        if left.contains(&pb::AppStep::Permissions) {
            self.permit(viewing_all()).await.unwrap();
        }
        if left.contains(&pb::AppStep::Confirm) {
            self.confirm().await.unwrap();
        }
    }
}

/// Rights at `view` on all items of one kind.
pub(crate) fn viewing_all() -> pb::AppRights {
    pb::AppRights {
        view: Some(pb::AppSelection {
            all: true,
            codes: Vec::new(),
        }),
        ..Default::default()
    }
}
