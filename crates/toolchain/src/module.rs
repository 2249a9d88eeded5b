//! From a core module for WASI preview 1 to a component.

use crate::error::Error;
use crate::handlers::Handlers;
use std::fs;
use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME,
    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// The world of a Worker, for languages whose compilers write core modules.
#[derive(Clone, Debug)]
pub struct World {
    resolve: Resolve,
    id: WorldId,
}

impl World {
    /// Makes the world of a Worker with these handlers, from the package in the folder `wit`.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be read or has no worlds of the handlers.
    pub fn read(wit: &Path, handlers: Handlers) -> Result<Self, Error> {
        let read = || {
            let mut resolve = Resolve::default();
            resolve.push_dir(wit)?;
            let package = resolve.push_source("worker.wit", &handlers.wit())?;
            let id = resolve.select_world(&[package], None)?;
            Ok(Self { resolve, id })
        };
        read().map_err(|error| failed("read the WIT package", &error))
    }

    /// Writes the bindings that `generator` makes of the world into `folder`.
    ///
    /// # Errors
    ///
    /// Fails if the world cannot be expressed in the language, or if a file cannot be written.
    pub fn write_bindings(
        &self,
        generator: &mut dyn WorldGenerator,
        folder: &Path,
    ) -> Result<(), Error> {
        let mut files = Files::default();
        let mut resolve = self.resolve.clone();
        let generated = generator.generate(&mut resolve, self.id, &mut files);
        generated.map_err(|error| failed("generate bindings", &error))?;
        for (name, contents) in files.iter() {
            let file = folder.join(name);
            let parent = file.parent().unwrap_or(folder);
            let written = fs::create_dir_all(parent).and_then(|()| fs::write(&file, contents));
            written.map_err(|error| {
                Error::new(format!("`{}` cannot be written: {error}", file.display()))
            })?;
        }
        Ok(())
    }

    /// Makes a component of this world from a core module that was compiled with its bindings, for
    /// WASI preview 1 and as a reactor.
    ///
    /// # Errors
    ///
    /// Fails if the module does not have the exports of the world, or imports others.
    pub fn component(&self, mut module: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut encode = || {
            embed_component_metadata(
                &mut module,
                &self.resolve,
                self.id,
                StringEncoding::UTF8,
                false,
            )?;
            ComponentEncoder::default()
                .module(&module)?
                .adapter(ADAPTER_NAME, ADAPTER)?
                .validate(true)
                .encode()
        };
        encode().map_err(|error| failed("make a component of the module", &error))
    }
}

fn failed(what: &str, error: &anyhow::Error) -> Error {
    Error::new(format!("cannot {what}: {error:#}"))
}
