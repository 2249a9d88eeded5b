//! Bundles scripts: the operator's, and untrusted ones.

use crate::bundle::{BundleError, Bundled, SyntaxError, Task};
use crate::esbuild::Esbuild;
use crate::kinds::{self, Ruled};
use crate::modules::{self, Module};
use crate::place::{Boundary, Place};
use crate::rules::Bundling;
use crate::run::Limits;
use crate::turns::{NotDone, Turns};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use taffrail_toolchain::Error;

/// The limits for untrusted scripts. A minified script of 400 kB takes 0.2 s and 32
/// MiB.
const STRANGERS: Limits = Limits {
    cpu: Duration::from_secs(10),
    memory: 256 << 20,
    input: 64 << 20,
    output: 64 << 20,
};

/// The limits for the operator's own folder.
const OWN: Limits = Limits {
    cpu: Duration::from_secs(60),
    memory: 1 << 30,
    input: 256 << 20,
    output: 256 << 20,
};

/// As in Wrangler, any script may contain JSX.
const JSX: [&str; 3] = ["--loader:.js=jsx", "--loader:.mjs=jsx", "--loader:.cjs=jsx"];

/// The bundler. It runs in this process, and sees only the files that it is given.
#[derive(Clone)]
pub struct Bundler {
    esbuild: Arc<Esbuild>,
    turns: Turns,
}

impl Bundler {
    pub(crate) fn new(esbuild: Arc<Esbuild>) -> Self {
        Self {
            esbuild,
            turns: Turns::default(),
        }
    }

    /// Bundles the script `main` in `folder` and all of its imports into one file. Scripts of the
    /// same `requester` wait for each other.
    pub async fn folder(
        &self,
        requester: &str,
        boundary: Boundary,
        folder: &Path,
        main: &Path,
        bundling: Bundling,
    ) -> Bundled {
        let limits = match boundary {
            Boundary::Project => OWN,
            Boundary::Folder | Boundary::File => STRANGERS,
        };
        let (folder, main) = (folder.to_owned(), main.to_owned());
        let esbuild = Arc::clone(&self.esbuild);
        let bundled = self.turns.run(requester, 0, move |dropped| {
            let place = match Place::open(boundary, &folder, &main, limits.input) {
                Ok(place) => place,
                Err(error) => return failed(BundleError::Host(error)),
            };
            let mut arguments = JSX.map(str::to_owned).to_vec();
            arguments.extend(bundling.arguments(&place.folder));
            let task = Task {
                files: Arc::new(Ruled {
                    files: place.files,
                    rules: bundling.rules,
                    folder: place.folder,
                }),
                directory: match place.main.rsplit_once('/') {
                    Some(("", _)) | None => "/".to_owned(),
                    Some((directory, _)) => directory.to_owned(),
                },
                main: place.main,
                arguments,
                limits,
            };
            let mut bundled = task.run(&esbuild, move || dropped.is_set());
            if let Ok(bundle) = &mut bundled.result {
                for file in &mut bundle.files {
                    *file = place.root.join(file.strip_prefix("/").unwrap_or(file));
                }
            }
            bundled
        });
        bundled.await.unwrap_or_else(|not| failed(not_done(&not)))
    }

    /// Bundles modules that are not files into one file. `main` has the handlers. This may take
    /// at most `cpu`.
    pub async fn modules(
        &self,
        requester: &str,
        main: &str,
        modules: Vec<Module>,
        cpu: Duration,
    ) -> Bundled {
        let size = modules.iter().map(Module::size).sum();
        let limits = Limits {
            cpu: cpu.min(STRANGERS.cpu),
            ..STRANGERS
        };
        if main.contains('=') {
            return failed(BundleError::Syntax(SyntaxError::of(format!(
                "the name of the main module `{main}` contains `=`; give it another name"
            ))));
        }
        let main = modules.iter().find(|module| module.name == main);
        let main = main.map_or_else(String::new, |main| {
            main.kind.marked(&format!("/{}", main.name))
        });
        let esbuild = Arc::clone(&self.esbuild);
        let bundled = self.turns.run(requester, size, move |dropped| {
            let files = match modules::tree(modules) {
                Ok(files) => files,
                Err(wrong) => return failed(BundleError::Syntax(SyntaxError::of(wrong))),
            };
            let task = Task {
                files: Arc::new(files),
                main,
                directory: "/".to_owned(),
                arguments: vec![kinds::second_names()],
                limits,
            };
            let mut bundled = task.run(&esbuild, move || dropped.is_set());
            bundled.result = bundled.result.map_err(|error| match error {
                BundleError::Syntax(wrong) => BundleError::Syntax(wrong.of_modules()),
                error => error,
            });
            bundled
        });
        bundled.await.unwrap_or_else(|not| failed(not_done(&not)))
    }
}

fn failed(error: BundleError) -> Bundled {
    Bundled {
        result: Err(error),
        cpu: Duration::ZERO,
    }
}

fn not_done(not: &NotDone) -> BundleError {
    match not {
        NotDone::Full => BundleError::Limit(
            "too many modules wait to be bundled; wait for the Workers that are being loaded"
                .to_owned(),
        ),
        NotDone::Lost => BundleError::Host(Error::new("the bundler has no thread, or panicked")),
    }
}
