//! The names of a component's imports and exports.

use crate::component::handlers::Handlers;
use crate::error::Error;
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::Linker;

const SCRIPT: &str = "taffrail:javascript/script@0.1.";

/// The prefix of interfaces that only the JavaScript engine imports.
const SCRIPT_HOST: &str = "taffrail:javascript/";

/// The names of a component's imports and exports. They decide which engine compiles it.
pub(crate) struct Names {
    imports: Vec<String>,
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
        if !Parser::is_component(bytes) {
            return Err(Error::component(
                "it is not a WebAssembly component: its first bytes are not those of one. Use the .wasm file that a build for the target `wasm32-wasip2` makes",
            ));
        }
        Self::parse(bytes).map_err(|error| {
            Error::component(format!("the component is damaged: {error}. Build it again"))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, wasmparser::BinaryReaderError> {
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
        Err(Error::component(format!(
            "it has no handler: it exports {exports}. A Worker exports `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x` to answer requests, a Tail Worker exports `taffrail:workers/tail@0.2.0`, others `taffrail:workers/scheduled@0.2.0` or `queue@0.2.0`"
        )))
    }
}

pub(super) const REBUILD: &str =
    "Build it with the bindings of a release of WASI 0.2 or 0.3 and of `taffrail:workers` 0.2";

/// The patch releases to try for a package. A linker has at most one of them.
const PATCHES: u32 = 64;

/// Whether the linker provides an import of this name, or of another patch release of it.
fn is_provided<T: 'static>(linker: &Linker<T>, import: &str) -> bool {
    has(linker, import)
        || patches(import).is_some_and(|mut names| names.any(|name| has(linker, &name)))
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
pub(super) fn unresolved<T>(names: &Names, linker: &Linker<T>, error: &wasmtime::Error) -> Error {
    let mut imports = names.imports.iter();
    if let Some(import) = imports.find(|import| import.starts_with(SCRIPT_HOST))
        && !names.is_engine()
    {
        return Error::component(format!(
            "it imports `{import}`, which is for the JavaScript engine only. Build it without this import: a Worker imports `taffrail:workers` instead"
        ));
    }
    let missing: Vec<_> = names
        .imports
        .iter()
        .filter(|import| !is_provided(linker, import))
        .map(|import| format!("`{import}`"))
        .collect();
    Error::component(if missing.is_empty() {
        format!("an import does not have the type that its name requires: {error:#}. {REBUILD}")
    } else {
        format!(
            "it imports {}, which Taffrail does not provide. It provides the releases of WASI 0.2 and 0.3, `wasi:config/store`, `wasi:keyvalue/store`, `wasi:logging/logging` and `taffrail:workers`: build the component without other imports, or compose it with components that export them (`wac plug`)",
            missing.join(", ")
        )
    })
}
