//! Builds the engine component, and provides the bundler.

use crate::bundle::{self, Bundle};
use crate::bundler::Bundler;
use crate::esbuild::{Esbuild, Failure};
use crate::folder::{self, Folder};
use crate::run::{Command as Bundling, Limits};
use crate::section;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use taffrail_toolchain::{Error, Home, not_fetched, run};
use tempfile::TempDir;

/// The packages that build the engine, from the npm registry.
const PACKAGES: &str = r#"{
  "private": true,
  "type": "module",
  "dependencies": {
    "@bytecodealliance/componentize-js": "0.23.0",
    "@esbuild/wasi-preview1": "0.27.2",
    "capnweb": "0.12.0",
    "regenerate-unicode-properties": "10.3.0",
    "unicode-match-property-value-ecmascript": "2.2.1",
    "unicode-property-aliases-ecmascript": "2.2.0"
  }
}
"#;

/// The engine's JavaScript, and the files that build a component from it.
const SOURCES: &[(&str, &str)] = &[
    ("package.json", PACKAGES),
    ("abort.js", include_str!("../engine/abort.js")),
    ("address.js", include_str!("../engine/address.js")),
    ("analytics.js", include_str!("../engine/analytics.js")),
    (
        "analytics-sql.js",
        include_str!("../engine/analytics-sql.js"),
    ),
    (
        "async-functions.js",
        include_str!("../engine/async-functions.js"),
    ),
    ("blob.js", include_str!("../engine/blob.js")),
    ("body.js", include_str!("../engine/body.js")),
    ("build.mjs", include_str!("../engine/build.mjs")),
    ("builtins.js", include_str!("../engine/builtins.js")),
    ("built.js", include_str!("../engine/built.js")),
    ("chunks.js", include_str!("../engine/chunks.js")),
    ("classes.js", include_str!("../engine/classes.js")),
    ("console.js", include_str!("../engine/console.js")),
    ("context.js", include_str!("../engine/context.js")),
    ("custom-event.js", include_str!("../engine/custom-event.js")),
    ("data-url.js", include_str!("../engine/data-url.js")),
    ("diagnostics.js", include_str!("../engine/diagnostics.js")),
    ("embedding.mjs", include_str!("../engine/embedding.mjs")),
    ("engine.js", include_str!("../engine/engine.js")),
    ("error-events.js", include_str!("../engine/error-events.js")),
    ("events.js", include_str!("../engine/events.js")),
    ("failure.js", include_str!("../engine/failure.js")),
    ("form-data.js", include_str!("../engine/form-data.js")),
    ("forms.js", include_str!("../engine/forms.js")),
    (
        "function-text.js",
        include_str!("../engine/function-text.js"),
    ),
    ("globals.js", include_str!("../engine/globals.js")),
    ("handle.js", include_str!("../engine/handle.js")),
    ("handlers.js", include_str!("../engine/handlers.js")),
    ("headers.js", include_str!("../engine/headers.js")),
    ("host.js", include_str!("../engine/host.js")),
    ("http.js", include_str!("../engine/http.js")),
    ("inbox.js", include_str!("../engine/inbox.js")),
    ("invocation.js", include_str!("../engine/invocation.js")),
    ("kv.js", include_str!("../engine/kv.js")),
    ("lengths.js", include_str!("../engine/lengths.js")),
    ("lines.js", include_str!("../engine/lines.js")),
    ("loader.js", include_str!("../engine/loader.js")),
    ("media-type.js", include_str!("../engine/media-type.js")),
    ("modules.js", include_str!("../engine/modules.js")),
    ("objects.js", include_str!("../engine/objects.js")),
    ("observe.js", include_str!("../engine/observe.js")),
    ("pipe.js", include_str!("../engine/pipe.js")),
    ("promise.js", include_str!("../engine/promise.js")),
    ("redirect.js", include_str!("../engine/redirect.js")),
    ("request.js", include_str!("../engine/request.js")),
    ("response.js", include_str!("../engine/response.js")),
    ("properties.mjs", include_str!("../engine/properties.mjs")),
    ("regexp.js", include_str!("../engine/regexp.js")),
    ("rpc.js", include_str!("../engine/rpc.js")),
    ("services.js", include_str!("../engine/services.js")),
    ("sockets.js", include_str!("../engine/sockets.js")),
    (
        "stream-constructors.js",
        include_str!("../engine/stream-constructors.js"),
    ),
    ("stack.js", include_str!("../engine/stack.js")),
    ("storage.js", include_str!("../engine/storage.js")),
    ("streams.js", include_str!("../engine/streams.js")),
    ("surface.js", include_str!("../engine/surface.js")),
    ("tail-event.js", include_str!("../engine/tail-event.js")),
    ("tail-stream.js", include_str!("../engine/tail-stream.js")),
    ("text-streams.js", include_str!("../engine/text-streams.js")),
    ("timers.js", include_str!("../engine/timers.js")),
    ("trace-item.js", include_str!("../engine/trace-item.js")),
    ("tracing.js", include_str!("../engine/tracing.js")),
    (
        "until-aborted.js",
        include_str!("../engine/until-aborted.js"),
    ),
    ("url.js", include_str!("../engine/url.js")),
    ("watch.js", include_str!("../engine/watch.js")),
    ("wire.js", include_str!("../engine/wire.js")),
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

/// What the folder of the tools holds.
const TOOLS: &str = "the JavaScript engine";

const NODE: &str = "JavaScript Workers need Node.js and npm once, to build the engine that runs them. Install both (https://nodejs.org, `apt install nodejs npm`, `brew install node`) and try again";

/// The tools for JavaScript, in a directory of their own.
#[derive(Clone, Debug)]
pub struct Toolchain {
    home: Home,
}

impl Toolchain {
    /// Creates the tools below `cache`, which may also hold those of other versions.
    #[must_use]
    pub fn new(cache: &Path) -> Self {
        let sources = SOURCES.iter().map(|(name, text)| (*name, text.as_bytes()));
        Self {
            home: Home::new(TOOLS, cache, sources),
        }
    }

    /// Whether everything is installed. If so, Node.js is not needed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        self.home.exists()
    }

    /// Builds the engine and the bundler if they are missing. This takes about a minute, and
    /// blocks.
    ///
    /// # Errors
    ///
    /// Fails if Node.js or npm is missing, if the packages cannot be fetched, or if the directory
    /// cannot be written to.
    pub fn install(&self) -> Result<(), Error> {
        self.home.make(|work| {
            fetch_packages(work)?;
            make_engine(work, &self.compiled())
        })
    }

    /// Returns the bundler, and compiles it if necessary.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, for instance before [`install`](Self::install).
    pub fn bundler(&self) -> Result<Bundler, Error> {
        let esbuild = compile(&self.home.path().join(ESBUILD), &self.compiled())?;
        Ok(Bundler::new(Arc::new(esbuild)))
    }

    /// Returns the directory of the compiled bundler. Versions with the same bundler share it.
    fn compiled(&self) -> PathBuf {
        self.home.path().with_file_name("compiled")
    }

    /// Builds a component from a script and the engine, with the script compiled. This takes
    /// about ten seconds, and needs Node.js.
    ///
    /// # Errors
    ///
    /// As for [`install`](Self::install), and if the script cannot be compiled.
    pub fn build(&self, bundle: &Bundle) -> Result<Vec<u8>, Error> {
        let builder = self.home.with_extension("build");
        builder.make(|work| {
            fetch_packages(work)?;
            Ok(work.to_owned())
        })?;
        let unwritten = |error| unwritable(builder.path(), &error);
        let work = TempDir::with_prefix_in("script-", builder.path()).map_err(unwritten)?;
        write_sources(work.path()).map_err(unwritten)?;
        fs::write(work.path().join("script.txt"), &bundle.text).map_err(unwritten)?;
        let esbuild = compile(&builder.path().join(PACKAGED_ESBUILD), &self.compiled())?;
        make_component(&esbuild, work.path(), "built.js", ENGINE)?;
        let made = fs::read(work.path().join(ENGINE)).map_err(unwritten)?;
        Ok(section::append(made, bundle))
    }

    /// Returns the bytes of the engine component.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, for instance before [`install`](Self::install).
    pub fn engine(&self) -> Result<Vec<u8>, Error> {
        let path = self.home.path().join(ENGINE);
        fs::read(&path).map_err(|error| {
            Error::new(format!(
                "the JavaScript engine `{}` cannot be read: {error}",
                path.display()
            ))
        })
    }
}

