//! Debug information in the component itself.

use crate::component::debug::dwarf::{CoreModule, Symbol, Symbols, core_modules};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The debug information of the core modules that have it.
pub(in crate::component) struct Embedded(Vec<Module>);

struct Module {
    /// Its code section, as a range of the component.
    code: Range<usize>,
    /// Its sections with debug information, one after the other.
    bytes: Arc<[u8]>,
    /// Where these are in `bytes`.
    sections: CoreModule,
    symbols: OnceLock<Option<Symbols>>,
}

impl Embedded {
    /// Copies the debug information out of a component.
    pub(in crate::component) fn of(component: &[u8]) -> Self {
        let modules = core_modules(component).unwrap_or_default().into_iter();
        let modules = modules.filter(CoreModule::has_dwarf).filter_map(|module| {
            let mut bytes = Vec::new();
            let mut sections = CoreModule::default();
            for (name, range) in module.custom {
                if name.starts_with(".debug_") {
                    let start = bytes.len();
                    bytes.extend_from_slice(&component[range]);
                    sections.custom.push((name, start..bytes.len()));
                }
            }
            Some(Module {
                code: module.code?,
                bytes: bytes.into(),
                sections,
                symbols: OnceLock::new(),
            })
        });
        Self(modules.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the symbols of an offset in the component.
    pub(super) fn symbols(&self, offset: usize) -> Vec<Symbol> {
        let mut modules = self.0.iter();
        let Some(module) = modules.find(|module| module.code.contains(&offset)) else {
            return Vec::new();
        };
        let read = || Symbols::read(&module.bytes, &module.sections);
        match module.symbols.get_or_init(read) {
            Some(symbols) => symbols.at((offset - module.code.start) as u64),
            None => Vec::new(),
        }
    }
}
