//! Fetches componentize-py, and runs it.

use include_dir::{Dir, include_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use taffrail_toolchain::{
    Built, Error, Handlers, Home, Language, Sources, WIT, add_files, install_python_package,
    output, run, unwritable, write_files,
};

/// The name of the tools in errors.
const TOOLS: &str = "the tools for Python";

/// The package that builds components, from the Python Package Index.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

static PACKAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../guest-examples/python/workers");

/// The folder of packages that `pywrangler` fills.
const PACKAGES: &str = "python_modules";

/// The module that the component is built from.
const APP: &str = include_str!("app.py");
const HANDLERS: &str = include_str!("handlers.py");

/// How a Worker gets a handler.
const HANDLER: &str = "give it `class Default(WorkerEntrypoint)` with `async def fetch(self, request)`, `async def tail(self, events)` or `async def tail_stream(self, onset)`";

const PYTHON: &str = "Workers in Python need Python 3.10 or newer with pip, to build components from them. Install both (https://python.org, `apt install python3 python3-pip`, `brew install python`) and try again";

/// The name by which the modules of componentize-py import an interface that has a namesake.
const HTTP_TYPES: &str = "wasi:http/types@0.2.12=types";

/// The module in which componentize-py finds the class of streams: the one with the other exports.
const STREAMING_TAIL: &str = "taffrail:workers/streaming-tail@0.2.0=app";

/// The tools for Python, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Python {
    home: Home,
}

impl Python {
    /// Creates the tools below `cache`, which may also hold those of other versions.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let mut sources = vec![("componentize-py", COMPONENTIZE.as_bytes())];
        sources.extend([
            ("app.py", APP.as_bytes()),
            ("handlers.py", HANDLERS.as_bytes()),
        ]);
        add_files(&WIT, &mut sources);
        add_files(&PACKAGE, &mut sources);
        Self {
            home: Home::new(TOOLS, cache, sources),
        }
    }

    fn componentize(&self, sources: &Sources, work: &Path) -> Result<Vec<u8>, Error> {
        let home = self.home.path();
        let unwritten = |error| unwritable(TOOLS, work, &error);
        let app = APP.replace("{worker}", module(sources.main())?);
        fs::write(work.join("app.py"), app).map_err(unwritten)?;
        let component = work.join("component.wasm");
        let world = work.join("worker.wit");
        fs::write(&world, self.handlers(sources)?.wit()).map_err(unwritten)?;

        let mut command = Command::new("python3");
        command
            .env("PYTHONPATH", home.join("tools"))
            .args(["-c", "import componentize_py; componentize_py.script()"])
            .args(["--quiet", "--wit-path"])
            .arg(home.join("wit"))
            .args(["--import-interface-name", HTTP_TYPES])
            .args(["--export-interface-name", STREAMING_TAIL])
            .arg("--wit-path")
            .arg(&world)
            .args(["--world", "taffrail:worker/worker"])
            .args(["componentize", "app", "--output"])
            .arg(&component);
        let path = [work.to_owned(), home.join("python")];
        for folder in search_path(sources).into_iter().chain(path) {
            command.arg("--python-path").arg(folder);
        }
        run(&mut command, PYTHON)?.map_err(Error::new)?;
        fs::read(&component).map_err(unwritten)
    }

    /// Returns the handlers of the Worker.
    fn handlers(&self, sources: &Sources) -> Result<Handlers, Error> {
        let mut command = Command::new("python3");
        command
            .arg(self.home.path().join("handlers.py"))
            .arg(sources.main());
        let printed = output(&mut command, PYTHON)?.map_err(Error::new)?;
        let has = |handler: &str| printed.lines().any(|line| line == handler);
        let handlers = Handlers {
            fetch: has("fetch"),
            tail: has("tail"),
            tail_stream: has("tail_stream"),
        };
        handlers.check(sources.main(), HANDLER)?;
        Ok(handlers)
    }
}

impl Language for Python {
    fn is_installed(&self) -> bool {
        self.home.exists()
    }

    fn install(&self) -> Result<(), Error> {
        self.home.make(|work| {
            let unwritten = |error| unwritable(TOOLS, work, &error);
            write_files(&WIT, &work.join("wit")).map_err(unwritten)?;
            write_files(&PACKAGE, &work.join("python/workers")).map_err(unwritten)?;
            fs::write(work.join("handlers.py"), HANDLERS).map_err(unwritten)?;
            install_python_package(COMPONENTIZE, &work.join("tools"), PYTHON)?;
            Ok(work.to_owned())
        })
    }

    fn build(&self, main: &Path) -> Result<Built, Error> {
        let sources = Sources::of(main, None, &["py"])?;
        self.home
            .build(&sources, |work| self.componentize(&sources, work))
    }
}

/// Returns the name by which Python imports the main file.
fn module(main: &Path) -> Result<&str, Error> {
    let stem = main.file_stem().and_then(|stem| stem.to_str());
    let is_name = |name: &&str| {
        let mut chars = name.chars();
        let first = chars.next().unwrap_or('0');
        (first.is_ascii_alphabetic() || first == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    stem.filter(is_name).ok_or_else(|| {
        Error::new(format!(
            "`{}` is not a name that Python can import: use letters, digits and `_`, and `.py`",
            main.display()
        ))
    })
}

/// Returns the folders in which Python looks for the modules of a Worker.
fn search_path(sources: &Sources) -> Vec<PathBuf> {
    let packages = sources.folder().join(PACKAGES);
    let packages = packages.is_dir().then_some(packages);
    let folder = sources.folder().to_owned();
    [folder].into_iter().chain(packages).collect()
}
