//! The names of a component's imports and exports.

use crate::component::handlers::Handlers;
use crate::error::Error;
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

const SCRIPT: &str = "taffrail:javascript/script@0.1.";

/// The prefix of interfaces that only the JavaScript engine imports.
pub(super) const SCRIPT_HOST: &str = "taffrail:javascript/";

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
            "{is}: it exports {exports}. A Worker exports `wasi:http/incoming-handler@0.2.x` or `wasi:http/handler@0.3.x` to answer requests, a Tail Worker exports `taffrail:workers/tail@0.2.0`, others `taffrail:workers/scheduled@0.2.0`, `queue@0.2.0` or `streaming-tail@0.2.0`"
        )))
    }
}

pub(crate) fn damaged(error: &BinaryReaderError) -> Error {
    Error::component(format!("the component is damaged: {error}. Build it again"))
}

pub(super) const REBUILD: &str =
    "Build it with the bindings of a release of WASI 0.2 or 0.3 and of `taffrail:workers` 0.2";
