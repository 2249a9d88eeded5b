//! What esbuild tells about a bundle.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The modules that a script may import without a file of that name.
pub const PROVIDED_MODULES: [&str; 4] = [
    "cloudflare:workers",
    "node:async_hooks",
    "node:diagnostics_channel",
    "taffrail:workers",
];

/// What it writes with `--metafile`.
#[derive(Deserialize)]
pub(crate) struct Meta {
    pub(crate) inputs: BTreeMap<String, Input>,
}

#[derive(Deserialize)]
pub(crate) struct Input {
    #[serde(default)]
    imports: Vec<Import>,
    format: Option<String>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    #[serde(default)]
    external: bool,
}

impl Meta {
    pub(crate) fn is_module(&self, main: &str) -> bool {
        let format = self
            .inputs
            .get(main)
            .and_then(|input| input.format.as_deref());
        format == Some("esm")
    }

    /// Every module without a file is one that is provided.
    pub(crate) fn check_imports(&self) -> Result<(), String> {
        for (file, input) in &self.inputs {
            for import in input.imports.iter().filter(|import| import.external) {
                let name = import.path.as_str();
                let has_scheme = ["node:", "cloudflare:", "taffrail:"]
                    .iter()
                    .any(|scheme| name.starts_with(scheme));
                if has_scheme && !PROVIDED_MODULES.contains(&name) {
                    return Err(format!(
                        "{file} imports `{name}`, which Taffrail does not have; it has `{}`",
                        PROVIDED_MODULES.join("`, `")
                    ));
                }
            }
        }
        Ok(())
    }
}
