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
pub const PROVIDED_MODULES: [&str; 4] = [
    "cloudflare:workers",
    "node:async_hooks",
    "node:diagnostics_channel",
    "taffrail:workers",
];

/// What is written in terms of promises, so that the engine sees all of them:
/// which rejections nobody handles, and to which invocation a callback belongs.
pub(crate) const LOWERED: [&str; 3] = [
    "--supported:async-await=false",
    "--supported:async-generator=false",
    "--supported:for-await=false",
];

/// How esbuild is told what Wrangler tells it.
const OPTIONS: [&str; 11] = [
    "--bundle",
    "--format=cjs",
    "--conditions=workerd,worker,browser",
    "--main-fields=browser,module,main",
    "--external:cloudflare:*",
    "--external:node:*",
    "--external:taffrail:*",
    "--sourcemap=external",
    "--charset=utf8",
    "--log-level=error",
    "--color=false",
];

/// A module that is in no file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name, by which others import it.
    pub name: String,
    /// What is in it.
    pub contents: Vec<u8>,
    /// What it is.
    pub kind: ModuleKind,
}

/// What a module is to those who import it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// Code.
    Js,
    /// A string.
    Text,
    /// What JSON can hold.
    Json,
    /// Bytes.
    Data,
}

/// What is wrong with a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where: module, line and column, both counted from 1.
    pub place: Option<String>,
}

/// Bundles the script `main` with the program `esbuild`.
pub(crate) fn bundle(esbuild: &Path, main: &Path) -> Result<Bundle, Error> {
    let main = main
        .canonicalize()
        .map_err(|error| unreadable(main, &error))?;
    let (Some(directory), Some(name)) = (main.parent(), main.file_name()) else {
        return Err(Error::new(format!("`{}` is not a file", main.display())));
    };
    let bundle = bundle_in(esbuild, directory, &name.to_string_lossy(), |_| {});
    bundle?.map_err(Error::new)
}

/// Bundles modules, of which `main` is the one with the handlers.
pub(crate) fn bundle_modules(
    esbuild: &Path,
    main: &str,
    modules: &[Module],
) -> Result<Result<Bundle, SyntaxError>, Error> {
    let directory = temporary()?;
    let root = directory.path().canonicalize();
    let root = root.map_err(|error| unreadable(directory.path(), &error))?;
    let mut loaders = Vec::new();
    for module in modules {
        let Some(path) = path_of(&module.name) else {
            return Ok(Err(SyntaxError {
                message: format!(
                    "the name of the module `{}` is not a path with an extension, like `lib/text.js`",
                    module.name
                ),
                place: None,
            }));
        };
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let loader = match module.kind {
            ModuleKind::Js => "js",
            ModuleKind::Text => "text",
            ModuleKind::Json => "json",
            ModuleKind::Data => "binary",
        };
        loaders.push(format!("--loader:.{extension}={loader}"));
        let path = root.join(path);
        let parent = path.parent().unwrap_or(&root);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, &module.contents))
            .map_err(|error| Error::new(format!("`{}`: {error}", path.display())))?;
    }
    let bundle = bundle_in(esbuild, &root, main, |command| {
        // Modules may import each other by name without `./`.
        command.args(&loaders).env("NODE_PATH", &root);
    });
    Ok(match bundle? {
        Err(said) => Err(SyntaxError::read(&said)),
        // Whoever wrote the modules may not be who owns this machine.
        Ok(bundle) => match bundle.files.iter().find(|file| !file.starts_with(&root)) {
            None => Ok(bundle),
            Some(file) => Err(SyntaxError {
                message: format!("there is no module `{}`", file.display()),
                place: None,
            }),
        },
    })
}

/// The path of a module below a directory, unless its name leads elsewhere.
fn path_of(name: &str) -> Option<&Path> {
    let path = Path::new(name);
    let is_below = |part| matches!(part, Component::Normal(_));
    let has_extension = path
        .extension()
        .is_some_and(|extension| !extension.is_empty());
    (path.components().all(is_below) && has_extension).then_some(path)
}

impl SyntaxError {
    /// Reads what esbuild says of the first error.
    fn read(said: &str) -> Self {
        let message = said
            .split_once("[ERROR] ")
            .and_then(|(_, rest)| rest.lines().next())
            .unwrap_or(said.trim());
        let place = said.lines().find_map(|line| {
            let mut parts = line.trim().strip_suffix(':')?.rsplitn(3, ':');
            let column: u32 = parts.next()?.parse().ok()?;
            let line: u32 = parts.next()?.parse().ok()?;
            Some(format!("{}:{line}:{}", parts.next()?, column + 1))
        });
        Self {
            message: message.to_owned(),
            place,
        }
    }
}

fn temporary() -> Result<TempDir, Error> {
    TempDir::with_prefix("taffrail-")
        .map_err(|error| Error::new(format!("no directory for temporary files: {error}")))
}

/// Bundles the script `name` in `directory`. The inner error is what esbuild
/// says about it.
fn bundle_in(
    esbuild: &Path,
    directory: &Path,
    name: &str,
    prepare: impl FnOnce(&mut Command),
) -> Result<Result<Bundle, String>, Error> {
    let out = temporary()?;
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
    prepare(&mut command);
    if let Err(said) = run(&mut command, "remove Taffrail's cache and try again")? {
        return Ok(Err(said));
    }

    let read = |path: &Path| fs::read_to_string(path).map_err(|error| unreadable(path, &error));
    let meta: Meta = parse(&read(&meta)?)?;
    if let Err(missing) = meta.check_imports() {
        return Ok(Err(missing));
    }
    let mut map: Value = parse(&read(&out.path().join("worker.js.map"))?)?;
    relative_to(directory, out.path(), &mut map);
    Ok(Ok(Bundle {
        text: read(&script)?,
        source_map: map.to_string(),
        service_worker: !meta.is_module(name),
        files: meta
            .inputs
            .keys()
            .map(|file| normalised(&directory.join(file)))
            .collect(),
    }))
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
    fn check_imports(&self) -> Result<(), String> {
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
