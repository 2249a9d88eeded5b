//! The engine component and the bundler, and how they are made.

use crate::bundle::{self, Bundle, Module, SyntaxError};
use crate::command::run;
use crate::error::Error;
use crate::section;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The packages that make the engine, from the npm registry.
const PACKAGES: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": {
    "@bytecodealliance/componentize-js": "0.23.0",
    "capnweb": "0.12.0",
    "esbuild": "0.28.2"
  }
}
"#;

/// The engine's JavaScript and what is needed to make a component of it.
const SOURCES: &[(&str, &str)] = &[
    ("package.json", PACKAGES),
    ("analytics.js", include_str!("../engine/analytics.js")),
    ("build.mjs", include_str!("../engine/build.mjs")),
    ("built.js", include_str!("../engine/built.js")),
    ("console.js", include_str!("../engine/console.js")),
    ("context.js", include_str!("../engine/context.js")),
    ("diagnostics.js", include_str!("../engine/diagnostics.js")),
    ("engine.js", include_str!("../engine/engine.js")),
    ("events.js", include_str!("../engine/events.js")),
    ("failure.js", include_str!("../engine/failure.js")),
    ("handle.js", include_str!("../engine/handle.js")),
    ("handlers.js", include_str!("../engine/handlers.js")),
    ("http.js", include_str!("../engine/http.js")),
    ("invocation.js", include_str!("../engine/invocation.js")),
    ("kv.js", include_str!("../engine/kv.js")),
    ("lines.js", include_str!("../engine/lines.js")),
    ("loader.js", include_str!("../engine/loader.js")),
    ("modules.js", include_str!("../engine/modules.js")),
    ("objects.js", include_str!("../engine/objects.js")),
    ("observe.js", include_str!("../engine/observe.js")),
    ("promise.js", include_str!("../engine/promise.js")),
    ("rpc.js", include_str!("../engine/rpc.js")),
    ("services.js", include_str!("../engine/services.js")),
    ("sockets.js", include_str!("../engine/sockets.js")),
    ("storage.js", include_str!("../engine/storage.js")),
    ("timers.js", include_str!("../engine/timers.js")),
    ("trace-item.js", include_str!("../engine/trace-item.js")),
    ("wit/engine.wit", include_str!("../engine/wit/engine.wit")),
    (
        "wit/deps/taffrail-workers/interfaces.wit",
        include_str!("../../../wit/interfaces.wit"),
    ),
    (
        "wit/deps/taffrail-workers/types.wit",
        include_str!("../../../wit/types.wit"),
    ),
];

const NODE: &str = "JavaScript Workers need Node.js and npm once, to make the engine that runs them. Install both (https://nodejs.org, `apt install nodejs npm`, `brew install node`) and try again";

/// The tools for JavaScript in a directory of their own.
#[derive(Clone, Debug)]
pub struct Toolchain {
    home: PathBuf,
}

impl Toolchain {
    /// The tools under `cache`, which may hold those of other versions too.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let mut hash = Sha256::new();
        for (name, text) in SOURCES {
            for part in [name, text] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        let mut version = String::new();
        for byte in &hash.finalize()[..8] {
            _ = write!(version, "{byte:02x}");
        }
        Self {
            home: cache.join(version),
        }
    }

    /// Whether everything is there, so that Node.js is not needed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.home.is_dir()
    }

    /// Makes what is not there yet. This takes about half a minute, and blocks.
    ///
    /// # Errors
    ///
    /// When Node.js or npm is missing, when the packages cannot be fetched, and
    /// when the directory cannot be written to.
    pub fn install(&self) -> Result<(), Error> {
        in_place(&self.home, |work| {
            fetch_packages(work)?;
            make_engine(work)
        })
    }

    /// Makes a component of a script and the engine: the script is evaluated
    /// already in it. This takes about ten seconds, and Node.js.
    ///
    /// # Errors
    ///
    /// Those of [`install`](Self::install), and when the script fails.
    pub fn build(&self, bundle: &Bundle) -> Result<Vec<u8>, Error> {
        let builder = self.home.with_extension("build");
        in_place(&builder, |work| {
            fetch_packages(work)?;
            Ok(work.to_owned())
        })?;
        let unwritten = |error| unwritable(&builder, &error);
        let work = TempDir::with_prefix_in("script-", &builder).map_err(unwritten)?;
        write_sources(work.path()).map_err(unwritten)?;
        fs::write(work.path().join("script.txt"), &bundle.text).map_err(unwritten)?;
        let esbuild = find_esbuild(&builder).map_err(unwritten)?;
        make_component(&esbuild, work.path(), "built.js", ENGINE)?;
        let made = fs::read(work.path().join(ENGINE)).map_err(unwritten)?;
        Ok(section::append(made, bundle))
    }

    /// The bytes of the engine component.
    ///
    /// # Errors
    ///
    /// When it cannot be read, for instance before [`install`](Self::install).
    pub fn engine(&self) -> Result<Vec<u8>, Error> {
        let path = self.home.join(ENGINE);
        fs::read(&path).map_err(|error| {
            Error::new(format!(
                "the JavaScript engine `{}` cannot be read: {error}",
                path.display()
            ))
        })
    }

    /// Makes one file of a script and everything that it imports. This takes
    /// some ten milliseconds.
    ///
    /// # Errors
    ///
    /// When a source is missing or wrong, with its file, line and column.
    pub fn bundle(&self, main: &Path) -> Result<Bundle, Error> {
        bundle::bundle(&self.home.join(ESBUILD), main)
    }

    /// Makes one file of modules that are in no files, of which `main` is the
    /// one with the handlers. The inner error is about a module.
    ///
    /// # Errors
    ///
    /// When there is no room for temporary files, or no bundler.
    pub fn bundle_modules(
        &self,
        main: &str,
        modules: &[Module],
    ) -> Result<Result<Bundle, SyntaxError>, Error> {
        bundle::bundle_modules(&self.home.join(ESBUILD), main, modules)
    }
}

