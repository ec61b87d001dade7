use crate::{
    admin::{Effect, FileReport, ImportPhase, ImportReport, KeptItem, Written, entry::Refusal},
    pb::{self, import_catalog_response::Event},
};

/// Renders the last message of an import.
pub(super) fn import_summary(written: &Written<ImportReport>) -> pb::ImportSummary {
    let Written {
        revision,
        effect,
        details,
    } = written;
    let ImportReport {
        files,
        refused,
        refused_count,
        kept,
        applied: _,
    } = details;
    pb::ImportSummary {
        revision: revision.0,
        effect: Some(render_effect(effect)),
        files: files.iter().map(file_summary).collect(),
        refused: refused.iter().map(refused_row).collect(),
        refused_count: *refused_count,
        kept: kept.iter().map(kept_item).collect(),
    }
}

/// Renders the current phase of an import.
pub(super) fn phase(phase: ImportPhase) -> pb::ImportPhase {
    match phase {
        ImportPhase::Comparing => pb::ImportPhase::Comparing,
        ImportPhase::Applying => pb::ImportPhase::Applying,
    }
}

/// Wraps an event of the response stream.
pub(super) fn event(event: Event) -> pb::ImportCatalogResponse {
    pb::ImportCatalogResponse { event: Some(event) }
}

/// Renders what a write changed.
pub(super) fn render_effect(effect: &Effect) -> pb::Effect {
    let Effect {
        created,
        changed,
        removed,
        unchanged,
        subjects_affected,
        products_affected,
        sample,
    } = effect;
    pb::Effect {
        created: *created,
        changed: *changed,
        removed: *removed,
        unchanged: *unchanged,
        subjects_affected: *subjects_affected,
        products_affected: *products_affected,
        sample: sample.clone(),
    }
}

fn file_summary(report: &FileReport) -> pb::FileSummary {
    let FileReport {
        file,
        rows,
        created,
        changed,
        unchanged,
        removed,
        refused,
        warnings,
    } = report;
    pb::FileSummary {
        file: file.clone(),
        rows: *rows,
        created: *created,
        changed: *changed,
        unchanged: *unchanged,
        removed: *removed,
        refused: *refused,
        warnings: warnings.clone(),
    }
}

fn kept_item(kept: &KeptItem) -> pb::Item {
    let KeptItem { item_type, code } = kept;
    pb::Item {
        r#type: (*item_type).to_owned(),
        id: code.to_string(),
    }
}

fn refused_row(refusal: &Refusal) -> pb::RefusedRow {
    let Refusal {
        file,
        line,
        column,
        message,
        key: _,
    } = refusal;
    pb::RefusedRow {
        file: file.clone(),
        line: *line,
        column: column.clone(),
        message: message.clone(),
    }
}
