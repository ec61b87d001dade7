//! Checks that no files of `src/` import each other in a circle, so that each can be
//! read after those that it imports.
//!
//! A file imports another if a path in its code leads to an item of that file: in a
//! `use`, or written out as `crate::…`, `super::…`, `self::…` or `module::…`. A path
//! through a re-export counts for the file that defines the item, not for the one
//! that passes it on.
//!
//! What does not count: declaring `mod child;`, re-exporting a name with `pub use`
//! without using it, calling a method of a value, and everything that only tests
//! compile. Nor does a file that imports from a module around it: `foo.rs` is the
//! front page of the files in `foo/`, and is read before them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    code::production,
    paths::{Path, Use, names_word, paths, uses_and_rest},
    sources::{Source, rust},
};

/// How many re-exports a path may pass through.
const MOST_STEPS: usize = 16;

/// For each file the files that it imports, each with one name that it takes.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// The modules of the sources, by path: `store::facts` is `["store", "facts"]`.
struct Tree(BTreeMap<Path, Module>);

struct Module {
    file: String,
    uses: Vec<Use>,
    /// The code without its `use` declarations.
    code: String,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// To an item that this module's file defines.
    Item(Path),
    /// To a module as a whole.
    Module(Path),
}

impl Tree {
    fn of(sources: &[Source]) -> Self {
        let files = production(sources).into_iter();
        let modules = files.map(|(source, code)| {
            let (uses, rest) = uses_and_rest(&code.text);
            let module = Module {
                file: source.path.clone(),
                uses,
                code: without_declarations(&rest),
            };
            (module_path(&source.path), module)
        });
        Self(modules.collect())
    }

    /// Returns where a path leads that the file of `from` names. `None`: to something
    /// outside the sources.
    fn resolve(&self, from: &Path, path: &[String], steps: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let start = match first.as_str() {
            "crate" => root(from),
            "pim_authz" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            _ => {
                let child = [from.as_slice(), std::slice::from_ref(first)].concat();
                if !self.0.contains_key(&child) {
                    return self.follow(from, path, steps);
                }
                child
            }
        };
        self.walk(start, rest, steps)
    }

    /// Follows a path downwards from a module.
    fn walk(&self, mut module: Path, rest: &[String], steps: usize) -> Option<Target> {
        let mut rest = rest;
        while let Some((next, behind)) = rest.split_first() {
            let child = [module.as_slice(), std::slice::from_ref(next)].concat();
            if next == "super" {
                module.pop();
            } else if self.0.contains_key(&child) {
                module = child;
            } else {
                let followed = self.follow(&module, rest, steps);
                return followed
                    .or_else(|| self.0.contains_key(&module).then_some(Target::Item(module)));
            }
            rest = behind;
        }
        Some(Target::Module(module))
    }

    /// Follows a path whose first name a `use` of the module's file imports.
    fn follow(&self, module: &Path, path: &[String], steps: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let uses = &self.0.get(module)?.uses;
        let named = |used: &&Use| used.name == *first && used.path != [first.as_str()];
        let steps = steps.checked_sub(1)?;
        if let Some(used) = uses.iter().find(named) {
            let path = [used.path.as_slice(), rest].concat();
            return self.resolve(module, &path, steps);
        }
        let globs = uses.iter().filter(|used| used.name == "*");
        globs.into_iter().find_map(|glob| {
            let (_, behind) = glob.path.split_last()?;
            let Target::Module(behind) = self.resolve(module, behind, steps)? else {
                return None;
            };
            let defines = names_word(first, &self.0.get(&behind)?.code);
            defines.then(|| self.walk(behind, path, steps))?
        })
    }

    fn imports(&self) -> Imports {
        let all = self.0.iter();
        all.map(|(path, module)| (module.file.clone(), self.imports_of(path, module)))
            .collect()
    }

    fn imports_of(&self, path: &Path, module: &Module) -> BTreeMap<String, String> {
        let used = module.uses.iter();
        let used = used.filter(|used| !used.is_reexport || names_word(&used.name, &module.code));
        let used =
            used.filter_map(|used| Some((self.imported(path, used)?, used.path.last()?.clone())));
        let written = paths(&module.code).into_iter();
        let written = written.filter_map(|written| {
            let (Target::Item(to) | Target::Module(to)) =
                self.resolve(path, &written, MOST_STEPS)?;
            Some((to, written.last()?.clone()))
        });
        used.chain(written)
            .filter(|(to, _)| !path.starts_with(to))
            .filter_map(|(to, name)| Some((self.0.get(&to)?.file.clone(), name)))
            .collect()
    }

    /// Returns the module that a `use` imports an item of. A module that is imported
    /// counts where the code names something in it.
    fn imported(&self, path: &Path, used: &Use) -> Option<Path> {
        match self.resolve(path, &used.path, MOST_STEPS)? {
            Target::Item(to) => Some(to),
            Target::Module(to) => {
                // An item that has the name of its module: `explain::explain`.
                let (name, above) = to.split_last()?;
                let above = self.0.get(above)?;
                let is_item = above.uses.iter().any(|used| used.name == *name);
                is_item.then_some(to)
            }
        }
    }
}

