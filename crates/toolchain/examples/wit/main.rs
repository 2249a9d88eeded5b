//! Writes the part of a page that describes the package in `wit/`: what is behind the line
//! `<!-- wit -->`.
//!
//! ```console
//! $ cargo run -p taffrail-toolchain --example wit -- docs/wit.md
//! ```

mod page;
mod text;

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// The line behind which a page is written.
const MARKER: &str = "<!-- wit -->\n";

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: wit PAGE")?;
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let (by_hand, _) = page
        .split_once(MARKER)
        .with_context(|| format!("`{path}` has no line `{}`", MARKER.trim_end()))?;
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let text = format!("{by_hand}{MARKER}{}", page::of(&wit)?);
    fs::write(&path, text).with_context(|| format!("cannot write `{path}`"))
}
