//! Debug information in a file beside the component: for `X.wasm` in `X.debug.wasm`, or else in
//! the file that the section `external_debug_info` of one of its core modules names (WebAssembly
//! tool conventions).
//!
//! Addresses in DWARF are offsets in the code section of a core module, so a file is valid for
//! those core modules of a component that have the same code.

use crate::component::debug::dwarf::{CoreModule, Symbol, Symbols, core_modules};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use wasmparser::BinaryReader;

/// Reads a file.
pub(crate) type Read = dyn Fn(&Path) -> io::Result<Arc<[u8]>> + Send + Sync;

/// A file with the debug information of a component. It is read when it is first needed.
pub(crate) struct DebugFile {
    /// The paths at which it may be.
    paths: Vec<PathBuf>,
    read_file: Box<Read>,
    /// The code sections of the component.
    code: Vec<Code>,
    /// The symbols of each code section.
    read: OnceLock<Vec<Option<Symbols>>>,
}

struct Code {
    range: Range<usize>,
    hash: u64,
}

impl DebugFile {
    /// The debug file of a component that was read from `path`.
    pub(crate) fn new(component: &[u8], path: &Path, read_file: Box<Read>) -> Self {
        let modules = core_modules(component).unwrap_or_default();
        let mut paths = vec![path.with_extension("debug.wasm")];
        paths.extend(external(component, &modules).map(|name| path.with_file_name(name)));
        let code = modules.into_iter().filter_map(|module| module.code);
        Self {
            paths,
            read_file,
            code: code
                .map(|range| Code {
                    hash: hash(&component[range.clone()]),
                    range,
                })
                .collect(),
            read: OnceLock::new(),
        }
    }

    /// Returns the symbols of an offset in the component, the innermost inlined function first.
    pub(crate) fn symbols(&self, offset: usize) -> Vec<Symbol> {
        let mut code = self.code.iter();
        let Some(index) = code.position(|code| code.range.contains(&offset)) else {
            return Vec::new();
        };
        let address = offset - self.code[index].range.start;
        match self.read.get_or_init(|| self.read()).get(index) {
            Some(Some(symbols)) => symbols.at(address as u64),
            _ => Vec::new(),
        }
    }

    /// Returns the file from which symbols are read, or else one that is there and why it has
    /// none.
    pub(super) fn found(&self) -> Option<(PathBuf, Option<String>)> {
        let mut useless = None;
        for (path, read) in self.files() {
            match read {
                Ok(_) => return Some((path.clone(), None)),
                Err(problem) => _ = useless.get_or_insert((path.clone(), Some(problem))),
            }
        }
        useless
    }

    /// Returns the symbols from the first file that belongs to the component.
    fn read(&self) -> Vec<Option<Symbols>> {
        for (path, read) in self.files() {
            match read {
                Ok(read) => return read,
                Err(problem) => {
                    tracing::warn!("no lines in stacks from `{}`: {problem}", path.display());
                }
            }
        }
        Vec::new()
    }

    /// Reads each of the files that are there.
    fn files(&self) -> impl Iterator<Item = (&PathBuf, Result<Vec<Option<Symbols>>, String>)> {
        self.paths.iter().filter_map(|path| {
            let read = match (self.read_file)(path) {
                Ok(file) => self.read_from(&file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => Err(format!("it cannot be read: {error}")),
            };
            Some((path, read))
        })
    }

    fn read_from(&self, file: &Arc<[u8]>) -> Result<Vec<Option<Symbols>>, String> {
        let mut modules = core_modules(file).map_err(|error| {
            let offset = error.offset();
            format!("it is not a WebAssembly file, or is damaged at byte {offset}")
        })?;
        modules.retain(|module| module.has_dwarf());
        if modules.is_empty() {
            return Err("it has no DWARF debug information".to_owned());
        }
        let read = self.code.iter().map(|code| {
            let mut modules = modules.iter();
            let module = modules.find(|module| self.belongs(module, code, file))?;
            Symbols::read(file, module)
        });
        let read: Vec<_> = read.collect();
        if read.iter().all(Option::is_none) {
            return Err(
                "its code differs from the component's; put the file of the same build there"
                    .to_owned(),
            );
        }
        Ok(read)
    }

    /// Whether a module is from the same build as a code section. A module that has only debug
    /// information is taken for the component's main module.
    fn belongs(&self, module: &CoreModule, code: &Code, file: &[u8]) -> bool {
        match &module.code {
            Some(range) => hash(&file[range.clone()]) == code.hash,
            None => self
                .code
                .iter()
                .all(|other| other.range.len() <= code.range.len()),
        }
    }
}

/// Returns the file beside the component that a custom section names, as left there by tools that
/// strip debug information. A name that is a URL is not fetched.
fn external(component: &[u8], modules: &[CoreModule]) -> Option<PathBuf> {
    let mut modules = modules.iter();
    let section = modules.find_map(|module| module.section("external_debug_info"))?;
    let mut reader = BinaryReader::new(&component[section], 0);
    let name = Path::new(reader.read_string().ok()?);
    name.file_name()
        .filter(|file| *file == name)
        .map(PathBuf::from)
}

fn hash(code: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    code.hash(&mut hasher);
    hasher.finish()
}
