use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use tempfile::TempDir;

use super::*;

fn plan() -> Plan {
    Plan {
        seed: 1,
        products: 20_000,
        models: 1_000,
        categories: 500,
        trees: 5,
        users: 50,
        groups: 20,
        groups_per_user: 3,
        categories_per_group: 100,
        uncategorised_per_mille: 0,
        zipf: 0.7,
    }
}

fn made(plan: &Plan) -> BTreeMap<String, String> {
    let folder = TempDir::new().unwrap();
    let report = plan.make(folder.path()).unwrap();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.insert(name, fs::read_to_string(path).unwrap());
    }
    assert_eq!(report.files, files.len());
    let bytes: usize = files.values().map(String::len).sum();
    assert_eq!(report.bytes, bytes as u64);
    let lines: usize = files.values().map(|file| file.lines().count() - 1).sum();
    assert_eq!(report.rows, lines as u64);
    files
}

fn rows(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().skip(1).map(|line| line.split(';').collect())
}

#[test]
fn a_seed_makes_the_same_files_and_another_one_others() {
    let small = Plan {
        products: 500,
        ..plan()
    };
    let first = made(&small);
    assert_eq!(made(&small), first);
    let other = made(&Plan { seed: 2, ..small });
    assert_ne!(other["products.csv"], first["products.csv"]);
    assert_ne!(other["users.csv"], first["users.csv"]);
}

#[test]
fn the_readers_view_about_their_share_of_the_products() {
    for zipf in [0.0, 0.7, 1.1] {
        // Of fewer categories one alone holds more than 0.1 %.
        let files = made(&Plan {
            zipf,
            categories: 5_000,
            ..plan()
        });
        let models: BTreeMap<&str, (&str, &str)> = rows(&files["product_models.csv"])
            .map(|row| (row[0], (row[1], row[2])))
            .collect();
        let products: Vec<BTreeSet<&str>> = rows(&files["products.csv"])
            .map(|row| {
                let mut effective: BTreeSet<&str> = row[1].split(',').collect();
                let mut above = row[2];
                while !above.is_empty() {
                    effective.extend(models[above].1.split(','));
                    above = models[above].0;
                }
                effective
            })
            .collect();
        for (reader, share) in access::READERS {
            let viewed: BTreeSet<&str> = rows(&files["product_category_accesses.csv"])
                .filter(|row| row[1].split(',').any(|group| group == reader))
                .map(|row| row[0])
                .collect();
            let reached = products.iter().filter(|of| !of.is_disjoint(&viewed));
            let count = |number: usize| f64::from(u32::try_from(number).unwrap());
            let found = count(reached.count()) / count(products.len());
            assert!(found <= share * 1.6, "{zipf} {reader} {found}");
            assert!(found >= share / 1.6, "{zipf} {reader} {found}");
        }
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let refused = plan().make(folder.path()).unwrap_err();
    assert!(matches!(refused, GeneratorError::NotEmpty(_)), "{refused}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_number_that_does_not_fit_is_named() {
    let folder = TempDir::new().unwrap();
    let refused = Plan {
        trees: 501,
        ..plan()
    };
    let refused = refused.make(folder.path()).unwrap_err();
    assert_eq!(refused.to_string(), "--trees is 501; allowed are 1 to 500");
}
