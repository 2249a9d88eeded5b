//! Which file of a crate imports which, read from its sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// The files of a crate and the files that each of them imports.
///
/// A file is named by its module: `invocation::ending` is
/// `src/invocation/ending.rs`. Modules for tests alone do not count.
#[derive(Debug)]
pub struct Imports(BTreeMap<String, BTreeSet<String>>);

impl Imports {
    /// Reads the sources below a folder, such as `crates/runtime/src`.
    ///
    /// # Panics
    ///
    /// When a file cannot be read or is no Rust.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        read(folder, &mut Vec::new(), &mut files);
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let name = |module: &Module| match module.as_slice() {
            [] => "lib".to_owned(),
            segments => segments.join("::"),
        };
        let imports = files.iter().map(|(module, file)| {
            let mut paths = Paths {
                module,
                nested: Vec::new(),
                found: Vec::new(),
            };
            paths.visit_file(file);
            let imported = paths.found.iter().filter_map(|path| home(path, &modules));
            let imported = imported.filter(|home| home != module);
            (name(module), imported.map(|home| name(&home)).collect())
        });
        Self(imports.collect())
    }

    /// The modules, by name.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each import, as the importing module and the imported one.
    pub fn arrows(&self) -> impl Iterator<Item = (&str, &str)> {
        let arrows = self.0.iter();
        arrows.flat_map(|(from, all)| all.iter().map(|to| (from.as_str(), to.as_str())))
    }

    /// The circles: groups of modules each of which reaches all others.
    #[must_use]
    pub fn circles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .modules()
            .map(|module| (module, self.reached_from(module)))
            .collect();
        let circle = |module: &'_ str| -> BTreeSet<&str> {
            let back = |other: &&str| reached[*other].contains(module);
            reached[module].iter().copied().filter(back).collect()
        };
        let circles: BTreeSet<_> = self.modules().map(circle).collect();
        circles.into_iter().filter(|all| !all.is_empty()).collect()
    }

    fn reached_from(&self, module: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.0[module].iter().map(String::as_str).collect();
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.0[module].iter().map(String::as_str));
            }
        }
        reached
    }
}

type Module = Vec<String>;

fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, syn::File>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().expect("a name");
        let stem = stem.to_str().expect("a name in UTF-8").to_owned();
        if stem == "tests" {
            continue;
        }
        let is_own = ["lib", "main", "mod"].contains(&stem.as_str());
        if !is_own {
            module.push(stem);
        }
        if path.is_dir() {
            read(&path, module, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a readable file");
            let file = syn::parse_file(&text);
            let file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            files.insert(module.clone(), file);
        }
        if !is_own {
            module.pop();
        }
    }
}

/// The module whose file has the item at a path.
fn home(path: &[String], modules: &BTreeSet<Module>) -> Option<Module> {
    (0..=path.len())
        .rev()
        .map(|length| path[..length].to_vec())
        .find(|module| modules.contains(module))
}

/// The paths in a file that begin at the crate or at a module near the file.
struct Paths<'a> {
    module: &'a Module,
    /// The modules inside the file that are being read.
    nested: Module,
    found: Vec<Vec<String>>,
}

impl Paths<'_> {
    fn add(&mut self, segments: &[String]) {
        let here = || [self.module.as_slice(), &self.nested].concat();
        let mut path = match segments.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => here(),
            _ => return,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => _ = path.pop(),
                name => path.push(name.to_owned()),
            }
        }
        self.found.push(path);
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let longer = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&longer(&path.ident), &path.tree),
            UseTree::Name(name) => self.add(&longer(&name.ident)),
            UseTree::Rename(rename) => self.add(&longer(&rename.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.nested.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.nested.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    /// `pub(crate)` names the crate and imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.add(&segments);
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let mut is = false;
    if attribute.path().is_ident("cfg") {
        let inner = attribute.parse_nested_meta(|meta| {
            is |= meta.path.is_ident("test");
            Ok(())
        });
        is &= inner.is_ok();
    }
    is
}
