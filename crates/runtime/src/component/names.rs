//! The names of a component's imports and exports.

use crate::component::handlers::Handlers;
use crate::error::Error;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType};
use wasmparser::types::Types;
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload, Validator, WasmFeatures};
use wasmtime::component::Linker;

const SCRIPT: &str = "taffrail:javascript/script@0.1.";

/// The prefix of interfaces that only the JavaScript engine imports.
const SCRIPT_HOST: &str = "taffrail:javascript/";

/// The names of a component's imports and exports. They decide which engine compiles it.
pub(crate) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    /// The script that the component was built from.
    pub(crate) script: Option<Vec<u8>>,
}

impl Names {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Error> {
        if Parser::is_core_wasm(bytes) {
            return Err(Error::component(
                "it is a core WebAssembly module, not a component. Build it for the target `wasm32-wasip2`, or make a component of it with `wasm-tools component new MODULE -o COMPONENT` (add `--adapt` with the WASI preview 1 adapter if it was built for `wasm32-wasip1`)",
            ));
        }
        if bytes.is_empty() {
            return Err(Error::component(
                "it is an empty file, not a WebAssembly component. Build it again",
            ));
        }
        if !Parser::is_component(bytes) {
            return Err(Error::component(
                "it is not a WebAssembly component: its first bytes are not those of one. Use the .wasm file that a build for the target `wasm32-wasip2` makes",
            ));
        }
        Self::parse(bytes).map_err(|error| damaged(&error))
    }

    fn parse(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut names = Self {
            imports: Vec::new(),
            exports: Vec::new(),
            script: None,
        };
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    debug_assert!(encoding == Encoding::Component || depth > 0);
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        names.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        names.exports.push(export?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section)
                    if depth == 1 && section.name() == "taffrail-script" =>
                {
                    names.script = Some(section.data().to_owned());
                }
                _ => {}
            }
        }
        Ok(names)
    }

    fn exported(&self, prefix: &str) -> bool {
        self.exports.iter().any(|name| name.starts_with(prefix))
    }

    /// Whether the component is an engine for scripts, and has no event handlers itself.
    pub(crate) fn is_engine(&self) -> bool {
        self.exported(SCRIPT) && !Handlers::are_among(&self.exports)
    }

    pub(crate) fn any(&self, part: &str) -> bool {
        self.imports
            .iter()
            .chain(&self.exports)
            .any(|name| name.contains(part))
    }

    pub(super) fn check_handlers(&self) -> Result<(), Error> {
        if Handlers::are_among(&self.exports) {
            return Ok(());
        }
        let exports = if self.exports.is_empty() {
            "nothing".to_owned()
        } else {
            format!("`{}`", self.exports.join("`, `"))
        };
        let is = match self.exported("wasi:cli/run@") {
            true => "it is a command-line program",
            false => "it has no handler",
        };
        Err(Error::component(format!(
            "{is}: it exports {exports}. A Worker exports `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x` to answer requests, a Tail Worker exports `taffrail:workers/tail@0.2.0`, others `taffrail:workers/scheduled@0.2.0` or `queue@0.2.0`"
        )))
    }
}

pub(crate) fn damaged(error: &BinaryReaderError) -> Error {
    Error::component(format!("the component is damaged: {error}. Build it again"))
}

pub(super) const REBUILD: &str =
    "Build it with the bindings of a release of WASI 0.2 or 0.3 and of `taffrail:workers` 0.2";

/// The patch releases to try for a package. A linker has at most one of them.
const PATCHES: u32 = 64;

/// Returns the imports of a component that need a provider and have none. `names` are those of
/// `bytes`.
pub(super) fn missing<'a, T: 'static>(
    names: &'a Names,
    linker: &Linker<T>,
    bytes: &[u8],
) -> Vec<&'a str> {
    let types = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    let types = types.ok();
    let has_types_only = |import: &str| {
        let types = types.as_ref();
        types.is_some_and(|types| has_types_only(types, import))
    };
    let imports = names.imports.iter().map(String::as_str);
    imports
        .filter(|import| !is_provided(linker, import) && !has_types_only(import))
        .collect()
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

/// Whether the linker provides an import of this name, or of another patch release of it.
fn is_provided<T: 'static>(linker: &Linker<T>, import: &str) -> bool {
    has(linker, import)
        || patches(import).is_some_and(|mut names| names.any(|name| has(linker, &name)))
}

/// The releases and drafts of packages to try. A release has no patch number.
const RELEASES: [&str; 3] = ["0.1", "0.2", "0.3"];
const DRAFTS: [&str; 3] = ["0.1.0-draft", "0.2.0-draft2", "0.2.0-rc.1"];

/// Returns what to do about an import that is not provided.
pub(super) fn remedy<T: 'static>(linker: &Linker<T>, import: &str) -> String {
    if import.starts_with(SCRIPT_HOST) {
        return "it is for the JavaScript engine only; build the component without it".to_owned();
    }
    if let Some((interface, _)) = import.split_once('@') {
        let drafts = DRAFTS.map(|draft| format!("{interface}@{draft}"));
        let releases = RELEASES.into_iter().flat_map(|release| {
            (0..PATCHES).map(move |patch| format!("{interface}@{release}.{patch}"))
        });
        if let Some(offered) = drafts
            .into_iter()
            .chain(releases)
            .find(|it| has(linker, it))
        {
            return format!(
                "Taffrail offers `{offered}`; build the component with bindings of that version"
            );
        }
    }
    "build the component without it, or compose it with one that exports it: `wac plug COMPONENT --plug OTHER -o WHOLE`".to_owned()
}

/// Returns the names of all patch releases of an import, if it has a release version.
fn patches(import: &str) -> Option<impl Iterator<Item = String>> {
    let (interface, version) = import.split_once('@')?;
    let (release, _) = version.rsplit_once('.')?;
    let is_release = !version.contains('-');
    is_release.then(move || (0..PATCHES).map(move |patch| format!("{interface}@{release}.{patch}")))
}

/// Whether the linker provides exactly this name. It does if it refuses another definition of the
/// name.
fn has<T: 'static>(linker: &Linker<T>, name: &str) -> bool {
    let mut linker = linker.clone();
    linker.allow_shadowing(false);
    let added = linker.root().func_wrap(name, |_, (): ()| Ok(()));
    added.is_err()
}

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
    let missing = missing(names, linker, bytes);
    Error::component(if missing.is_empty() {
        format!("an import does not have the type that its name requires: {error:#}. {REBUILD}")
    } else {
        format!(
            "it imports `{}`, which Taffrail does not provide. It provides the releases of WASI 0.2 and 0.3, `wasi:config/store`, `wasi:keyvalue/store`, `wasi:logging/logging` and `taffrail:workers`: build the component without other imports, or compose it with components that export them (`wac plug`)",
            missing.join("`, `")
        )
    })
}
