//! An import as a change: compared in the rehearsal, applied in the commit.

mod access_rows;
mod joined_names;
mod kept;
mod lists;
mod names;
mod product_lists;
mod products;
mod prune;
pub(super) mod rows;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Value, json};

use crate::{
    domain::{Code, Edition, GroupId, Label, UserGroup},
    store::{StoredEntities, WantedEntities},
};

use super::{
    audit,
    change::{AuditEntry, Change, ComparedWith, Pass, Size, TenantState},
    change_set::ChangeSet,
    compared::Compared,
    entity_change::Entities,
    entry::ImportFile,
    error::AdminError,
    fault::Fault,
    impact::Staged,
    interned_names::Names,
    outcome::{Answered, ImportOptions, ImportPhase, ImportReport, Prune},
    refusals::Report,
    run::Run,
    staging::Staging,
    work::run_blocking,
    write_context::WriteContext,
    write_coordinator::{WriteCoordinator, slot::WriteSlot},
};
use rows::{AccessRow, Input, plan};

/// A callback for the progress of the import: its phase, the completed file if
/// any, and the rows of that file.
type Progress = Box<dyn Fn(ImportPhase, Option<ImportFile>, u64) + Send + Sync>;

/// An import as a change.
pub(super) struct Import {
    input: Input,
    categories: Names,
    has_products: bool,
    files: Vec<ImportFile>,
    staged_report: Report,
    options: ImportOptions,
    progress: Progress,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Import {
    pub(super) fn new(
        staging: Staging,
        options: ImportOptions,
        progress: Progress,
    ) -> (WriteSlot, Self) {
        let Staging {
            slot,
            tenant: _,
            mut rows,
            mut access,
            groups,
            categories,
            products,
            unread: _,
            key_columns,
            report,
            files,
        } = staging;
        rows.sort_by_key(|row| row.place);
        access.sort_by_key(AccessRow::place);
        let import = Self {
            input: Input {
                rows,
                access,
                group_names: groups,
                key_columns,
            },
            categories,
            has_products: products > 0,
            files,
            staged_report: report,
            options,
            progress,
        };
        (slot, import)
    }

    /// Rejects a tenant of another edition, and a new one with a bad code.
    fn check_tenant(&self, tenant: &TenantState) -> Result<(), AdminError> {
        if let Some(requested) = self.options.edition
            && requested != tenant.edition
        {
            return Err(AdminError::EditionMismatch {
                tenant: tenant.code.clone(),
                stored: tenant.edition,
                requested,
            });
        }
        if tenant.is_new() {
            Fault::check_new_code("header.tenant", &tenant.code)?;
        }
        Ok(())
    }

    /// Applies the rows to the stored entities in memory.
    ///
    /// A kind whose file has a rejected row is not pruned: where a row is
    /// rejected only now, everything is repeated without pruning its kind.
    ///
    /// # Errors
    ///
    /// [`AdminError::DeadlinePassed`] when the caller no longer waits.
    fn plan(
        &self,
        pass: &Pass<'_>,
        mut stored: StoredEntities,
    ) -> Result<(ChangeSet, Report, u64), AdminError> {
        let mut work = pass.work();
        let pruning = (self.options.prune, self.files.as_slice());
        let may_repeat = self.options.prune != Prune::Nothing && self.options.skip_bad_rows;
        let mut spared = self.staged_report.refused_files();
        loop {
            let again = may_repeat.then(|| stored.clone());
            let mut change_set = ChangeSet::new(pass.tenant.edition, pass.tenant.last_id, stored);
            let mut report = self.staged_report.clone();
            report.spare(spared.clone());
            let actor = &pass.context.actor;
            let planned = plan(
                &mut change_set,
                &mut report,
                &self.input,
                pruning,
                actor,
                &mut work,
            )?;
            let refused = report.refused_files();
            match again {
                Some(again) if !report.is_refused_whole() && !refused.is_subset(&spared) => {
                    spared.extend(refused);
                    stored = again;
                }
                Some(_) | None => return Ok((change_set, report, planned)),
            }
        }
    }

    fn report_progress(&self, report: &mut Report, which: impl Fn(ImportFile) -> bool) {
        for file in self.files.iter().copied().filter(|file| which(*file)) {
            let rows = report.known(file).rows;
            (self.progress)(ImportPhase::Comparing, Some(file), rows);
        }
    }
}

impl WriteCoordinator {
    /// Applies an import whose rows have been read, completely or not at all;
    /// otherwise as other changes.
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
    ) -> Result<Answered<ImportReport>, AdminError> {
        let mut context = context.clone();
        // The rows were staged for this tenant.
        context.tenant = staging.tenant.clone();
        let (slot, import) = Import::new(staging, options.clone(), Box::new(progress));
        let run = Run::new(import, options.encode_answer);
        self.write(slot, run, context).await
    }
}

