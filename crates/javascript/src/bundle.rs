//! Bundles a script and its imports into one file.

use crate::esbuild::{Esbuild, Failure, Success};
use crate::files::Files;
use crate::input;
use crate::kinds;
use crate::meta::Meta;
use crate::run::{Command, Limit, Limits};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use taffrail_toolchain::Error;

/// A bundled script, which sets `module.exports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The script.
    pub text: String,
    /// Its source map, in JSON. Paths are relative to the directory of the
    /// main file.
    pub source_map: String,
    /// Whether it has the Service Worker syntax and no exports.
    pub service_worker: bool,
    /// The files that it was made from.
    pub files: Vec<PathBuf>,
}

/// The result of bundling.
#[derive(Debug)]
pub struct Bundled {
    /// The script, or the reason why there is none.
    pub result: Result<Bundle, BundleError>,
    /// The CPU time that it took.
    pub cpu: Duration,
}

/// Why there is no bundle.
#[derive(Debug)]
pub enum BundleError {
    /// A source is invalid.
    Syntax(SyntaxError),
    /// The sources exceed a limit, which the message names.
    Limit(String),
    /// The host failed.
    Host(Error),
}

/// An error in a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The name of the error in a JavaScript engine.
    pub name: &'static str,
    /// The message of the first error.
    pub message: String,
    /// Its place: module, line and column, both counted from 1.
    pub place: Option<String>,
    /// The whole output of esbuild, with lines of the source.
    pub report: String,
}

/// Syntax that is lowered to promises, so that the engine sees all of them: which
/// rejections have no handler, and to which invocation a callback belongs.
///
/// An `import()` of a module outside the bundle is lowered to an error: the engine
/// has no other modules, and aborts when a script asks for one.
pub(crate) const LOWERED: [&str; 4] = [
    "--supported:async-await=false",
    "--supported:async-generator=false",
    "--supported:dynamic-import=false",
    "--supported:for-await=false",
];

/// The options that Wrangler passes to esbuild.
const OPTIONS: [&str; 13] = [
    "--bundle",
    // Literals that may have `\p{…}` become calls of the constructor, which knows
    // it. With the option for that alone, esbuild overlooks those in classes.
    "--supported:regexp-sticky-and-unicode-flags=false",
    "--supported:regexp-set-notation=false",
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

/// The names of esbuild's output, beside the main file, so that the sources in the
/// map are relative to it.
const SCRIPT: &str = ".taffrail-bundle.js";
const META: &str = ".taffrail-meta.json";

/// A script that is to be bundled.
pub(crate) struct Task {
    pub(crate) files: Arc<dyn Files>,
    /// The main file among these.
    pub(crate) main: String,
    /// The directory that names of files are relative to.
    pub(crate) directory: String,
    /// Options for these files.
    pub(crate) arguments: Vec<String>,
    pub(crate) limits: Limits,
}

impl Task {
    /// Bundles it on this thread.
    pub(crate) fn run(
        self,
        esbuild: &Esbuild,
        dropped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Bundled {
        let limits = self.limits;
        let out = format!("{}/", self.directory.trim_end_matches('/'));
        let name = self.main.strip_prefix(&out).unwrap_or(&self.main);
        let mut arguments = vec![
            format!("./{name}"),
            format!("--outfile={out}{SCRIPT}"),
            format!("--metafile={out}{META}"),
        ];
        arguments.extend(OPTIONS.iter().chain(&LOWERED).map(ToString::to_string));
        arguments.extend(kinds::loaders());
        arguments.extend(self.arguments);
        let command = Command {
            files: self.files,
            arguments,
            directory: self.directory,
            limits,
        };
        let finished = esbuild.run(command, dropped);
        let result = match finished.end {
            Ok(written) => read(&written, &out, name),
            Err(Failure::Said(said)) => Err(BundleError::Syntax(SyntaxError::read(&said))),
            Err(Failure::Limit(limit)) => Err(BundleError::Limit(limits.passed(limit))),
            Err(Failure::Host(said)) => Err(BundleError::Host(Error::new(said))),
        };
        Bundled {
            result,
            cpu: finished.cpu,
        }
    }
}

/// Makes a bundle of esbuild's output in the directory `out`.
fn read(written: &Success, out: &str, main: &str) -> Result<Bundle, BundleError> {
    let meta: Meta = parse(text(written, out, META)?)?;
    if let Err(missing) = meta.check_imports() {
        return Err(BundleError::Syntax(SyntaxError::of(missing)));
    }
    let mut map: Value = parse(text(written, out, &format!("{SCRIPT}.map"))?)?;
    input::restore(&mut map);
    for source in map["sources"].as_array_mut().into_iter().flatten() {
        *source = source.as_str().map(kinds::unmarked_source).into();
    }
    let directory = Path::new(out);
    let service_worker = !meta.is_module(main);
    let script = with_generators(&with_driver(text(written, out, SCRIPT)?));
    Ok(Bundle {
        text: if service_worker {
            script
        } else {
            strict(&script)
        },
        source_map: map.to_string(),
        service_worker,
        files: meta
            .files()
            .map(|file| normalised(&directory.join(file)))
            .collect(),
    })
}

/// Returns a bundle in strict mode, in which modules are evaluated. The first line is esbuild's
/// own, so the positions in the source map stay valid.
fn strict(script: &str) -> String {
    format!("\"use strict\";{script}")
}

/// Returns a bundle whose lowered `async` functions are run by the engine instead of esbuild's
/// helper. All lines keep their numbers.
fn with_driver(script: &str) -> String {
    let (before, helper) = script
        .split_once("\nvar __async = (__this, __arguments, generator) => {")
        .map_or((script, None), |(before, rest)| (before, Some(rest)));
    match helper.and_then(|helper| helper.split_once("\n};\n")) {
        Some((body, rest)) => {
            let lines = "\n".repeat(body.matches('\n').count());
            format!("{before}\nvar __async = module.async;{lines}\n\n{rest}")
        }
        None => script.to_owned(),
    }
}

/// Returns a bundle whose lowered async generators return objects of the engine, which have the
/// right prototype, instead of esbuild's.
fn with_generators(script: &str) -> String {
    let (before, helper) = script
        .split_once("\nvar __asyncGenerator = (")
        .map_or((script, None), |(before, rest)| (before, Some(rest)));
    match helper.and_then(|helper| helper.split_once(", it = {};")) {
        Some((start, rest)) => format!(
            "{before}\nvar __asyncGenerator = ({start}, it = module.asyncGenerator();{rest}"
        ),
        None => script.to_owned(),
    }
}

fn text<'a>(written: &'a Success, out: &str, name: &str) -> Result<&'a str, BundleError> {
    let bytes = written.get(&format!("{out}{name}"));
    bytes
        .and_then(|bytes| str::from_utf8(bytes).ok())
        .ok_or_else(|| BundleError::Host(Error::new(format!("esbuild wrote no `{name}`"))))
}

