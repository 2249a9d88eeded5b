//! The Workers of dispatch namespaces: folders that are looked into when a
//! Worker is asked for.

use crate::config::{self, Grant, Namespace, WorkerConfig};
use crate::error::{Error, Result};
use crate::javascript::JavaScript;
use crate::settings::settings;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_javascript::{Boundary, Bundle, read_main};
use taffrail_runtime::{Code, Compiler, Finding, Found, Namespaces, Wanted};
use tokio::time::Instant;

/// Finds user Workers, and notices when one changes.
pub(crate) struct UserWorkers {
    namespaces: BTreeMap<String, Vec<Namespace>>,
    env: Option<String>,
    javascript: Arc<JavaScript>,
    /// The files that each was made of.
    files: Mutex<HashMap<Key, Vec<PathBuf>>>,
    /// Those that could not be bundled the last time.
    failures: Mutex<HashMap<Key, Failure>>,
}

/// A namespace and a name.
type Key = (String, String);

/// Why a script was not bundled.
struct Failure {
    /// That of the main file and the configuration.
    version: Option<u64>,
    /// When it is tried again with the same main file and configuration: another
    /// file may have changed.
    until: Instant,
    error: String,
}

/// How much longer than a failure took it is not repeated: a Worker that cannot
/// be bundled costs a tenth of a processor at most, however often it is asked
/// for.
const PAUSE: u32 = 10;

impl UserWorkers {
    /// The Workers in the places that `configs` give for their namespaces.
    pub(crate) fn new(
        configs: &[WorkerConfig],
        env: Option<String>,
        javascript: Arc<JavaScript>,
    ) -> Self {
        let mut namespaces: BTreeMap<String, Vec<Namespace>> = BTreeMap::new();
        for (name, namespace) in configs.iter().flat_map(|config| &config.namespaces) {
            let known = namespaces.entry(name.clone()).or_default();
            known.push(namespace.clone());
        }
        Self {
            namespaces,
            env,
            javascript,
            files: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    async fn look(
        &self,
        compiler: &Compiler,
        Wanted {
            namespace,
            name,
            id,
            known,
        }: Wanted<'_>,
    ) -> Result<Found> {
        let key = (namespace.to_owned(), name.to_owned());
        let files = self.files().get(&key).cloned();
        if let Some(files) = files
            && known == version(&files)
        {
            return Ok(Found::Unchanged);
        }
        self.files().remove(&key);
        let Some((mut config, grant)) = self.locate(namespace, name)? else {
            return Ok(Found::Nothing);
        };
        grant
            .apply(&mut config, id)
            .map_err(|error| error.context(config.path.display().to_string()))?;
        let mut files = vec![config.path.clone(), config.main.clone()];
        let code = if config::is_script(&config.main) {
            let bundle = self.bundle(&key, &config, &files).await?;
            files.extend(bundle.files.iter().cloned());
            Code::Script(self.javascript.script(compiler, &bundle).await?)
        } else {
            let bytes = read_main(boundary(&config), &config.dir, &config.main);
            let bytes = bytes.map_err(|error| Error::code(error.to_string()))?;
            Code::Component(compiler.compile_untrusted(bytes).await?)
        };
        // One that goes away meanwhile is found to be gone the next time.
        let version = version(&files).unwrap_or_default();
        self.files().insert(key, files);
        Ok(Found::Worker {
            version,
            settings: Box::new(settings(&config)),
            code: Box::new(code),
        })
    }

    /// Makes one file of a script, unless it is known that this fails.
    async fn bundle(&self, key: &Key, config: &WorkerConfig, files: &[PathBuf]) -> Result<Bundle> {
        let version = version(files);
        if let Some(failure) = self.failures().get(key)
            && failure.version == version
            && Instant::now() < failure.until
        {
            return Err(Error::code(failure.error.clone()));
        }
        let (namespace, name) = key;
        let requester = format!("user {namespace}/{name}");
        let bundling = self
            .javascript
            .bundle_within(boundary(config), &requester, config);
        let (bundle, cpu) = bundling.await?;
        let bundle = bundle.map_err(|error| error.context("it cannot be bundled"));
        match &bundle {
            Ok(_) => self.failures().remove(key),
            Err(error) => self.failures().insert(
                key.clone(),
                Failure {
                    version,
                    until: Instant::now() + cpu * PAUSE,
                    error: format!("{error:#}"),
                },
            ),
        };
        bundle
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<Key, Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration of a Worker: by the name of its folder or file, or
    /// else by the name in it.
    fn locate(&self, namespace: &str, name: &str) -> Result<Option<(WorkerConfig, &Grant)>> {
        let is_name = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            return Ok(None);
        }
        let places = self.namespaces.get(namespace).into_iter().flatten();
        let places = places
            .flat_map(|Namespace { places, grant }| places.iter().map(move |place| (place, grant)));
        for (place, grant) in places {
            let likely = ["", ".js", ".mjs", ".ts", ".wasm"].map(|end| format!("{name}{end}"));
            for path in likely.map(|likely| place.join(likely)) {
                if path.exists() {
                    let config = config::load(&path, self.env.as_deref())?;
                    if config.name == name {
                        return Ok(Some((config, grant)));
                    }
                }
            }
            let others = fs::read_dir(place).into_iter().flatten().flatten();
            let others = others.map(|entry| entry.path());
            for path in others.chain([place.clone()]) {
                if is_worker(&path)
                    && let Ok(config) = config::load(&path, self.env.as_deref())
                    && config.name == name
                {
                    return Ok(Some((config, grant)));
                }
            }
        }
        Ok(None)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<Key, Vec<PathBuf>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which files a Worker may be made of: those beside one that is one file belong
/// to others.
fn boundary(config: &WorkerConfig) -> Boundary {
    match config.path == config.main {
        true => Boundary::File,
        false => Boundary::Folder,
    }
}

fn is_worker(path: &Path) -> bool {
    path.is_file()
        || ["wrangler.toml", "wrangler.json", "wrangler.jsonc"]
            .iter()
            .any(|name| path.join(name).exists())
}

/// What tells the contents of files from earlier ones, unless one is gone.
fn version(files: &[PathBuf]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let metadata = fs::metadata(file).ok()?;
        (file, metadata.modified().ok()?, metadata.len()).hash(&mut hasher);
    }
    Some(hasher.finish())
}

impl Namespaces for UserWorkers {
    fn find<'a>(&'a self, compiler: &'a Compiler, wanted: Wanted<'a>) -> Finding<'a> {
        Box::pin(async move {
            let namespace = wanted.namespace;
            let found = self.look(compiler, wanted).await;
            found.map_err(|error| self.without_host(namespace, &format!("{error:#}")))
        })
    }
}

impl UserWorkers {
    /// What is wrong with a Worker, for those who wrote it: they are not told
    /// where on the host their namespace is.
    fn without_host(&self, namespace: &str, error: &str) -> String {
        let known = self.namespaces.get(namespace).into_iter().flatten();
        let places = known.flat_map(|namespace| &namespace.places);
        places.fold(error.to_owned(), |error, place| {
            error.replace(&format!("{}/", place.display()), "")
        })
    }
}
