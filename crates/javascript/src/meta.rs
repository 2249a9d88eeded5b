//! The metafile of a bundle.

use crate::kinds;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The modules that Taffrail provides.
pub const PROVIDED_MODULES: [&str; 4] = [
    "cloudflare:workers",
    "node:async_hooks",
    "node:diagnostics_channel",
    "taffrail:workers",
];

/// The prefixes of names of modules that are not files.
const SCHEMES: [&str; 3] = ["node:", "cloudflare:", "taffrail:"];

/// The output of `--metafile`.
#[derive(Deserialize)]
pub(crate) struct Meta {
    inputs: BTreeMap<String, Input>,
    outputs: BTreeMap<String, Output>,
}

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    imports: Vec<Import>,
    format: Option<String>,
}

#[derive(Deserialize)]
struct Import {
    path: String,
    kind: String,
    #[serde(default)]
    external: bool,
}

#[derive(Deserialize)]
struct Output {
    /// Those that are part of the bundle.
    inputs: BTreeMap<String, IgnoredAny>,
}

impl Meta {
    pub(crate) fn is_module(&self, main: &str) -> bool {
        let format = self
            .inputs
            .get(main)
            .and_then(|input| input.format.as_deref());
        format == Some("esm")
    }

    /// Returns the files that esbuild read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(|file| kinds::unmarked(file))
    }

    /// Checks that the imports in the bundle exist. Imports that are evaluated at run time may
    /// fail.
    pub(crate) fn check_imports(&self) -> Result<(), String> {
        let kept = self
            .outputs
            .values()
            .flat_map(|output| output.inputs.keys());
        for (file, input) in kept.filter_map(|file| self.inputs.get_key_value(file)) {
            let file = kinds::unmarked(file);
            for import in &input.imports {
                if let Some(why) = kinds::why_not(&import.path) {
                    let path = kinds::unmarked(&import.path);
                    return Err(format!("{file} imports `{path}`, which {why}"));
                }
                let name = import.path.as_str();
                let has_scheme = || SCHEMES.iter().any(|scheme| name.starts_with(scheme));
                let is_static = import.external && import.kind == "import-statement";
                if is_static && has_scheme() && !PROVIDED_MODULES.contains(&name) {
                    return Err(format!(
                        "{file} imports `{name}`, which Taffrail does not provide; it provides `{}`",
                        PROVIDED_MODULES.join("`, `")
                    ));
                }
            }
        }
        Ok(())
    }
}