fn parse<T: for<'de> Deserialize<'de>>(json: &str) -> Result<T, BundleError> {
    serde_json::from_str(json).map_err(|error| {
        BundleError::Host(Error::new(format!(
            "the output of esbuild cannot be read: {error}"
        )))
    })
}

impl Limits {
    /// The error for a limit that was exceeded.
    fn passed(&self, limit: Limit) -> String {
        let mebibytes = |bytes: usize| bytes >> 20;
        match limit {
            Limit::Cpu => format!(
                "bundling takes more than the {} ms of CPU time that it may use",
                self.cpu.as_millis()
            ),
            Limit::WallTime => "bundling takes too long".to_owned(),
            Limit::Memory => format!(
                "bundling takes more than {} MiB of memory",
                mebibytes(self.memory)
            ),
            Limit::Input => format!(
                "the files that are imported have more than {} MiB",
                mebibytes(self.input)
            ),
            Limit::Output => format!(
                "the bundle and its source map have more than {} MiB",
                mebibytes(self.output)
            ),
            Limit::Dropped => "the bundle is not wanted any more".to_owned(),
        }
    }
}

impl SyntaxError {
    /// An error without a place in a source.
    pub(crate) fn of(message: String) -> Self {
        Self {
            name: "SyntaxError",
            message: message.clone(),
            place: None,
            report: message,
        }
    }

    /// Returns the same error with the message of an engine that resolves modules itself.
    pub(crate) fn of_modules(self) -> Self {
        let missing = self.message.strip_prefix("Could not resolve \"");
        let missing = missing.and_then(|missing| missing.strip_suffix('"'));
        let importer = self.place.as_deref();
        let importer = importer.and_then(|place| place.rsplitn(3, ':').nth(2));
        let (Some(missing), Some(importer)) = (missing, importer) else {
            return self;
        };
        let folder = importer.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = normalised(&Path::new("/").join(folder).join(missing));
        let module = path.strip_prefix("/").unwrap_or(&path).display();
        Self {
            name: "Error",
            message: format!("No such module \"{module}\".\n  imported from \"{importer}\""),
            place: None,
            report: self.report,
        }
    }

    /// Reads the messages of esbuild.
    fn read(report: &str) -> Self {
        let report = kinds::without_marks(report);
        let message = report
            .split_once("[ERROR] ")
            .and_then(|(_, rest)| rest.lines().next())
            .unwrap_or(report.trim());
        let place = report.lines().find_map(|line| {
            let mut parts = line.trim().strip_suffix(':')?.rsplitn(3, ':');
            let column: u32 = parts.next()?.parse().ok()?;
            let line: u32 = parts.next()?.parse().ok()?;
            Some(format!("{}:{line}:{}", parts.next()?, column + 1))
        });
        Self {
            name: "SyntaxError",
            message: message.to_owned(),
            place,
            report,
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
