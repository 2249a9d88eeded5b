//! Modules that are not files.

use crate::files::Given;
use crate::input;
use crate::kinds::{self, ModuleKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use std::sync::Arc;

/// The most modules of one Worker. This many empty ones take a second to bundle.
const MODULES: usize = 4096;

/// The most bytes of a module's name: about as many as file systems allow for a
/// path.
const NAME_BYTES: usize = 1024;

/// A module that is not a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, by which others import it.
    pub name: String,
    /// Its contents.
    pub contents: Vec<u8>,
    /// Its kind.
    pub kind: ModuleKind,
}

impl Module {
    pub(crate) fn size(&self) -> usize {
        self.name.len() + self.contents.len()
    }
}

/// Makes a file tree of modules, or names the module that cannot be a file.
pub(crate) fn tree(modules: Vec<Module>) -> Result<Given, String> {
    if modules.len() > MODULES {
        let count = modules.len();
        return Err(format!(
            "there are {count} modules; a Worker has {MODULES} at most"
        ));
    }
    check_names(&modules)?;
    let mut files = Given::default();
    let mut folders = BTreeSet::new();
    for Module {
        name,
        contents,
        kind,
    } in modules
    {
        let path = format!("/{name}");
        let contents = match kind {
            ModuleKind::Js | ModuleKind::CommonJs => input::code_without_source_map(&contents),
            ModuleKind::Text | ModuleKind::Json => contents.into(),
            ModuleKind::Data => {
                files.insert(kinds::bytes_of(&path), contents.into());
                kinds::data_module(&path).into_bytes().into()
            }
            ModuleKind::Wasm => Arc::default(),
        };
        folders.extend(
            path.match_indices('/')
                .map(|(end, _)| path[..end].to_owned()),
        );
        files.insert(kind.marked(&path), contents);
    }
    // A name without `./` may also refer to a module in the same folder.
    for folder in folders {
        files.add_link(format!("{folder}/node_modules"));
    }
    Ok(files)
}

/// Checks that every name is a different path. Like esbuild, this ignores case.
fn check_names(modules: &[Module]) -> Result<(), String> {
    let mut names = BTreeMap::new();
    for Module { name, .. } in modules {
        check_name(name)?;
        if let Some(other) = names.insert(name.to_lowercase(), name) {
            return Err(format!(
                "the names of the modules `{other}` and `{name}` differ only in case; give one of them another name"
            ));
        }
    }
    Ok(())
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
    if plain && !name.is_empty() {
        return Ok(());
    }
    Err(not_a_name(name))
}

fn not_a_name(name: &str) -> String {
    format!(
        "the name of the module `{}` is not a path, like `lib/text.js`",
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
        tree(modules.collect()).err().unwrap_or_default()
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
            "a\0.js",
            "a\n.js",
            "a\\b.js",
        ] {
            let said = refused(&[(name, ModuleKind::Js)]);
            assert!(said.contains("is not a path, like"), "{name:?}");
        }
        let said = refused(&[(&format!("{}.js", "a".repeat(1 << 20)), ModuleKind::Js)]);
        assert!(said.len() < 200 && said.contains("1048579 bytes"), "{said}");
    }

    #[test]
    fn names_that_esbuild_takes_for_one_are_an_error() {
        let js = ModuleKind::Js;
        assert!(refused(&[("A.js", js), ("a.js", js)]).contains("differ only in case"));
        assert!(refused(&[("É.js", js), ("é.js", js)]).contains("differ only in case"));
        assert_eq!(
            refused(&[
                ("a", js),
                ("a.js", ModuleKind::Text),
                ("a.js/a.js", js),
                ("b. =é", js)
            ]),
            ""
        );
    }
}
