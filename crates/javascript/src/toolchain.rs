//! The engine component and the bundler, and how they are made.

use crate::bundle::{self, Bundle};
use crate::command::run;
use crate::error::Error;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
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
    "esbuild": "0.28.2"
  }
}
"#;

/// The engine's JavaScript and what is needed to make a component of it.
const SOURCES: &[(&str, &str)] = &[
    ("package.json", PACKAGES),
    ("build.mjs", include_str!("../engine/build.mjs")),
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
    ("modules.js", include_str!("../engine/modules.js")),
    ("promise.js", include_str!("../engine/promise.js")),
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
        if self.is_installed() {
            return Ok(());
        }
        let parent = self.home.parent().unwrap_or(Path::new("."));
        let work = fs::create_dir_all(parent)
            .and_then(|()| TempDir::with_prefix_in("making-", parent))
            .map_err(|error| unwritable(parent, &error))?;
        write_sources(work.path()).map_err(|error| unwritable(parent, &error))?;
        let made = make(work.path())?;
        // Whoever was faster made the same.
        match fs::rename(made, &self.home) {
            Err(error) if !self.is_installed() => Err(unwritable(&self.home, &error)),
            _ => Ok(()),
        }
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

/// Fetches the packages into `work`, makes the engine there, and returns a
/// directory with what is to be kept.
fn make(work: &Path) -> Result<PathBuf, Error> {
    let failed = |what: &str, said: &str| Error::new(format!("{what} failed:\n{said}"));
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(work);
    run(&mut npm, NODE)?
        .map_err(|said| failed("`npm install` for the JavaScript engine", &said))?;

    let kept = work.join("kept");
    let keep = fs::create_dir(&kept).and_then(|()| {
        let esbuild = kept.join(ESBUILD);
        fs::copy(find_esbuild(work)?, &esbuild)?;
        Ok(esbuild)
    });
    let esbuild = keep.map_err(|error| Error::new(format!("esbuild cannot be kept: {error}")))?;

    let mut bundle = Command::new(&esbuild);
    bundle
        .args([
            "engine.js",
            "--bundle",
            "--format=esm",
            "--outfile=bundled.js",
        ])
        .args([
            "--external:taffrail:*",
            "--log-level=error",
            "--color=false",
        ])
        .args(bundle::LOWERED)
        .current_dir(work);
    run(&mut bundle, NODE)?.map_err(|said| failed("bundling the JavaScript engine", &said))?;

    let mut node = Command::new("node");
    node.args(["build.mjs", "bundled.js", "wit"])
        .arg(kept.join(ENGINE))
        .current_dir(work);
    run(&mut node, NODE)?.map_err(|said| failed("making the JavaScript engine", &said))?;
    Ok(kept)
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
