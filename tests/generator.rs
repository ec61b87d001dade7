//! Generated data sets: identical for the same seed, and accessible to the extent that
//! they are configured for.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect fails"
)]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
    process::Command,
};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

#[path = "../src/bin/pim-authz-gen/generator.rs"]
mod generator;

use generator::{CatalogSize, GeneratorError, generate};

fn small(seed: u64) -> CatalogSize {
    CatalogSize {
        seed,
        products: 2_000,
        ..CatalogSize::default()
    }
}

fn made(size: &CatalogSize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    generate(folder.path(), size).unwrap();
    folder
}

fn bytes(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    let named = files.map(|file| {
        let name = file.file_name().into_string().unwrap();
        (name, fs::read(file.path()).unwrap())
    });
    named.collect()
}

/// Returns the rows of a file by its first column; the cells are split at commas.
fn rows(folder: &Path, file: &str) -> HashMap<String, Vec<Vec<String>>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_path(folder.join(file))
        .unwrap();
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let cells = record.iter().skip(1).map(|cell| {
            let items = cell.split(',').filter(|item| !item.is_empty());
            items.map(str::to_owned).collect()
        });
        (record[0].to_owned(), cells.collect())
    });
    rows.collect()
}

/// Returns the effective categories of each product that has any (rules 4.2).
fn effective_categories(folder: &Path) -> Vec<BTreeSet<String>> {
    let models = rows(folder, "product_models.csv");
    let products = rows(folder, "products.csv");
    let effective = products.into_values().map(|cells| {
        let [own, parent] = cells.try_into().unwrap();
        let mut effective: BTreeSet<String> = own.into_iter().collect();
        let mut next = parent.first();
        while let Some(code) = next {
            let model = &models[code];
            next = model[0].first();
            effective.extend(model[1].iter().cloned());
        }
        effective
    });
    effective
        .filter(|categories| !categories.is_empty())
        .collect()
}

#[test]
fn same_seed_gives_same_bytes_and_another_seed_different_bytes() {
    let first = bytes(made(&small(7)).path());
    assert_eq!(first.len(), 24);
    assert!(first == bytes(made(&small(7)).path()));
    let other = bytes(made(&small(8)).path());
    let drawn = [
        "products.csv",
        "product_models.csv",
        "users.csv",
        "product_category_accesses.csv",
    ];
    for file in drawn {
        assert!(first[file] != other[file], "{file}");
    }
}

/// Measurements could not be compared if another release of a crate, or another
/// machine, drew other numbers for a seed.
#[test]
fn seed_gives_the_recorded_digest() {
    let mut digest = Sha256::new();
    for (name, content) in bytes(made(&small(1)).path()) {
        digest.update(name);
        digest.update(content);
    }
    let digest: Vec<String> = digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(digest.concat(), "72256d801dfd3730");
}

#[test]
fn more_users_leave_products_unchanged() {
    let many = CatalogSize {
        users: 900,
        ..small(7)
    };
    let (few, many) = (bytes(made(&small(7)).path()), bytes(made(&many).path()));
    assert!(few["products.csv"] == many["products.csv"]);
    assert!(few["users.csv"] != many["users.csv"]);
}

#[test]
fn readers_access_about_the_share_in_their_names() {
    let sizes = [
        // categories, exponent
        (500, 1.1),
        (2_000, 1.1),
        (2_000, 0.0),
        (15_000, 1.1),
    ];
    for (categories, zipf) in sizes {
        let size = CatalogSize {
            products: 20_000,
            categories,
            zipf,
            ..CatalogSize::default()
        };
        let folder = made(&size);
        let accesses = rows(folder.path(), "product_category_accesses.csv");
        let effective = effective_categories(folder.path());
        for (reader, target) in [
            ("reader_0_1", 0.001),
            ("reader_10", 0.1),
            ("reader_100", 1.0),
        ] {
            let viewed = |category: &String| accesses[category][0].iter().any(|g| g == reader);
            let reached = effective
                .iter()
                .filter(|categories| categories.iter().any(viewed));
            let share = share(reached.count(), effective.len());
            assert!(
                (target / 1.5..=target * 1.5).contains(&share),
                "{reader} reaches {share} with {categories} categories, exponent {zipf}"
            );
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    let [part, whole] = [part, whole].map(|n| f64::from(u32::try_from(n).unwrap()));
    part / whole
}

#[test]
fn categories_and_products_are_distributed_as_configured() {
    let size = CatalogSize {
        uncategorised_per_mille: 10,
        ..small(1)
    };
    let folder = made(&size);
    let categories = rows(folder.path(), "categories.csv");
    let roots = categories.values().filter(|cells| cells[0].is_empty());
    assert_eq!((categories.len(), roots.count()), (500, 5));
    let accesses = rows(folder.path(), "product_category_accesses.csv");
    let all = |cells: &Vec<Vec<String>>| cells.iter().flatten().any(|group| group == "All");
    assert_eq!(accesses.len(), 500);
    assert!(!accesses.values().any(all));

    let products = rows(folder.path(), "products.csv");
    assert_eq!(products.len(), 2_000);
    let variants = products.values().filter(|cells| !cells[1].is_empty());
    assert!((400..600).contains(&variants.count()));
    let own = products.values().map(|cells| cells[0].len());
    assert!(own.clone().all(|count| [0, 2, 3, 4].contains(&count)));
    let everyones = 2_000 - effective_categories(folder.path()).len();
    assert!((10..40).contains(&everyones), "{everyones}");
}

#[test]
fn non_empty_directory_is_rejected_and_left_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let refused = generate(folder.path(), &small(1)).unwrap_err();
    assert!(matches!(refused, GeneratorError::NotEmpty(_)));

    let ended = Command::new(env!("CARGO_BIN_EXE_pim-authz-gen"))
        .arg(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2));
    assert!(
        stderr.ends_with("is not empty; name a new or empty directory\n"),
        "{stderr}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn command_reports_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_pim-authz-gen"))
        .arg(folder.path().join("new"))
        .args(["--products", "300", "--seed", "9", "--categories", "50"])
        .output()
        .unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success());
    assert!(
        stdout
            .starts_with("wrote 300 products, 15 models, 50 categories, 204 users and 23 groups: "),
        "{stdout}"
    );
    let bytes: usize = bytes(&folder.path().join("new"))
        .values()
        .map(Vec::len)
        .sum();
    assert!(
        stdout.ends_with(&format!(", {bytes} bytes, seed 9\n")),
        "{stdout}"
    );
}
