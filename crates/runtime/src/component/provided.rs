//! What a linker provides, and what a component lacks.

use crate::component::names::{Names, REBUILD, SCRIPT_HOST};
use crate::error::Error;
use std::collections::HashMap;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{Validator, WasmFeatures};
use wasmtime::component::Linker;

/// The patch releases to try for a package. A linker has at most one of them.
const PATCHES: u32 = 64;

/// The releases and drafts of packages that a remedy may name, if the linker provides them. A
/// release has no patch number.
const RELEASES: [&str; 3] = ["0.1", "0.2", "0.3"];
const DRAFTS: [&str; 3] = ["0.1.0-draft", "0.2.0-draft2", "0.2.0-rc.1"];

/// The names that a linker provides.
pub(super) struct Provided<T: 'static> {
    /// A copy, to which the names are added that were asked for.
    linker: Linker<T>,
    known: HashMap<String, bool>,
}

impl<T: 'static> Provided<T> {
    /// What `linker` provides.
    pub(super) fn by(linker: &Linker<T>) -> Self {
        let mut linker = linker.clone();
        linker.allow_shadowing(false);
        Self {
            linker,
            known: HashMap::new(),
        }
    }

    /// Returns, one after the other, the imports of a component that need a provider and have
    /// none. `names` are those of `bytes`.
    pub(super) fn missing<'n>(
        &mut self,
        names: &'n Names,
        bytes: &[u8],
    ) -> impl Iterator<Item = &'n str> + use<'_, 'n, T> {
        let types = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
        let types = types.ok();
        let has_types_only = move |import: &str| {
            let types = types.as_ref();
            types.is_some_and(|types| has_types_only(types, import))
        };
        let imports = names.imports.iter().map(String::as_str);
        imports.filter(move |import| !self.has_release(import) && !has_types_only(import))
    }

    /// Whether an import of this name is provided, or another patch release of it.
    fn has_release(&mut self, import: &str) -> bool {
        self.has(import)
            || patches(import).is_some_and(|mut names| names.any(|name| self.has(&name)))
    }

    /// Whether exactly this name is provided. It is if another definition of it is refused.
    fn has(&mut self, name: &str) -> bool {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        let added = self.linker.root().func_wrap(name, |_, (): ()| Ok(()));
        self.known.insert(name.to_owned(), added.is_err());
        added.is_err()
    }

    /// Returns what to do about an import that is not provided.
    pub(super) fn remedy(&mut self, import: &str) -> String {
        if import.starts_with(SCRIPT_HOST) {
            return "it is for the JavaScript engine only; build the component without it"
                .to_owned();
        }
        if let Some((interface, _)) = import.split_once('@') {
            let drafts = DRAFTS.map(|draft| format!("{interface}@{draft}"));
            let releases = RELEASES.into_iter().flat_map(|release| {
                (0..PATCHES).map(move |patch| format!("{interface}@{release}.{patch}"))
            });
            if let Some(offered) = drafts
                .into_iter()
                .chain(releases)
                .find(|name| self.has(name))
            {
                return format!(
                    "Taffrail offers `{offered}`; build the component with bindings of that version"
                );
            }
        }
        "build the component without it, or compose it with one that exports it: `wac plug COMPONENT --plug OTHER -o WHOLE`".to_owned()
    }
}

/// Returns the names of all patch releases of an import, if it has a release version.
fn patches(import: &str) -> Option<impl Iterator<Item = String>> {
    let (interface, version) = import.split_once('@')?;
    let (release, _) = version.rsplit_once('.')?;
    let is_release = !version.contains('-');
    is_release.then(move || (0..PATCHES).map(move |patch| format!("{interface}@{release}.{patch}")))
}

/// Whether an import is an instance without functions and resources, which needs no provider.
fn has_types_only(types: &Types, import: &str) -> bool {
    let Some(ComponentEntityType::Instance(id)) =
        types.component_item_for_import(import).map(|item| item.ty)
    else {
        return false;
    };
    types[id].exports.values().all(|export| match export.ty {
        ComponentEntityType::Type { created, .. } => {
            !matches!(created, ComponentAnyTypeId::Resource(_))
        }
        _ => false,
    })
}

/// The largest number of imports that an error names.
const LISTED: usize = 16;

/// Returns an error that names the imports which are not provided.
pub(super) fn unresolved<T>(
    names: &Names,
    linker: &Linker<T>,
    bytes: &[u8],
    error: &wasmtime::Error,
) -> Error {
    let mut imports = names.imports.iter();
    if let Some(import) = imports.find(|import| import.starts_with(SCRIPT_HOST))
        && !names.is_engine()
    {
        return Error::component(format!(
            "it imports `{import}`, which is for the JavaScript engine only. Build it without this import: a Worker imports `taffrail:workers` instead"
        ));
    }
    let mut provided = Provided::by(linker);
    let mut missing = provided.missing(names, bytes);
    let listed: Vec<_> = missing.by_ref().take(LISTED).collect();
    let more = if missing.next().is_some() {
        " and others"
    } else {
        ""
    };
    Error::component(if listed.is_empty() {
        format!("an import does not have the type that its name requires: {error:#}. {REBUILD}")
    } else {
        format!(
            "it imports `{}`{more}, which Taffrail does not provide. It provides the releases of WASI 0.2 and 0.3, `wasi:config/store`, `wasi:keyvalue/store`, `wasi:logging/logging` and `taffrail:workers`: build the component without other imports, or compose it with components that export them (`wac plug`)",
            listed.join("`, `")
        )
    })
}
