//! The Workers of dispatch namespaces. Their folders are searched when a Worker is called.

use crate::blocking::blocking;
use crate::component;
use crate::config::{self, Grant, MainKind, Namespace, WorkerConfig};
use crate::error::{Error, Result};
use crate::fingerprint::{fingerprint, written_since};
use crate::javascript::JavaScript;
use crate::settings::settings;
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_javascript::{Boundary, Bundle, read_file};
use taffrail_runtime::{BoxFuture, Code, Compiler, Found, Namespaces, Wanted};
use tokio::time::Instant;

/// Finds user Workers, and detects changes of their files.
pub(crate) struct UserWorkers {
    namespaces: BTreeMap<String, Arc<[Namespace]>>,
    env: Option<String>,
    javascript: Arc<JavaScript>,
    /// The source files of each Worker.
    files: Mutex<HashMap<Key, Vec<PathBuf>>>,
    /// The failures of Workers whose last bundling failed.
    failures: Mutex<HashMap<Key, Failure>>,
}

/// The namespace and the name of a Worker.
type Key = (String, String);

/// A failed bundling.
struct Failure {
    /// The version of the main file and the configuration.
    version: Option<u64>,
    /// Until this time, it is not tried again with the same main file and configuration. Another
    /// file may have changed.
    until: Instant,
    error: String,
}

/// How long a failed bundling is not repeated, as a multiple of the time that it took. So a
/// Worker that cannot be bundled costs at most a tenth of a processor, however often it is
/// called.
const PAUSE: u32 = 10;

impl UserWorkers {
    /// Creates the namespaces that `configs` define.
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
        let namespaces = namespaces.into_iter();
        Self {
            namespaces: namespaces
                .map(|(name, places)| (name, places.into()))
                .collect(),
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
            && known == fingerprint(&files)
        {
            return Ok(Found::Unchanged);
        }
        self.files().remove(&key);
        let began = Timestamp::now();
        let Some((mut config, grant)) = self.locate(namespace, name).await? else {
            return Ok(Found::Nothing);
        };
        grant
            .apply(&mut config, id)
            .map_err(|error| error.context(config.path.display().to_string()))?;
        let mut files = vec![config.path.clone(), config.main.clone()];
        let code = match MainKind::of(&config.main) {
            MainKind::Script => {
                let bundle = self.bundle(&key, &config, &files).await?;
                files.extend(bundle.files.iter().cloned());
                Code::Script(self.javascript.script(compiler, &bundle).await?)
            }
            MainKind::Source(language) => {
                return Err(Error::code(format!(
                    "user Workers in {} are not built when they are called: make a component with `taffrail build`, and name it as `main`",
                    language.name()
                )));
            }
            MainKind::Component => {
                let boundary = boundary(&config);
                let (dir, main) = (config.dir.clone(), config.main.clone());
                let bytes = blocking(move || read_file(boundary, &dir, &main)).await?;
                let bytes = bytes.map_err(|error| Error::code(error.to_string()))?;
                component::compile(compiler, &config, boundary, Bytes::from_owner(bytes)).await?
            }
        };
        // A file that has been removed in the meantime is noticed next time, and one that changes
        // is read again.
        let version = fingerprint(&files).unwrap_or_default();
        if !written_since(&files, began) {
            self.files().insert(key, files);
        }
        Ok(Found::Worker {
            version,
            settings: Box::new(settings(&config)),
            code: Box::new(code),
        })
    }

    async fn locate(&self, namespace: &str, name: &str) -> Result<Option<(WorkerConfig, Grant)>> {
        let Some(known) = self.namespaces.get(namespace).cloned() else {
            return Ok(None);
        };
        let (name, env) = (name.to_owned(), self.env.clone());
        blocking(move || locate(&known, &name, env.as_deref())).await?
    }

    /// Bundles a script, unless a previous failure is still recent.
    async fn bundle(&self, key: &Key, config: &WorkerConfig, files: &[PathBuf]) -> Result<Bundle> {
        let version = fingerprint(files);
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

    fn files(&self) -> MutexGuard<'_, HashMap<Key, Vec<PathBuf>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns which files a Worker may include. If it is a single file, the files beside it belong
/// to other Workers.
fn boundary(config: &WorkerConfig) -> Boundary {
    match config.path == config.main {
        true => Boundary::File,
        false => Boundary::Folder,
    }
}

/// Finds the configuration of a Worker: by the name of its folder or file, or else by the `name`
/// in it.
fn locate(
    namespaces: &[Namespace],
    name: &str,
    env: Option<&str>,
) -> Result<Option<(WorkerConfig, Grant)>> {
    if !config::is_name(name) {
        return Ok(None);
    }
    let places = namespaces
        .iter()
        .flat_map(|Namespace { places, grant }| places.iter().map(move |place| (place, grant)));
    for (place, grant) in places {
        for path in config::likely_paths(place, name) {
            if path.exists() {
                let config = config::load(&path, env)?;
                if config.name == name {
                    return Ok(Some((config, grant.clone())));
                }
            }
        }
        let others = fs::read_dir(place).into_iter().flatten().flatten();
        let others = others.map(|entry| entry.path());
        for path in others.chain([place.clone()]) {
            if config::may_be_worker(&path)
                && let Ok(config) = config::load(&path, env)
                && config.name == name
            {
                return Ok(Some((config, grant.clone())));
            }
        }
    }
    Ok(None)
}

impl Namespaces for UserWorkers {
    fn find<'a>(
        &'a self,
        compiler: &'a Compiler,
        wanted: Wanted<'a>,
    ) -> BoxFuture<'a, Result<Found, String>> {
        Box::pin(async move {
            let namespace = wanted.namespace;
            let found = self.look(compiler, wanted).await;
            found.map_err(|error| self.without_host_paths(namespace, &format!("{error:#}")))
        })
    }
}

impl UserWorkers {
    /// Rewrites an error for the authors of a Worker. It must not reveal where the namespace is
    /// on the host.
    fn without_host_paths(&self, namespace: &str, error: &str) -> String {
        let known = self
            .namespaces
            .get(namespace)
            .into_iter()
            .flat_map(|known| known.iter());
        let places = known.flat_map(|namespace| &namespace.places);
        places.fold(error.to_owned(), |error, place| {
            error.replace(&format!("{}/", place.display()), "")
        })
    }
}
