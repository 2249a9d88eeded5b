//! The bindings that the package `taffrail.dev/workers` is built on.

use std::fs;
use std::io;
use std::path::Path;
use taffrail_toolchain::{Error, World};
use wit_bindgen_go::{Format, Opts};

/// The Go package of the bindings.
const PACKAGE: &str = "taffrail.dev/workers/internal/wit";

/// What the generated files import, and the package in place of it.
const IMPORTS: [(&str, &str); 2] = [
    (
        "\"go.bytecodealliance.org/pkg/wit/",
        "\"taffrail.dev/workers/internal/wit/",
    ),
    (
        "\"runtime\"",
        "\"taffrail.dev/workers/internal/wit/runtime\"",
    ),
];

/// Writes the bindings of a world into the folder of their package.
pub(crate) fn write(world: &World, folder: &Path) -> Result<(), Error> {
    let options = Opts {
        format: Format::False,
        pkg_name: Some(PACKAGE.to_owned()),
        quiet: true,
        ..Opts::default()
    };
    world.write_bindings(&mut *options.build(), folder)?;
    redirect(folder).map_err(|error| {
        Error::new(format!(
            "the bindings in `{}` cannot be written: {error}",
            folder.display()
        ))
    })
}

/// Redirects the imports in the generated files of a folder.
fn redirect(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            redirect(&path)?;
        } else if path.ends_with("wit_bindings.go") || path.ends_with("wit_exports.go") {
            let mut text = fs::read_to_string(&path)?;
            for (import, replacement) in IMPORTS {
                text = text.replace(import, replacement);
            }
            fs::write(&path, text)?;
        }
    }
    Ok(())
}
