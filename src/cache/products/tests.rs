//! Compares the index with a plain map of products, before and after patches.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*};

use super::{
    base::{Base, Building},
    tenant::TenantProducts,
    view::View,
};
use crate::{
    domain::{Code, FactKey, ItemId, ProductId, ProductKind, ProductRef, Section},
    store::{AsOf, IndexedProduct, IndexedRow, TenantId},
};

/// All products by number, as the database would store them.
type Catalog = BTreeMap<ProductId, IndexedProduct>;

const KINDS: [ProductKind; 2] = [ProductKind::Product, ProductKind::Model];

/// One step: sets or deletes the product of one of a few names.
#[derive(Clone, Debug)]
struct Step {
    name: u8,
    is_there: bool,
    parent: u8,
    categories: Vec<i32>,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..24_u8,
        prop::bool::weighted(0.8),
        0..24_u8,
        vec(1..6, 0..3),
    )
        .prop_map(|(name, is_there, parent, categories)| Step {
            name,
            is_there,
            parent,
            categories,
        })
}

/// Names 0 to 3 are root models, 4 to 7 models below them, the others products.
fn name(name: u8) -> ProductRef {
    let kind = if name < 8 {
        ProductKind::Model
    } else {
        ProductKind::Product
    };
    // A model and a product share each code: their code spaces are separate.
    let code: Code = format!("Näme{}", name % 12).parse().unwrap();
    ProductRef { kind, code }
}

fn number_of(catalog: &Catalog, product: &ProductRef) -> Option<ProductId> {
    let mut found = catalog.values().filter(|found| found.product == *product);
    found.next().map(|found| found.id)
}

/// Applies a step. True if anything changed.
fn take(catalog: &mut Catalog, step: &Step, next: &mut i32) -> bool {
    let product = name(step.name);
    let before = number_of(catalog, &product);
    if !step.is_there {
        let has_children = catalog.values().any(|other| other.parent == before);
        return match before {
            Some(id) if !has_children => catalog.remove(&id).is_some(),
            _ => false,
        };
    }
    let id = before.unwrap_or_else(|| {
        *next += 2;
        ProductId(*next)
    });
    let parent = match step.name {
        0..4 => None,
        4..8 => number_of(catalog, &name(step.parent % 4)),
        _ => number_of(catalog, &name(step.parent % 12)).filter(|_| step.parent % 12 < 8),
    };
    let categories: BTreeSet<i32> = step.categories.iter().copied().collect();
    let found = IndexedProduct {
        product,
        id,
        parent,
        categories: categories.into_iter().map(ItemId).collect(),
    };
    catalog.insert(id, found);
    true
}

fn base_of(catalog: &Catalog) -> Base {
    let mut building = Building::new(1 << 20);
    building.expect(catalog.len());
    for found in catalog.values() {
        let row = IndexedRow {
            id: found.id,
            kind: found.product.kind,
            parent: found.parent,
            code: found.product.code.as_str(),
        };
        building.product(row).unwrap();
    }
    for found in catalog.values() {
        for category in &found.categories {
            building.category(found.id, *category).unwrap();
        }
    }
    building.finish()
}

fn effective(catalog: &Catalog, id: ProductId) -> BTreeSet<ItemId> {
    let mut all = BTreeSet::new();
    let mut at = catalog.get(&id);
    while let Some(found) = at {
        all.extend(found.categories.iter().copied());
        at = found.parent.and_then(|parent| catalog.get(&parent));
    }
    all
}

/// Returns the own categories of a product and those of each ancestor, with its code.
fn chain(catalog: &Catalog, id: ProductId) -> Vec<(String, Vec<ItemId>)> {
    let product = catalog.get(&id);
    let above = |found: &&IndexedProduct| catalog.get(&found.parent?);
    let chain = std::iter::successors(product, above);
    chain
        .enumerate()
        .map(|(steps, found)| {
            let code = if steps == 0 {
                ""
            } else {
                found.product.code.as_str()
            };
            (code.to_owned(), found.categories.clone())
        })
        .collect()
}

