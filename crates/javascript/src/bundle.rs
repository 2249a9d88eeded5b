//! From a script and what it imports to one file.

use crate::command::run;
use crate::error::Error;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A script in one file, which sets `module.exports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The script.
    pub text: String,
    /// Its source map, in JSON. Paths are relative to the directory of the
    /// main file.
    pub source_map: String,
    /// Whether it has the Service Worker syntax and no exports.
    pub service_worker: bool,
    /// The files that it was made of.
    pub files: Vec<PathBuf>,
}

/// The modules that a script may import without a file of that name.
pub const PROVIDED_MODULES: [&str; 3] = [
    "cloudflare:workers",
    "node:async_hooks",
    "node:diagnostics_channel",
];

/// What is written in terms of promises, so that the engine sees all of them:
/// which rejections nobody handles, and to which invocation a callback belongs.
pub(crate) const LOWERED: [&str; 3] = [
    "--supported:async-await=false",
    "--supported:async-generator=false",
    "--supported:for-await=false",
];

/// How esbuild is told what Wrangler tells it.
const OPTIONS: [&str; 10] = [
    "--bundle",
    "--format=cjs",
    "--conditions=workerd,worker,browser",
    "--main-fields=browser,module,main",
    "--external:cloudflare:*",
    "--external:node:*",
    "--sourcemap=external",
    "--charset=utf8",
    "--log-level=error",
    "--color=false",
];

/// Bundles the script `main` with the program `esbuild`.
pub(crate) fn bundle(esbuild: &Path, main: &Path) -> Result<Bundle, Error> {
    let main = main
        .canonicalize()
        .map_err(|error| unreadable(main, &error))?;
    let (Some(directory), Some(name)) = (main.parent(), main.file_name()) else {
        return Err(Error::new(format!("`{}` is not a file", main.display())));
    };
    let out = TempDir::with_prefix("taffrail-")
        .map_err(|error| Error::new(format!("no directory for temporary files: {error}")))?;
    let script = out.path().join("worker.js");
    let meta = out.path().join("meta.json");
    let mut command = Command::new(esbuild);
    command
        .arg(Path::new(".").join(name))
        .arg(format!("--outfile={}", script.display()))
        .arg(format!("--metafile={}", meta.display()))
        .args(OPTIONS)
        .args(LOWERED)
        .current_dir(directory);
    run(&mut command, "remove Taffrail's cache and try again")?.map_err(Error::new)?;

    let read = |path: &Path| fs::read_to_string(path).map_err(|error| unreadable(path, &error));
    let meta: Meta = parse(&read(&meta)?)?;
    meta.check_imports()?;
    let mut map: Value = parse(&read(&out.path().join("worker.js.map"))?)?;
    relative_to(directory, out.path(), &mut map);
    Ok(Bundle {
        text: read(&script)?,
        source_map: map.to_string(),
        service_worker: !meta.is_module(&name.to_string_lossy()),
        files: meta
            .inputs
            .keys()
            .map(|file| directory.join(file))
            .collect(),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(format!("`{}` cannot be read: {error}", path.display()))
}

fn parse<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::new(format!("esbuild wrote what cannot be understood: {error}")))
}

/// What esbuild tells about a bundle.
#[derive(Deserialize)]
struct Meta {
    inputs: BTreeMap<String, Input>,
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
    #[serde(default)]
    external: bool,
}

impl Meta {
    fn is_module(&self, main: &str) -> bool {
        let format = self
            .inputs
            .get(main)
            .and_then(|input| input.format.as_deref());
        format == Some("esm")
    }

    /// Every module without a file is one that is provided.
    fn check_imports(&self) -> Result<(), Error> {
        for (file, input) in &self.inputs {
            for import in input.imports.iter().filter(|import| import.external) {
                let name = import.path.as_str();
                let has_scheme = name.starts_with("node:") || name.starts_with("cloudflare:");
                if has_scheme && !PROVIDED_MODULES.contains(&name) {
                    return Err(Error::new(format!(
                        "{file} imports `{name}`, which Taffrail does not have; it has `{}`",
                        PROVIDED_MODULES.join("`, `")
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Makes the paths of a source map, which are relative to `out`, relative to
/// `directory` where they lie in it.
fn relative_to(directory: &Path, out: &Path, map: &mut Value) {
    let Some(sources) = map.get_mut("sources").and_then(Value::as_array_mut) else {
        return;
    };
    // Links, as that of a temporary directory, are resolved by esbuild.
    let out = out.canonicalize().unwrap_or_else(|_| out.to_owned());
    for source in sources {
        if let Some(path) = source.as_str() {
            let path = normalised(&out.join(path));
            let path = path.strip_prefix(directory).unwrap_or(&path);
            *source = path.display().to_string().into();
        }
    }
}

fn normalised(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = normal.pop(),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}