const ENGINE: &str = "engine.wasm";
const ESBUILD: &str = "esbuild.wasm";
const PACKAGED_ESBUILD: &str = "node_modules/@esbuild/wasi-preview1/esbuild.wasm";

/// The limits for bundling the engine itself, which stays far below them.
const LIMITS: Limits = Limits {
    cpu: Duration::from_secs(60),
    memory: 512 << 20,
    input: 64 << 20,
    output: 64 << 20,
};

fn compile(esbuild: &Path, cache: &Path) -> Result<Esbuild, Error> {
    let program = fs::read(esbuild).map_err(|error| {
        Error::new(format!(
            "the bundler `{}` cannot be read: {error}",
            esbuild.display()
        ))
    })?;
    Esbuild::compile(&program, cache)
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    taffrail_toolchain::unwritable(TOOLS, path, error)
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

fn fetch_packages(work: &Path) -> Result<(), Error> {
    write_sources(work).map_err(|error| unwritable(work, &error))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--loglevel", "error"])
        .current_dir(work);
    let advice = not_fetched("the npm registry", "npm_config_registry");
    run(&mut npm, NODE)?.map_err(|said| {
        failed(
            "`npm install` for the JavaScript engine",
            &format!("{said}\n{advice}"),
        )
    })
}

/// Builds the engine in `work`, and returns the directory to keep.
fn make_engine(work: &Path, compiled: &Path) -> Result<PathBuf, Error> {
    let kept = work.join("kept");
    let esbuild = kept.join(ESBUILD);
    fs::create_dir(&kept)
        .and_then(|()| fs::copy(work.join(PACKAGED_ESBUILD), &esbuild))
        .map_err(|error| unwritable(&kept, &error))?;
    let esbuild = compile(&esbuild, compiled)?;
    make_component(&esbuild, work, "engine.js", "kept/engine.wasm")?;
    Ok(kept)
}

/// Builds a component from the engine in `work`, with the entry point `entry`.
fn make_component(esbuild: &Esbuild, work: &Path, entry: &str, output: &str) -> Result<(), Error> {
    let work = &work
        .canonicalize()
        .map_err(|error| unwritable(work, &error))?;
    let mut properties = Command::new("node");
    properties.arg("properties.mjs").current_dir(work);
    run(&mut properties, NODE)?
        .map_err(|said| failed("reading the properties of Unicode", &said))?;
    let directory = folder::utf8(work)?;
    let bundled = format!("{directory}/bundled.js");
    let arguments = ["--bundle", "--format=esm", "--external:taffrail:*"];
    let more = ["--loader:.txt=text", "--log-level=error", "--color=false"];
    // These replace globals, which a Worker may change.
    let globals = ["--inject:./globals.js"];
    let arguments = arguments.iter().chain(&more).chain(&globals);
    let arguments = arguments.chain(&bundle::LOWERED);
    let mut arguments: Vec<String> = arguments.map(ToString::to_string).collect();
    arguments.extend([format!("./{entry}"), format!("--outfile={bundled}")]);
    let bundling = Bundling {
        files: Arc::new(Folder::project(work)?),
        arguments,
        directory,
        limits: LIMITS,
    };
    let written = esbuild.run(bundling, || false).end;
    let written = written.map_err(|failure| {
        let said = match failure {
            Failure::Said(said) | Failure::Host(said) => said,
            Failure::Limit(limit) => format!("it exceeded the limit {limit:?}"),
        };
        failed("bundling the JavaScript engine", &said)
    })?;
    let text = written.get(&bundled).map_or(&[][..], Vec::as_slice);
    fs::write(&bundled, text).map_err(|error| unwritable(work, &error))?;

    let mut node = Command::new("node");
    node.args(["build.mjs", "bundled.js", "wit", output])
        .current_dir(work);
    run(&mut node, NODE)?.map_err(|said| failed("making the JavaScript engine", &said))
}

fn failed(what: &str, said: &str) -> Error {
    Error::new(format!("{what} failed:\n{said}"))
}
