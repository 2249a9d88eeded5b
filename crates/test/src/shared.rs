//! What all scenarios of a process share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use taffrail_project::{Error, Tools};

/// By the directory of their cache.
static TOOLS: LazyLock<Mutex<HashMap<PathBuf, Tools>>> = LazyLock::new(Mutex::default);

/// The compiler, the bundler and the JavaScript engine, made once for each cache.
pub(crate) fn tools(cache: &Path) -> Result<Tools, Error> {
    let mut tools = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tools) = tools.get(cache) {
        return Ok(tools.clone());
    }
    let new = Tools::new(cache)?;
    tools.insert(cache.to_owned(), new.clone());
    Ok(new)
}