/// Returns what a view lends of a product, as [`chain`] does.
fn lent(view: &View, product: &ProductRef) -> Option<Vec<(String, Vec<ItemId>)>> {
    let stored = view.stored(view.find(product)?)?;
    let above = stored.above.iter();
    let above = above.take_while(|model| !model.code.is_empty());
    let above = above.map(|model| (model.code.to_owned(), model.categories.to_vec()));
    let itself = (String::new(), stored.categories.to_vec());
    Some(std::iter::once(itself).chain(above).collect())
}

/// Checks that a view returns exactly what the catalog contains.
fn assert_same(view: &View, catalog: &Catalog, limit: usize) {
    for number in 0..24 {
        let product = name(number);
        let stored = catalog.values().find(|found| found.product == product);
        let facts = view.facts(&product);
        assert_eq!(view.number_of(&product), stored.map(|found| found.id));
        assert_eq!(facts.is_some(), stored.is_some(), "{product:?}");
        if let (Some(facts), Some(stored)) = (facts, stored) {
            let parent = stored.parent.and_then(|parent| catalog.get(&parent));
            assert_eq!(
                facts.parent,
                parent.map(|parent| parent.product.code.clone())
            );
            assert_eq!(facts.categories, stored.categories);
        }
        assert_eq!(lent(view, &product), stored.map(|it| chain(catalog, it.id)));
    }
    for kind in KINDS {
        let of_kind = catalog.values().filter(|found| found.product.kind == kind);
        let expected: Vec<ProductId> = of_kind.map(|found| found.id).collect();
        let mut seen = Vec::new();
        let mut after = ProductId::BEFORE_FIRST;
        while let Some(last) = view.visit(kind, after, limit, |product| {
            let categories: BTreeSet<ItemId> = product.categories().collect();
            assert_eq!(
                categories,
                effective(catalog, product.id),
                "{}",
                product.code
            );
            seen.push(product.id);
            // Ends the visit after every third product.
            seen.len() % 3 != 0
        }) {
            assert!(last > after);
            after = last;
        }
        assert_eq!(seen, expected, "{kind:?}");
        for category in 1..6 {
            let (wanted, third) = ([ItemId(category)], ProductId(3));
            let ids = view.nominate(wanted, true, third, usize::MAX).unwrap();
            assert!(ids.is_sorted() && ids.iter().all(|id| *id > third));
            for id in expected.iter().filter(|id| **id > third) {
                let lies = effective(catalog, *id);
                if lies.is_empty() || lies.contains(&ItemId(category)) {
                    assert!(ids.contains(id), "{id:?} in {category}");
                    assert_eq!(view.seen_at(kind, *id).unwrap().id, *id);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn rule_4_2_index_equals_stored_products_before_and_after_patches(
        stored in vec(step(), 0..40),
        later in vec(step(), 0..40),
        limit in 1..9_usize,
    ) {
        let (mut catalog, mut next) = (Catalog::new(), 0);
        for step in &stored {
            take(&mut catalog, step, &mut next);
        }
        let mut view = View::new(Arc::new(base_of(&catalog)));
        assert_same(&view, &catalog, limit);
        for (seq, step) in (2..).zip(&later) {
            take(&mut catalog, step, &mut next);
            let product = name(step.name);
            let found = catalog.values().find(|found| found.product == product);
            view.patch(&product, seq, found);
        }
        assert_same(&view, &catalog, limit);
    }
}

const EPOCH: u64 = 1;

fn as_of(seq: u64, pending: Vec<FactKey>) -> AsOf {
    AsOf {
        seq,
        epoch: EPOCH,
        pending,
    }
}

fn hat() -> ProductRef {
    name(8)
}

fn stored_hat(category: i32) -> IndexedProduct {
    IndexedProduct {
        product: hat(),
        id: ProductId(1),
        parent: None,
        categories: vec![ItemId(category)],
    }
}

/// Loads products of `acme` with the hat in category 1, at announcement 4.
fn loaded(pending: Vec<FactKey>) -> Arc<TenantProducts> {
    let products = Arc::new(TenantProducts::new("acme".parse().unwrap(), TenantId(1)));
    let catalog = Catalog::from([(ProductId(1), stored_hat(1))]);
    assert!(products.install(base_of(&catalog), &as_of(4, pending)));
    products
}

fn key() -> FactKey {
    FactKey::Product("acme".parse().unwrap(), hat())
}

fn categories(products: &Arc<TenantProducts>) -> Option<Vec<ItemId>> {
    let (facts, position) = products.product(&hat(), EPOCH)?;
    assert!(position.counts(EPOCH));
    assert!(!position.counts(EPOCH + 1));
    facts.map(|facts| facts.categories)
}

#[test]
fn announced_product_misses_until_read_after_its_write() {
    let products = loaded(Vec::new());
    let (_, before) = products.product(&hat(), EPOCH).unwrap();
    products.announce(Some(&hat()), 5);
    assert!(!before.counts(EPOCH));
    assert_eq!(categories(&products), None);
    // Read before the announcement, or while the write is pending: ignored.
    products.patch(&[hat()], &[stored_hat(2)], &as_of(4, Vec::new()));
    products.patch(&[hat()], &[stored_hat(2)], &as_of(5, vec![key()]));
    assert_eq!(categories(&products), None);
    products.patch(&[hat()], &[stored_hat(2)], &as_of(5, Vec::new()));
    assert_eq!(categories(&products), Some(vec![ItemId(2)]));
    assert!(!before.counts(EPOCH));
    // An announcement that the patch already includes marks nothing.
    products.announce(Some(&hat()), 5);
    assert_eq!(categories(&products), Some(vec![ItemId(2)]));
}

/// The shirt (2) is below the model (1).
fn with_a_model() -> (Arc<TenantProducts>, [ProductRef; 2]) {
    let products = Arc::new(TenantProducts::new("acme".parse().unwrap(), TenantId(1)));
    let (model, shirt) = (name(1), name(9));
    let of = |id, product: &ProductRef, parent| IndexedProduct {
        product: product.clone(),
        id: ProductId(id),
        parent,
        categories: vec![ItemId(id)],
    };
    let stored = [of(1, &model, None), of(2, &shirt, Some(ProductId(1)))];
    let catalog = stored.into_iter().map(|found| (found.id, found)).collect();
    assert!(products.install(base_of(&catalog), &as_of(4, Vec::new())));
    (products, [model, shirt])
}

#[test]
fn rule_6_1_index_is_lent_until_the_product_or_a_model_above_is_announced() {
    for announced in [0, 1] {
        let (products, named) = with_a_model();
        let lend_for = |product: &ProductRef| {
            let named = [product.clone()].into_iter();
            products.lend(named, EPOCH)
        };
        let index = lend_for(&named[1]).unwrap();
        let counts = |epoch| {
            let named = [named[1].clone()].into_iter();
            index.counts(epoch, named)
        };
        let seen = index.product(&named[1]).unwrap();
        assert_eq!(seen.categories, [ItemId(2)]);
        assert_eq!(seen.above[0].categories, [ItemId(1)]);
        // Another product, which is not stored, makes no difference.
        products.announce(Some(&hat()), 5);
        assert!(counts(EPOCH) && !counts(EPOCH + 1));
        products.announce(Some(&named[announced]), 6);
        assert!(!counts(EPOCH));
        assert!(lend_for(&named[1]).is_none());
        // The model does not depend on its descendants.
        assert_eq!(lend_for(&named[0]).is_some(), announced == 1);
        // What is not stored is known not to be, while nobody announces it.
        let (other, announced) = (name(7), name(8));
        assert_eq!(lend_for(&other).unwrap().product(&other), None);
        assert!(lend_for(&announced).is_none());
        assert!(products.lend([other].into_iter(), EPOCH + 1).is_none());
    }
}

#[test]
fn rule_6_1_lent_product_does_not_count_once_its_write_was_read() {
    let products = loaded(Vec::new());
    let before = products.lend([hat()].into_iter(), EPOCH).unwrap();
    products.announce(Some(&hat()), 5);
    products.patch(&[hat()], &[stored_hat(2)], &as_of(6, Vec::new()));
    assert!(!before.counts(EPOCH, [hat()].into_iter()));
    // Nor once the whole index was loaded again.
    let before = products.lend([hat()].into_iter(), EPOCH).unwrap();
    let catalog = Catalog::from([(ProductId(1), stored_hat(3))]);
    assert!(products.install(base_of(&catalog), &as_of(8, Vec::new())));
    products.announce(Some(&name(7)), 9);
    assert!(!before.counts(EPOCH, [hat()].into_iter()));
}

#[test]
fn index_is_not_lent_once_all_products_are_announced() {
    let products = loaded(Vec::new());
    let lend = || products.lend([hat()].into_iter(), EPOCH);
    let before = lend().unwrap();
    products.announce(None, 6);
    assert!(!before.counts(EPOCH, [hat()].into_iter()) && lend().is_none());
}

#[test]
fn product_pending_during_the_load_misses() {
    let products = loaded(vec![key()]);
    assert_eq!(categories(&products), None);
    products.patch(&[hat()], &[], &as_of(4, Vec::new()));
    let (facts, _) = products.product(&hat(), EPOCH).unwrap();
    assert_eq!(facts, None);
}

#[test]
fn announcing_all_products_invalidates_the_index_and_older_loads() {
    let products = loaded(Vec::new());
    products.announce(None, 6);
    assert!(products.product(&hat(), EPOCH).is_none());
    let catalog = Catalog::from([(ProductId(1), stored_hat(3))]);
    assert!(!products.install(base_of(&catalog), &as_of(5, Vec::new())));
    let all = FactKey::Section("acme".parse().unwrap(), Section::Products);
    assert!(!products.install(base_of(&catalog), &as_of(6, vec![all])));
    assert!(products.install(base_of(&catalog), &as_of(6, Vec::new())));
    assert_eq!(categories(&products), Some(vec![ItemId(3)]));
    assert!(products.product(&hat(), EPOCH + 1).is_none());
}

#[test]
fn product_announced_during_the_load_misses() {
    let products = Arc::new(TenantProducts::new("acme".parse().unwrap(), TenantId(1)));
    products.loading().is_under_way = true;
    products.announce(Some(&hat()), 5);
    let catalog = Catalog::from([(ProductId(1), stored_hat(1))]);
    assert!(products.install(base_of(&catalog), &as_of(4, Vec::new())));
    assert_eq!(categories(&products), None);
}

#[test]
fn product_patched_during_a_reload_misses_until_read_again() {
    let products = loaded(Vec::new());
    // A load has taken its snapshot at 4; meanwhile a write is announced and
    // settled.
    products.loading().is_under_way = true;
    products.announce(Some(&hat()), 5);
    products.patch(&[hat()], &[stored_hat(2)], &as_of(6, Vec::new()));
    assert_eq!(categories(&products), Some(vec![ItemId(2)]));
    let catalog = Catalog::from([(ProductId(1), stored_hat(1))]);
    assert!(products.install(base_of(&catalog), &as_of(4, Vec::new())));
    assert_eq!(categories(&products), None);
    products.patch(&[hat()], &[stored_hat(2)], &as_of(6, Vec::new()));
    assert_eq!(categories(&products), Some(vec![ItemId(2)]));
}

#[test]
fn list_is_stale_if_evicted_products_are_announced() {
    let products = loaded(Vec::new());
    let position = super::ProductsReadPosition::of(&products, EPOCH);
    products.forget();
    assert!(position.counts(EPOCH));
    products.announce(Some(&hat()), 5);
    assert!(!position.counts(EPOCH));
}

#[test]
fn index_beyond_its_limit_is_not_built() {
    let mut building = Building::new(100);
    let row = |id, code| IndexedRow {
        id: ProductId(id),
        kind: ProductKind::Product,
        parent: None,
        code,
    };
    assert!(building.product(row(1, "hat")).is_ok());
    assert!(building.product(row(2, "cap")).is_ok());
    assert!(
        building
            .product(row(3, "a much longer code of a product"))
            .is_err()
    );
}