impl Change for Import {
    type Plan = Entities;
    type Details = ImportReport;

    fn size(&self) -> Size {
        Size::Bulk
    }

    fn new_tenant_edition(&self) -> Option<Edition> {
        self.options.edition
    }

    /// Compares the whole import with what is stored; a rejected one has no
    /// effect.
    async fn compare(&self, pass: &Pass<'_>) -> Result<ComparedWith<Self>, AdminError> {
        self.check_tenant(&pass.tenant)?;
        pass.transaction.join_in_bulk().await?;
        (self.progress)(ImportPhase::Comparing, None, 0);
        let stored = match pass.tenant.id {
            Some(id) => {
                pass.transaction
                    .load_entities(id, &WantedEntities::everything())
                    .await?
            }
            None => entities_of_new_tenant(),
        };
        let (change_set, mut report, rights_unchanged) = run_blocking(|| self.plan(pass, stored))?;
        self.report_progress(&mut report, |file| !is_of_products(file));
        let products = self
            .compare_products(pass, &change_set, &mut report)
            .await?;
        self.report_progress(&mut report, is_of_products);
        let unchanged = rights_unchanged + report.unchanged_entities();
        let entities = Entities {
            change_set,
            products,
        };
        if !report.is_acceptable(self.options.skip_bad_rows) {
            return Ok(Compared::refused(
                entities,
                report.finish(Vec::new(), false),
            ));
        }
        let found = entities.effect(pass, Staged::Products, unchanged).await?;
        let kept = match report.refused_rows() {
            0 => Vec::new(),
            _ => self.kept(pass, &entities.change_set, &report).await?,
        };
        Ok(Compared::of(found, entities, report.finish(kept, true)))
    }

    async fn write(
        &self,
        pass: &mut Pass<'_>,
        compared: &mut ComparedWith<Self>,
    ) -> Result<(), AdminError> {
        pass.transaction.join_in_bulk().await?;
        (self.progress)(ImportPhase::Applying, None, 0);
        let entities = &compared.plan;
        entities.change_set.write(pass).await?;
        let created = entities.created_products();
        if created + entities.changed_products() > 0 {
            pass.apply_products().await?;
        }
        if entities.products.iter().any(|counts| counts.removed > 0) {
            pass.delete_products().await?;
        }
        pass.number_products(created);
        if pass.tenant.is_new() {
            let edition = Some(pass.tenant.edition);
            let made = audit::of_tenant(&pass.tenant.code, None, edition);
            pass.audit(made).await?;
        }
        audit::write(pass, &entities.change_set).await?;
        pass.audit(ended(&pass.tenant.code, &compared.details))
            .await
    }
}

/// Returns the audit row that ends an import, with the counts of each file; the
/// audit log does not contain the rejected rows.
fn ended(tenant: &Code, report: &ImportReport) -> AuditEntry {
    let files = report.files.iter().map(|file| {
        let counts = json!({
            "rows": file.rows,
            "created": file.created,
            "changed": file.changed,
            "unchanged": file.unchanged,
            "refused": file.refused,
        });
        (file.file.clone(), counts)
    });
    AuditEntry {
        kind: "import.applied".to_owned(),
        item: Some(("tenant", tenant.to_string())),
        after: Some(Value::Object(files.collect()).to_string()),
        ..AuditEntry::default()
    }
}

fn is_of_products(file: ImportFile) -> bool {
    matches!(file, ImportFile::ProductModels | ImportFile::Products)
}

/// Returns the entities of a new tenant: the group `All` (rules 1.4).
fn entities_of_new_tenant() -> StoredEntities {
    let mut entities = StoredEntities::default();
    if let Ok(code) = "All".parse() {
        let label = Label::default();
        entities.groups.insert(
            GroupId::ALL,
            UserGroup {
                code,
                label,
                private: false,
            },
        );
    }
    entities
}
