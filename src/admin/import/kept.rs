use std::collections::BTreeSet;

use crate::{
    admin::{
        change::Pass,
        change_set::{ChangeSet, Coded, Table},
        entry::ImportFile,
        error::AdminError,
        outcome::{ImportReport, KeptItem},
        refusals::Report,
    },
    domain::{Code, ItemKind, SubjectKind},
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
            kept.extend(products.into_iter().map(|(model, code)| KeptItem {
                item_type: if model { "product_model" } else { "product" },
                code,
            }));
        }
        Ok(kept.into_iter().take(ImportReport::KEPT).collect())
    }
}

/// Returns the stored entity that a row of this file names by its key.
fn stored(change_set: &ChangeSet, file: ImportFile, code: &Code) -> Option<KeptItem> {
    let item = |kinds: &[ItemKind]| {
        let mut found = kinds.iter().filter_map(|kind| {
            let id = change_set.find_item(*kind, code)?;
            item_of(&change_set.items, id, (*kind).into())
        });
        found.next()
    };
    let subject = |kind: SubjectKind| {
        let id = change_set.find_subject(kind, code)?;
        item_of(&change_set.subjects, id, kind.into())
    };
    match file {
        ImportFile::UserGroups => {
            let id = change_set.groups.find(0, code)?;
            item_of(&change_set.groups, id, "user_group")
        }
        ImportFile::UserRoles => {
            let id = change_set.roles.find(0, code)?;
            item_of(&change_set.roles, id, "role")
        }
        ImportFile::Attributes => {
            let id = change_set.attributes.find(0, code)?;
            item_of(&change_set.attributes, id, "attribute")
        }
        ImportFile::GridViews => {
            let id = change_set.grid_views.find(0, code)?;
            item_of(&change_set.grid_views, id, "grid_view")
        }
        ImportFile::Users => subject(SubjectKind::User),
        ImportFile::Connections => subject(SubjectKind::Connection),
        ImportFile::Apps => subject(SubjectKind::App),
        ImportFile::Locales | ImportFile::LocaleAccesses => item(&[ItemKind::Locale]),
        ImportFile::Categories | ImportFile::CategoryAccesses => item(&[ItemKind::Category]),
        ImportFile::Channels | ImportFile::ChannelAccesses => item(&[ItemKind::Channel]),
        ImportFile::AttributeGroups | ImportFile::AttributeGroupAccesses => {
            item(&[ItemKind::AttributeGroup])
        }
        ImportFile::AssetFamilies | ImportFile::AssetFamilyAccesses => {
            item(&[ItemKind::AssetFamily])
        }
        ImportFile::ReferenceEntities | ImportFile::ReferenceEntityAccesses => {
            item(&[ItemKind::ReferenceEntity])
        }
        ImportFile::ImportProfiles
        | ImportFile::ExportProfiles
        | ImportFile::JobProfiles
        | ImportFile::JobProfileAccesses => {
            item(&[ItemKind::ImportProfile, ItemKind::ExportProfile])
        }
        // These are found by SQL.
        ImportFile::ProductModels | ImportFile::Products => None,
    }
}

/// Returns a row of a table, unless this import created it.
fn item_of<T: Coded + Clone + PartialEq>(
    table: &Table<T>,
    id: T::Id,
    item_type: &'static str,
) -> Option<KeptItem> {
    let code = table.get(id)?.code().clone();
    (!table.is_new(id)).then_some(KeptItem { item_type, code })
}
