use crate::{
    admin::{
        app_change::{AppChange, AppRequest, AppWritten, EncodeAppWritten},
        caller_change::{CallerChange, CallerRequest},
        category_removal::CategoryRemoval,
        entity_change::{EncodeWritten, EntityChange},
        entry::ImportFile,
        error::AdminError,
        import::Import,
        outcome::{Answered, ImportOptions, ImportOutcome, ImportPhase, Written},
        plan::Cascade,
        product_change::{ProductChange, ProductRequest},
        request::EntityRequest,
        staging::Staging,
        tenant_change::{TenantChange, TenantRequest},
        write_context::WriteContext,
    },
    domain::Code,
};

use super::{WriteCoordinator, slot::TurnLength};

impl WriteCoordinator {
    /// Applies an import whose rows have been read, completely or not at all.
    ///
    /// It runs in a task of its own: dropping the future does not interrupt it.
    ///
    /// # Errors
    ///
    /// [`AdminError::TenantNotFound`], [`AdminError::EditionMismatch`],
    /// [`AdminError::LockOutGuard`], [`AdminError::AppLimit`]: nothing changed.
    /// [`AdminError::Conflict`], [`AdminError::Store`]: nothing changed, and a
    /// retry may succeed. [`AdminError::OutcomeUnknown`].
    pub async fn import(
        &self,
        staging: Staging,
        context: &WriteContext,
        options: &ImportOptions,
        progress: impl Fn(ImportPhase, Option<ImportFile>, u64) + Send + Sync + 'static,
    ) -> Result<Answered<ImportOutcome>, AdminError> {
        let mut context = context.clone();
        // The rows were staged for this tenant.
        context.tenant = staging.tenant.clone();
        let (slot, import) = Import::new(staging, options.clone(), Box::new(progress));
        self.write(slot, import, context).await
    }

    /// Changes entities: users, groups, roles, items, rights and the like.
    ///
    /// It runs in a task of its own: dropping the future does not interrupt it.
    ///
    /// # Errors
    ///
    /// [`AdminError`]: except for [`AdminError::OutcomeUnknown`], nothing
    /// changed.
    pub async fn change_entities(
        &self,
        request: EntityRequest,
        context: WriteContext,
        encode: EncodeWritten,
    ) -> Result<Answered<Written>, AdminError> {
        let slot = self.slot(TurnLength::of(&context), &context.tenant).await?;
        let change = EntityChange::new(request, encode);
        self.write(slot, change, context).await
    }

    /// Changes products and models; otherwise as [`WriteCoordinator::change_entities`].
    ///
    /// # Errors
    ///
    /// As [`WriteCoordinator::change_entities`].
    pub async fn change_products(
        &self,
        request: ProductRequest,
        context: WriteContext,
        encode: EncodeWritten,
    ) -> Result<Answered<Written>, AdminError> {
        let slot = self.slot(TurnLength::of(&context), &context.tenant).await?;
        let change = ProductChange::new(request, encode);
        self.write(slot, change, context).await
    }

    /// Deletes categories; otherwise as [`WriteCoordinator::change_entities`].
    ///
    /// # Errors
    ///
    /// As [`WriteCoordinator::change_entities`].
    pub async fn delete_categories(
        &self,
        codes: Vec<Code>,
        cascade: Cascade,
        context: WriteContext,
        encode: EncodeWritten,
    ) -> Result<Answered<Written>, AdminError> {
        let slot = self.slot(TurnLength::of(&context), &context.tenant).await?;
        let change = CategoryRemoval::new(codes, cascade, encode);
        self.write(slot, change, context).await
    }

    /// Changes the tenant itself; otherwise as [`WriteCoordinator::change_entities`].
    ///
    /// # Errors
    ///
    /// As [`WriteCoordinator::change_entities`].
    pub async fn change_tenant(
        &self,
        request: TenantRequest,
        context: WriteContext,
        encode: EncodeWritten,
    ) -> Result<Answered<Written>, AdminError> {
        let length = match request {
            TenantRequest::Delete => TurnLength::Long,
            TenantRequest::Create(_) | TenantRequest::SetEdition(_) => TurnLength::of(&context),
        };
        let slot = self.slot(length, &context.tenant).await?;
        let change = TenantChange::new(request, encode);
        self.write(slot, change, context).await
    }

    /// Connects an app step by step, removes scopes from it or disconnects it;
    /// otherwise as [`WriteCoordinator::change_entities`].
    ///
    /// # Errors
    ///
    /// As [`WriteCoordinator::change_entities`].
    pub async fn change_app(
        &self,
        request: AppRequest,
        context: WriteContext,
        encode: EncodeAppWritten,
    ) -> Result<Answered<AppWritten>, AdminError> {
        let slot = self.slot(TurnLength::of(&context), &context.tenant).await?;
        let change = AppChange::new(request, encode);
        self.write(slot, change, context).await
    }

    /// Changes the callers, which belong to the installation: the tenant in the
    /// context is ignored. Otherwise as [`WriteCoordinator::change_entities`].
    ///
    /// # Errors
    ///
    /// As [`WriteCoordinator::change_entities`].
    pub async fn change_callers(
        &self,
        request: CallerRequest,
        mut context: WriteContext,
        encode: EncodeWritten,
    ) -> Result<Answered<Written>, AdminError> {
        context.tenant = Code::of_installation();
        let slot = self.slot(TurnLength::of(&context), &context.tenant).await?;
        let change = CallerChange::new(request, encode);
        self.write(slot, change, context).await
    }
}
