//! The imports between the source's files: none of them run in a circle, and each type name means one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::support::folders::root;

/// Names that are defined in several places with one meaning: parameters of a function's own, and serde's visitors.
const SHARED_NAMES: [&str; 0] = [];

/// A circle cannot be read from top to bottom, nor can one of its files be changed by itself.
#[test]
fn no_files_import_each_other() {
    let crate_ = Crate::read(&root().join("src"));
    assert!(crate_.files.len() > 100, "only {} files", crate_.files.len());
    let circles = circles(&crate_.imports());
    assert!(circles.is_empty(), "files that import each other: {circles:#?}");
}

#[test]
fn a_circle_is_found() {
    let imports = |pairs: &[(&str, &str)]| {
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            imports.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        imports
    };
    assert!(circles(&imports(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(circles(&imports(&[("a", "b"), ("b", "c"), ("c", "b")])), [["b", "c"].map(str::to_owned).into()]);
}

/// A reader who meets a type's name knows which one is meant.
#[test]
fn a_type_name_means_one_thing() {
    let crate_ = Crate::read(&root().join("src"));
    let mut defined: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, file) in &crate_.files {
        for name in &file.types {
            defined.entry(name).or_default().push(module);
        }
    }
    assert!(defined.len() > 200, "only {} types", defined.len());
    let shared: Vec<_> =
        defined.iter().filter(|(name, places)| places.len() > 1 && !SHARED_NAMES.contains(name)).collect();
    assert!(shared.is_empty(), "{shared:#?}");
}

/// The crate's files by module path, with the paths that each imports.
struct Crate {
    files: BTreeMap<String, SourceFile>,
}

#[derive(Default)]
struct SourceFile {
    is_folder: bool,
    /// Paths as written; `true` for a public import.
    paths: Vec<(bool, Vec<String>)>,
    types: Vec<String>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut pending = vec![src.to_owned()];
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("main.rs") {
                files.insert(module_of(src, &path), SourceFile::read(&path));
            }
        }
        Self { files }
    }

    /// By file: the files that it imports from. A folder's `mod.rs` that passes names on imports nothing by that.
    fn imports(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut imports = BTreeMap::new();
        for (module, file) in &self.files {
            let passes_on = |public: bool| public && (file.is_folder || module.is_empty());
            let found = file
                .paths
                .iter()
                .filter(|(public, _)| !passes_on(*public))
                .filter_map(|(_, path)| self.resolve(&self.absolute(module, path)?, 0))
                .filter(|target| target != module);
            imports.insert(module.clone(), found.collect());
        }
        imports
    }

    /// A path from the root of the crate; `None` for one of another crate.
    fn absolute(&self, module: &str, path: &[String]) -> Option<Vec<String>> {
        let mut here: Vec<String> = module.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => return Some(path[1..].to_vec()),
            "self" => rest = &path[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    here.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                let child = here.iter().map(String::as_str).chain([child]).collect::<Vec<_>>().join("::");
                self.files.get(&child)?;
            }
        }
        here.extend(rest.iter().cloned());
        Some(here)
    }

    /// The file in which the thing at a path is defined, through the names that folders pass on.
    fn resolve(&self, path: &[String], depth: usize) -> Option<String> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length].join("::")))?;
        let module = path[..length].join("::");
        let passed_on = path.get(length).and_then(|name| {
            let paths = &self.files[&module].paths;
            let (_, from) = paths.iter().find(|(public, from)| *public && from.last() == Some(name))?;
            self.absolute(&module, from)
        });
        match passed_on {
            Some(mut from) if depth < 8 && from != path => {
                from.extend(path[length + 1..].iter().cloned());
                self.resolve(&from, depth + 1)
            }
            _ => Some(module),
        }
    }
}

fn module_of(src: &Path, file: &Path) -> String {
    let mut parts: Vec<String> = file
        .with_extension("")
        .strip_prefix(src)
        .map(PathBuf::from)
        .unwrap()
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod" || (last == "lib" && parts.len() == 1)) {
        parts.pop();
    }
    parts.join("::")
}

impl SourceFile {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut file = Self { is_folder: path.ends_with("mod.rs"), ..Self::default() };
        file.visit_file(&syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        file
    }

    fn flatten(&mut self, public: bool, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        match tree {
            syn::UseTree::Path(path) => self.flatten(public, &with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.paths.push((public, before.to_vec())),
            syn::UseTree::Name(name) => self.paths.push((public, with(&name.ident))),
            syn::UseTree::Rename(rename) => self.paths.push((public, with(&rename.ident))),
            syn::UseTree::Glob(_) => self.paths.push((public, before.to_vec())),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.flatten(public, before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for SourceFile {
    /// Tests may import whatever they like.
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let public = !matches!(item.vis, syn::Visibility::Inherited);
        self.flatten(public, &[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 && matches!(parts[0].as_str(), "crate" | "super") {
            self.paths.push((false, parts));
        }
        visit::visit_path(self, path);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.push(item.ident.to_string());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.push(item.ident.to_string());
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.types.push(item.ident.to_string());
        visit::visit_item_type(self, item);
    }
}

/// Groups of files of which each imports, in some steps, every other.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reached_from = |start: &String| {
        let mut reached = BTreeSet::new();
        let mut pending: Vec<&String> = imports.get(start).into_iter().flatten().collect();
        while let Some(next) = pending.pop() {
            if reached.insert(next.clone()) {
                pending.extend(imports.get(next).into_iter().flatten());
            }
        }
        reached
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = imports.keys().map(|file| (file, reached_from(file))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (file, others) in &reached {
        if others.contains(*file) && !found.iter().any(|circle| circle.contains(*file)) {
            let circle = others.iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(*file)));
            found.push(circle.cloned().collect());
        }
    }
    found
}
