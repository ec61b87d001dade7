use std::collections::BTreeSet;

use crate::{
    admin::{
        change::Pass,
        change_set::{ChangeSet, Coded, Table},
        coded_kind::CodedKind,
        entry::ImportFile,
        error::AdminError,
        outcome::{ImportReport, KeptItem},
        refusals::Report,
    },
    domain::{Code, EntityKind},
};

use super::Import;

impl Import {
    /// Returns the first [`ImportReport::KEPT`] stored entities, by type and
    /// code, that skipped rows name and that still exist.
    pub(super) async fn kept(
        &self,
        pass: &Pass<'_>,
        change_set: &ChangeSet,
        report: &Report,
    ) -> Result<Vec<KeptItem>, AdminError> {
        let named = report.left_out().iter();
        let mut kept: BTreeSet<KeptItem> = named
            .filter_map(|(file, code)| stored(change_set, *file, code))
            .collect();
        if self.has_products {
            let limit = i64::try_from(ImportReport::KEPT).unwrap_or(i64::MAX);
            let products = pass
                .transaction
                .list_left_out(pass.tenant.number(), limit)
                .await?;
            kept.extend(products.into_iter().map(|product| KeptItem {
                item_type: EntityKind::from(product.kind).into(),
                code: product.code,
            }));
        }
        Ok(kept.into_iter().take(ImportReport::KEPT).collect())
    }
}

/// Returns the stored entity that a row of this file names by its key.
fn stored(change_set: &ChangeSet, file: ImportFile, code: &Code) -> Option<KeptItem> {
    let ChangeSet {
        groups,
        roles,
        subjects,
        items,
        attributes,
        grid_views,
        ..
    } = change_set;
    let mut kinds = file.kinds().iter();
    kinds.find_map(|kind| match *kind {
        CodedKind::UserGroups => kept(groups, groups.find(0, code), "user_group"),
        CodedKind::Roles => kept(roles, roles.find(0, code), "role"),
        CodedKind::Attributes => kept(attributes, attributes.find(0, code), "attribute"),
        CodedKind::GridViews => kept(grid_views, grid_views.find(0, code), "grid_view"),
        CodedKind::Subjects(kind) => {
            kept(subjects, change_set.find_subject(kind, code), kind.into())
        }
        CodedKind::Items(kind) => kept(items, change_set.find_item(kind, code), kind.into()),
    })
}

/// Returns an entity, unless this import creates it.
fn kept<T: Coded + Clone + PartialEq>(
    table: &Table<T>,
    id: Option<T::Id>,
    item_type: &'static str,
) -> Option<KeptItem> {
    let id = id.filter(|id| !table.is_new(id))?;
    let code = table.get(id)?.code().clone();
    Some(KeptItem { item_type, code })
}