/// Returns code without its `mod child;`, which name no item.
fn without_declarations(code: &str) -> String {
    let declares = |line: &&str| line.ends_with(';') && line.split(' ').any(|word| word == "mod");
    let lines: Vec<&str> = code.lines().filter(|line| !declares(line)).collect();
    lines.join("\n")
}

/// Returns the module of a file: `store`, `facts` for `src/store/facts.rs`. The main
/// file of a program of its own is the module that its others are below.
fn module_path(file: &str) -> Path {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut path: Path = inside.split('/').map(str::to_owned).collect();
    if inside == "lib" || (path.len() == 3 && path[0] == "bin" && path[2] == "main") {
        path.pop();
    }
    path
}

/// Returns the root of the crate of a module.
fn root(of: &Path) -> Path {
    let length = if of.first().is_some_and(|first| first == "bin") {
        2
    } else {
        0
    };
    of[..length].to_vec()
}

/// Returns one sentence for each group of files that import each other: its shortest
/// circle through its first file.
fn circle_complaints(imports: &Imports) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut told = BTreeSet::new();
    for first in imports.keys() {
        let Some(circle) = shortest_circle(imports, first) else {
            continue;
        };
        if !circle.iter().any(|file| told.contains(file)) {
            complaints.push(sentence(imports, &circle));
        }
        told.extend(circle);
    }
    complaints
}

/// Returns the files of the shortest circle through a file, which begins and ends it.
fn shortest_circle<'i>(imports: &'i Imports, first: &'i String) -> Option<Vec<&'i String>> {
    let mut came_from: BTreeMap<&String, &String> = BTreeMap::new();
    let mut next = VecDeque::from([first]);
    while let Some(file) = next.pop_front() {
        for imported in imports.get(file).into_iter().flat_map(BTreeMap::keys) {
            if came_from.contains_key(imported) {
                continue;
            }
            came_from.insert(imported, file);
            next.push_back(imported);
        }
    }
    let mut circle = vec![first];
    let mut file = *came_from.get(first)?;
    while file != first {
        circle.push(file);
        file = came_from.get(file)?;
    }
    circle.push(first);
    circle.reverse();
    Some(circle)
}

fn sentence(imports: &Imports, circle: &[&String]) -> String {
    let steps = circle.windows(2).map(|pair| {
        let name = &imports[pair[0]][pair[1]];
        format!("{} takes `{name}` from {}", pair[0], pair[1])
    });
    steps.collect::<Vec<_>>().join(", ")
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = Tree::of(&rust("src")).imports();
    let count: usize = imports.values().map(BTreeMap::len).sum();
    assert!(count > 1_000, "only {count} imports were found");
    assert_eq!(circle_complaints(&imports), Vec::<String>::new());
}

#[test]
fn circle_of_a_graph_is_named() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in arrows {
            let of = imports.entry((*from).to_owned()).or_default();
            of.insert((*to).to_owned(), to.to_uppercase());
            imports.entry((*to).to_owned()).or_default();
        }
        circle_complaints(&imports)
    };
    assert_eq!(graph(&[("a", "b"), ("b", "c"), ("a", "c")]), [""; 0]);
    assert_eq!(
        graph(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "a")]),
        ["b takes `C` from c, c takes `B` from b"]
    );
    assert_eq!(
        graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("x", "y"), ("y", "x")]),
        [
            "a takes `B` from b, b takes `C` from c, c takes `A` from a",
            "x takes `Y` from y, y takes `X` from x"
        ]
    );
}

#[test]
fn circle_of_sources_is_found_whatever_the_form_of_the_path() {
    let cases = [
        // src/store.rs           src/store/a.rs      src/store/b.rs      circles
        ("", "use super::b::B;", "use super::a::A;", 1),
        (
            "",
            "use super::{b, c};\nb::f();",
            "use crate::store::a::A;",
            1,
        ),
        ("", "fn f(b: super::b::B) {}", "use super::a::{self, A};", 1),
        (
            "pub use self::a::A;",
            "use super::b::B;",
            "use super::A;",
            1,
        ),
        (
            "pub use a::*;",
            "use super::b::B;\nstruct A;",
            "use crate::store::A;",
            1,
        ),
        ("use self::a::A;", "use super::b::B;", "use super::A;", 1),
        ("use self::a::A;\nstruct S;", "use super::S;", "", 0),
        ("use self::b::B;", "use super::b::B;", "// super::a::A", 0),
        ("", "use super::b;", "use super::a::A;", 0),
        ("", "use super::b::B;", "\"super::a::A\"", 0),
        (
            "",
            "use super::b::B;",
            "#[cfg(test)]\nmod tests { use crate::store::a::A; }",
            0,
        ),
    ];
    for (store, a, b, found) in cases {
        let store = format!("mod a;\nmod b;\n{store}");
        let sources = [
            ("src/lib.rs", "pub mod store;"),
            ("src/store.rs", store.as_str()),
            ("src/store/a.rs", a),
            ("src/store/b.rs", b),
        ];
        let sources = sources.map(|(path, text)| Source::new(path, text));
        let complaints = circle_complaints(&Tree::of(&sources).imports());
        assert_eq!(complaints.len(), found, "{store} {a} {b} {complaints:?}");
    }
}
