//! Modules that are in no files of their own.

use crate::files::Given;
use crate::input;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Modules of one Worker. As many empty ones take a second to bundle.
const MODULES: usize = 4096;

/// The length of a module's name: what file systems allow of a path, roughly.
const NAME_BYTES: usize = 1024;

/// A module that is in no file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, by which others import it.
    pub name: String,
    /// What is in it.
    pub contents: Vec<u8>,
    /// What it is.
    pub kind: ModuleKind,
}

/// What a module is to those who import it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// Code.
    Js,
    /// A string.
    Text,
    /// What JSON can hold.
    Json,
    /// Bytes.
    Data,
}

impl Module {
    pub(crate) fn size(&self) -> usize {
        self.name.len() + self.contents.len()
    }
}

impl ModuleKind {
    /// How esbuild calls it.
    fn loader(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Text => "text",
            Self::Json => "json",
            Self::Data => "binary",
        }
    }
}

/// Modules as files, and how esbuild is told what they are.
pub(crate) struct Tree {
    pub(crate) files: Given,
    pub(crate) loaders: Vec<String>,
}

/// Makes files of modules, or says which one cannot be one.
pub(crate) fn tree(main: &str, modules: Vec<Module>) -> Result<Tree, String> {
    if modules.len() > MODULES {
        let count = modules.len();
        return Err(format!(
            "there are {count} modules; a Worker has {MODULES} at most"
        ));
    }
    if main.contains('=') {
        return Err(format!(
            "the name of the main module `{main}` contains `=`; give it another name"
        ));
    }
    let mut files = Given::default();
    let mut kinds = BTreeMap::new();
    check_names(&modules)?;
    for Module {
        name,
        contents,
        kind,
    } in modules
    {
        let extension = extension(&name)?.to_owned();
        let known = kinds.entry(extension).or_insert((kind, name.clone()));
        if known.0 != kind {
            return Err(format!(
                "the modules `{}` and `{name}` have the same extension and are of different kinds; give one of them another extension",
                known.1
            ));
        }
        let contents = match kind {
            ModuleKind::Js => input::code_without_source_map(&contents),
            ModuleKind::Text | ModuleKind::Json | ModuleKind::Data => contents.into(),
        };
        files.insert(format!("/{name}"), contents);
    }
    let loaders = kinds.iter().map(|(extension, (kind, _))| {
        let loader = kind.loader();
        format!("--loader:.{extension}={loader}")
    });
    Ok(Tree {
        loaders: loaders.collect(),
        files,
    })
}

/// Every name is a path of its own, also where case does not count, as for
/// esbuild.
fn check_names(modules: &[Module]) -> Result<(), String> {
    let mut names = BTreeMap::new();
    for Module { name, .. } in modules {
        check_name(name)?;
        if let Some(other) = names.insert(name.to_lowercase(), name) {
            return Err(format!(
                "the names of the modules `{other}` and `{name}` differ in case only; give one of them another name"
            ));
        }
    }
    let directories: BTreeSet<&str> = names
        .keys()
        .flat_map(|name| name.match_indices('/').map(|(end, _)| &name[..end]))
        .collect();
    match names
        .iter()
        .find(|(name, _)| directories.contains(name.as_str()))
    {
        None => Ok(()),
        Some((_, name)) => Err(format!(
            "`{name}` is a module, and a folder of others; give it another name"
        )),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.len() > NAME_BYTES {
        let start: String = name.chars().take(32).collect();
        return Err(format!(
            "the name of the module `{start}…` has {} bytes; a name has {NAME_BYTES} at most",
            name.len()
        ));
    }
    let is_below = |part| matches!(part, Component::Normal(_));
    let plain = Path::new(name).components().all(is_below)
        && !name.contains("//")
        && !name.contains("/./")
        && !name.ends_with('/')
        && !name.ends_with("/.")
        && !name.chars().any(|c| c.is_control() || c == '\\');
    if plain && extension(name).is_ok() {
        return Ok(());
    }
    Err(not_a_name(name))
}

fn extension(name: &str) -> Result<&str, String> {
    let extension = Path::new(name).extension().and_then(|end| end.to_str());
    extension
        .filter(|end| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric()))
        .ok_or_else(|| not_a_name(name))
}

fn not_a_name(name: &str) -> String {
    format!(
        "the name of the module `{}` is not a path with an extension, like `lib/text.js`",
        name.escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(modules: &[(&str, ModuleKind)]) -> String {
        let modules = modules.iter().map(|(name, kind)| Module {
            name: (*name).to_owned(),
            contents: Vec::new(),
            kind: *kind,
        });
        tree("m.js", modules.collect()).err().unwrap_or_default()
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for name in [
            "",
            "/",
            ".",
            "..",
            "/a.js",
            "../a.js",
            "a/../b.js",
            "a/./b.js",
            "a//b.js",
            "a.js/",
            "a.js/.",
            "a",
            "a.",
            "a\0.js",
            "a\n.js",
            "a\\b.js",
            "a.j=s",
            "a. ",
        ] {
            let said = refused(&[(name, ModuleKind::Js)]);
            assert!(said.contains("is not a path with an extension"), "{name:?}");
        }
        let said = refused(&[(&format!("{}.js", "a".repeat(1 << 20)), ModuleKind::Js)]);
        assert!(said.len() < 200 && said.contains("1048579 bytes"), "{said}");
    }

    #[test]
    fn names_that_esbuild_takes_for_one_are_an_error() {
        let js = ModuleKind::Js;
        assert!(refused(&[("A.js", js), ("a.js", js)]).contains("differ in case only"));
        assert!(refused(&[("É.js", js), ("é.js", js)]).contains("differ in case only"));
        assert!(refused(&[("a.js", js), ("a.js/b.js", js)]).contains("a folder of others"));
        let said = refused(&[("a.x", js), ("b.x", ModuleKind::Text)]);
        assert!(said.contains("the same extension"), "{said}");
        assert_eq!(
            refused(&[("a.js", js), ("lib/a.js", js), ("lib/b.é.js", js)]),
            ""
        );
    }
}
