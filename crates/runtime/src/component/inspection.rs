//! The facts about a component that its bytes tell.

use crate::component::debug::{Debug, Embedded};
use crate::component::handlers::Handlers;
use crate::component::names::Names;
use crate::component::provided::Provided;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmparser::{BinaryReaderError, KnownCustom, MemoryType, Parser, Payload};
use wasmtime::component::Linker;

/// The facts about a component that its bytes tell.
///
/// [`Compiler::compile`](crate::Compiler::compile) decides whether it can be deployed: it also
/// checks the types of the imports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The events that it handles, by the names of the handlers in JavaScript.
    pub handlers: Vec<&'static str>,
    /// Whether it was built from a script, whose handlers are not known.
    pub is_script: bool,
    /// Its imports, in order.
    pub imports: Vec<Import>,
    /// Its exports, in order.
    pub exports: Vec<String>,
    /// The languages that its `producers` sections name.
    pub languages: BTreeSet<Producer>,
    /// The tools that its `producers` sections name.
    pub tools: BTreeSet<Producer>,
    /// The memories that its core modules declare.
    pub memories: Vec<Memory>,
    /// The place of its debug information.
    pub debug_info: DebugInfo,
}

/// An import of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its name, with the version.
    pub name: String,
    /// The remedy, if Taffrail does not provide the import.
    pub missing: Option<String>,
}

/// A language or a tool, as a `producers` section has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// Its name.
    pub name: String,
    /// Its version, which may be empty.
    pub version: String,
}

/// A memory that a core module declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes that it has at the start.
    pub min: u64,
    /// Bytes that it may grow to, if it has a maximum.
    pub max: Option<u64>,
}

/// The place of the debug information of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DebugInfo {
    /// The component has none.
    None,
    /// In the component.
    Inside,
    /// In a file beside it.
    Beside {
        /// The file.
        path: PathBuf,
        /// The reason why the file is not used, if it is not.
        problem: Option<String>,
    },
}

impl Inspection {
    /// Inspects a component that was read from `path`. `names` are its names, and `linker` resolves
    /// its imports.
    pub(crate) fn new<T: 'static>(
        names: &Names,
        linker: &Linker<T>,
        bytes: &[u8],
        path: &Path,
    ) -> Result<Self, BinaryReaderError> {
        let mut provided = Provided::by(linker);
        let missing: HashSet<_> = provided.missing(names, bytes).collect();
        let mut inspection = Self {
            handlers: Handlers::names_among(&names.exports),
            is_script: names.script.is_some(),
            imports: names
                .imports
                .iter()
                .map(|name| Import {
                    name: name.clone(),
                    missing: missing
                        .contains(name.as_str())
                        .then(|| provided.remedy(name)),
                })
                .collect(),
            exports: names.exports.clone(),
            languages: BTreeSet::new(),
            tools: BTreeSet::new(),
            memories: Vec::new(),
            debug_info: debug_info(bytes, path),
        };
        inspection.read(bytes)?;
        Ok(inspection)
    }

    /// Adds the facts about the core modules.
    fn read(&mut self, bytes: &[u8]) -> Result<(), BinaryReaderError> {
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::MemorySection(section) => {
                    for memory in section {
                        self.memories.push(declared(&memory?));
                    }
                }
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        // The section is informative: a damaged one is read as far as it goes.
                        _ = fields.into_iter().try_for_each(|field| {
                            let field = field?;
                            let into = match field.name {
                                "language" => &mut self.languages,
                                "processed-by" | "sdk" => &mut self.tools,
                                _ => return Ok(()),
                            };
                            for value in field.values {
                                let value = value?;
                                into.insert(Producer {
                                    name: value.name.to_owned(),
                                    version: value.version.to_owned(),
                                });
                            }
                            Ok::<_, BinaryReaderError>(())
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn declared(memory: &MemoryType) -> Memory {
    let page = 1_u64 << memory.page_size_log2.unwrap_or(16);
    Memory {
        min: memory.initial.saturating_mul(page),
        max: memory.maximum.map(|pages| pages.saturating_mul(page)),
    }
}

fn debug_info(bytes: &[u8], path: &Path) -> DebugInfo {
    let read = |file: &Path| fs::read(file).map(Into::into);
    let debug = Debug::new(Arc::new(Embedded::of(bytes))).with_file(bytes, path, read);
    if debug.is_embedded() {
        return DebugInfo::Inside;
    }
    match debug.found() {
        Some((path, problem)) => DebugInfo::Beside { path, problem },
        None => DebugInfo::None,
    }
}
