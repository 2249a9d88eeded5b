//! The WIT package from which bindings are generated, and the WIT of components.

use crate::error::Error;
use include_dir::{Dir, include_dir};
use wit_component::{DecodedWasm, WitPrinter, decode};

/// The folder `wit`: the package `taffrail:workers` with the packages that it depends on.
pub static WIT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../wit");

/// Returns the world of a component in WIT, with the packages that it uses.
///
/// # Errors
///
/// Fails if `component` is not a component.
pub fn wit_of(component: &[u8]) -> Result<String, Error> {
    let print = || {
        let decoded = decode(component)?;
        let resolve = decoded.resolve();
        let package = match &decoded {
            DecodedWasm::WitPackage(_, package) => Some(*package),
            DecodedWasm::Component(_, world) => resolve.worlds[*world].package,
        };
        let others = resolve.packages.iter().map(|(id, _)| id);
        let others: Vec<_> = others.filter(|id| Some(*id) != package).collect();
        let mut printer = WitPrinter::default();
        if let Some(package) = package {
            printer.print(resolve, package, &others)?;
        }
        Ok(printer.output.to_string())
    };
    print().map_err(|error: anyhow::Error| {
        Error::new(format!(
            "the world of the component cannot be read: {error:#}"
        ))
    })
}
