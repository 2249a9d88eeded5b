//! DWARF in the custom sections of core modules.

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

/// The debug information of one address. There is one for each function that is inlined there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// The symbols of a core module. They are parsed as they are queried.
pub(super) struct Symbols(Mutex<Context<EndianArcSlice<LittleEndian>>>);

/// The parts of a core module that matter for debug information.
#[derive(Default)]
pub(super) struct CoreModule {
    pub(super) code: Option<Range<usize>>,
    /// The custom sections, by name.
    pub(super) custom: Vec<(String, Range<usize>)>,
}

impl CoreModule {
    pub(super) fn has_dwarf(&self) -> bool {
        self.section(".debug_info").is_some()
    }

    pub(super) fn section(&self, name: &str) -> Option<Range<usize>> {
        let mut sections = self.custom.iter();
        let (_, range) = sections.find(|(other, _)| other == name)?;
        Some(range.clone())
    }
}

/// Returns the core modules of a component, or the file itself if it is a core module.
pub(super) fn core_modules(bytes: &[u8]) -> Result<Vec<CoreModule>, BinaryReaderError> {
    let mut modules: Vec<CoreModule> = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Payload::Version { encoding, .. } = payload {
            if encoding == Encoding::Module {
                modules.push(CoreModule::default());
            }
            continue;
        }
        let Some(module) = modules.last_mut() else {
            continue;
        };
        match payload {
            Payload::CodeSectionStart { range, .. } => module.code = Some(range),
            Payload::CustomSection(section) => {
                let start = section.data_offset();
                let range = start..start + section.data().len();
                module.custom.push((section.name().to_owned(), range));
            }
            _ => {}
        }
    }
    Ok(modules)
}

impl Symbols {
    /// Returns the symbols in the sections of a module, which are ranges of `bytes`, or `None` if
    /// these are not valid.
    pub(super) fn read(bytes: &Arc<[u8]>, module: &CoreModule) -> Option<Self> {
        let bytes = EndianArcSlice::new(Arc::clone(bytes), LittleEndian);
        let dwarf = Dwarf::load(|id| {
            let range = module.section(id.name()).unwrap_or(0..0);
            gimli::Result::Ok(bytes.range(range))
        });
        let context = Context::from_dwarf(dwarf.ok()?).ok()?;
        Some(Self(Mutex::new(context)))
    }

    /// Returns the symbols of an offset in the code section, the innermost inlined function first.
    pub(super) fn at(&self, address: u64) -> Vec<Symbol> {
        let context = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look_up(&context, address).unwrap_or_default()
    }
}

fn look_up(
    context: &Context<EndianArcSlice<LittleEndian>>,
    address: u64,
) -> gimli::Result<Vec<Symbol>> {
    let mut frames = context.find_frames(address).skip_all_loads()?;
    let mut found = Vec::new();
    while let Some(frame) = frames.next()? {
        let (name, location) = (frame.function, frame.location);
        found.push(Symbol {
            name: name.and_then(|name| Some(name.raw_name().ok()?.into_owned())),
            file: location.as_ref().and_then(|at| at.file).map(Into::into),
            line: location.as_ref().and_then(|at| at.line),
            column: location.and_then(|at| at.column),
        });
    }
    Ok(found)
}