const ENGINE: &str = "engine.wasm";
const ESBUILD: &str = "esbuild";

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::new(format!(
        "the JavaScript engine cannot be kept in `{}`: {error}; set XDG_CACHE_HOME to a directory that can be written to",
        path.display()
    ))
}

fn write_sources(directory: &Path) -> io::Result<()> {
    for (name, text) in SOURCES {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Has `make` make something in a directory for that, and moves what it returns
/// to `home`.
fn in_place(home: &Path, make: impl FnOnce(&Path) -> Result<PathBuf, Error>) -> Result<(), Error> {
    if home.is_dir() {
        return Ok(());
    }
    let parent = home.parent().unwrap_or(Path::new("."));
    let unwritten = |error| unwritable(parent, &error);
    fs::create_dir_all(parent).map_err(unwritten)?;
    // One process makes it, and those that start meanwhile wait for that.
    let lock = File::create(parent.join("lock")).map_err(unwritten)?;
    lock.lock().map_err(unwritten)?;
    if home.is_dir() {
        return Ok(());
    }
    let work = TempDir::with_prefix_in("making-", parent).map_err(unwritten)?;
    write_sources(work.path()).map_err(|error| unwritable(parent, &error))?;
    let made = make(work.path())?;
    // Whoever was faster made the same.
    match fs::rename(made, home) {
        Err(error) if !home.is_dir() => Err(unwritable(home, &error)),
        _ => Ok(()),
    }
}

fn fetch_packages(work: &Path) -> Result<(), Error> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(work);
    run(&mut npm, NODE)?.map_err(|said| failed("`npm install` for the JavaScript engine", &said))
}

/// Makes the engine in `work`, and returns a directory with what is to be kept.
fn make_engine(work: &Path) -> Result<PathBuf, Error> {
    let kept = work.join("kept");
    let esbuild = kept.join(ESBUILD);
    fs::create_dir(&kept)
        .and_then(|()| fs::copy(find_esbuild(work)?, &esbuild))
        .map_err(|error| unwritable(&kept, &error))?;
    make_component(&esbuild, work, "engine.js", "kept/engine.wasm")?;
    Ok(kept)
}

/// Makes a component of the engine in `work`, of which `entry` is the entry.
fn make_component(esbuild: &Path, work: &Path, entry: &str, output: &str) -> Result<(), Error> {
    let mut bundle = Command::new(esbuild);
    bundle
        .args([entry, "--bundle", "--format=esm", "--outfile=bundled.js"])
        .args(["--external:taffrail:*", "--loader:.txt=text"])
        .args(["--log-level=error", "--color=false"])
        .args(bundle::LOWERED)
        .current_dir(work);
    run(&mut bundle, NODE)?.map_err(|said| failed("bundling the JavaScript engine", &said))?;

    let mut node = Command::new("node");
    node.args(["build.mjs", "bundled.js", "wit", output])
        .current_dir(work);
    run(&mut node, NODE)?.map_err(|said| failed("making the JavaScript engine", &said))
}

fn failed(what: &str, said: &str) -> Error {
    Error::new(format!("{what} failed:\n{said}"))
}

/// The program of the esbuild package for this system.
fn find_esbuild(work: &Path) -> io::Result<PathBuf> {
    for platform in fs::read_dir(work.join("node_modules/@esbuild"))? {
        let program = platform?.path().join("bin/esbuild");
        if program.exists() {
            return Ok(program);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "the package has no program for this system",
    ))
}
