//! From the bytes of a component to code that can be deployed.

use crate::blocking::blocking;
use crate::config::WorkerConfig;
use crate::error::Result;
use bytes::Bytes;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use taffrail_javascript::{Boundary, read_file};
use taffrail_runtime::{Code, Compiler};

/// Compiles the component of a Worker, with source lines in its stacks from the debug file beside
/// it. That of an untrusted Worker is compiled at a low priority, and its debug file is read only
/// from the Worker's own folder.
pub(crate) async fn compile(
    compiler: &Compiler,
    worker: &WorkerConfig,
    boundary: Boundary,
    bytes: Bytes,
) -> Result<Code> {
    let code = match boundary {
        Boundary::Project => {
            let (compiler, bytes) = (compiler.clone(), bytes.clone());
            blocking(move || compiler.compile(&bytes)).await??
        }
        Boundary::Folder | Boundary::File => compiler.compile_untrusted(bytes.clone()).await?,
    };
    let Code::Component(component) = code else {
        return Ok(code);
    };
    let (dir, main) = (worker.dir.clone(), worker.main.clone());
    let read = move |file: &Path| read_debug_file(boundary, &dir, file);
    let component = blocking(move || component.with_debug_file(&bytes, &main, read)).await?;
    Ok(Code::Component(component))
}

fn read_debug_file(boundary: Boundary, dir: &Path, file: &Path) -> io::Result<Arc<[u8]>> {
    match boundary {
        Boundary::Project => fs::read(file).map(Into::into),
        Boundary::Folder if file.exists() => {
            read_file(boundary, dir, file).map_err(io::Error::other)
        }
        Boundary::Folder | Boundary::File => Err(io::ErrorKind::NotFound.into()),
    }
}
