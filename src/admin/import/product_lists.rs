use crate::{
    admin::{change_set::ChangeSet, error::AdminError, interned_names::Names},
    domain::{Code, ItemKind},
    store::{ResolvedList, StagedList, Transaction},
};

use super::joined_names::JoinedNames;

/// Number of lists read and resolved per page.
const PAGE: i64 = 10_000;

/// Resolves the lists of staged products that may name a category whose code
/// contains a comma (`docs/import.md`).
///
/// The codes that they mean get numbers in `names`. Without such a category
/// nothing is read.
///
/// # Errors
///
/// [`AdminError::Store`] when the database does not answer.
pub(super) async fn resolve(
    transaction: &Transaction<'_>,
    change_set: &ChangeSet,
    names: &mut Names,
) -> Result<(), AdminError> {
    let categories = change_set.items_of(ItemKind::Category);
    let joined = JoinedNames::of(categories.map(|(_, item)| item.code()));
    let begin: Vec<i32> = (0..)
        .zip(names.codes())
        .filter(|(_, code)| joined.may_begin_with(code))
        .map(|(number, _)| number)
        .collect();
    if begin.is_empty() {
        return Ok(());
    }
    let mut after = (false, 0);
    loop {
        let lists = transaction.list_staged_lists(&begin, after, PAGE).await?;
        let Some(last) = lists.last() else {
            return Ok(());
        };
        after = (last.model, last.line);
        let mut resolved = Vec::with_capacity(lists.len());
        for list in lists {
            let meant = meaning(&list, &joined, change_set, names);
            resolved.push((list, meant));
        }
        transaction.resolve_lists(&resolved).await?;
    }
}

fn meaning(
    list: &StagedList,
    joined: &JoinedNames,
    change_set: &ChangeSet,
    names: &mut Names,
) -> ResolvedList {
    let numbers = list.listed.iter();
    let items: Vec<Code> = numbers
        .filter_map(|number| names.code(u32::try_from(*number).ok()?).cloned())
        .collect();
    let is_known = |code: &Code| change_set.find_item(ItemKind::Category, code).is_some();
    match joined.read("categories", &items, is_known) {
        Ok(read) => ResolvedList::Categories(names.numbers(read)),
        Err(fault) => ResolvedList::Ambiguous(fault.refused.to_string()),
    }
}
