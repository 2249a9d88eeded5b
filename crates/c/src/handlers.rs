//! Which handlers a Worker defines.

use taffrail_toolchain::{Error, Handlers};
use wasmparser::{KnownCustom, Linking, Parser, Payload, SymbolFlags, SymbolInfo};

/// Adds the handlers that an object file defines.
pub(crate) fn add(handlers: &mut Handlers, object: &[u8]) -> Result<(), Error> {
    let added = each_function(object, |name| match name {
        "fetch" => handlers.fetch = true,
        "tail" => handlers.tail = true,
        "tail_stream" => handlers.tail_stream = true,
        _ => {}
    });
    added.map_err(|error| Error::new(format!("the compiler made no object file: {error}")))
}

/// Calls `found` with the name of each function that other object files can refer to.
fn each_function(
    object: &[u8],
    mut found: impl FnMut(&str),
) -> Result<(), wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(object) {
        let Payload::CustomSection(section) = payload? else {
            continue;
        };
        let KnownCustom::Linking(linking) = section.as_known() else {
            continue;
        };
        for part in linking {
            let Linking::SymbolTable(symbols) = part? else {
                continue;
            };
            for symbol in symbols {
                if let SymbolInfo::Func {
                    flags,
                    name: Some(name),
                    ..
                } = symbol?
                    && !flags.intersects(SymbolFlags::UNDEFINED | SymbolFlags::BINDING_LOCAL)
                {
                    found(name);
                }
            }
        }
    }
    Ok(())
}
