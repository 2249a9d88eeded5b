//! The Workers of dispatch namespaces: folders that are looked into when a
//! Worker is asked for.

use crate::config::{self, Grant, Namespace, WorkerConfig};
use crate::javascript::JavaScript;
use crate::workers;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use taffrail_javascript::{Boundary, read_main};
use taffrail_runtime::{Code, Finding, Found, Namespaces, Runtime, Wanted};

/// Finds user Workers, and notices when one changes.
pub(crate) struct UserWorkers {
    namespaces: BTreeMap<String, Vec<Namespace>>,
    env: Option<String>,
    javascript: Arc<JavaScript>,
    /// The files that each was made of, by namespace and name.
    files: Mutex<HashMap<(String, String), Vec<PathBuf>>>,
}

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
        }
    }

    async fn look(
        &self,
        runtime: &Runtime,
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
            .with_context(|| config.path.display().to_string())?;
        let mut files = vec![config.path.clone(), config.main.clone()];
        // Those beside a Worker that is one file belong to others.
        let boundary = match config.path == config.main {
            true => Boundary::File,
            false => Boundary::Folder,
        };
        let code = if config::is_script(&config.main) {
            let requester = format!("user {namespace}/{name}");
            let bundling = self.javascript.bundle_within(boundary, &requester, &config);
            let bundle = bundling.await.context("it cannot be bundled")?;
            files.extend(bundle.files.iter().cloned());
            Code::Script(self.javascript.script(runtime, &bundle).await?)
        } else {
            let bytes = read_main(boundary, &config.dir, &config.main)?;
            Code::Component(runtime.compile_untrusted(bytes).await?)
        };
        // One that goes away meanwhile is found to be gone the next time.
        let version = version(&files).unwrap_or_default();
        self.files().insert(key, files);
        Ok(Found::Worker {
            version,
            settings: Box::new(workers::settings(&config)),
            code: Box::new(code),
        })
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

    fn files(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Vec<PathBuf>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn find<'a>(&'a self, runtime: &'a Runtime, wanted: Wanted<'a>) -> Finding<'a> {
        Box::pin(async move {
            let namespace = wanted.namespace;
            let found = self.look(runtime, wanted).await;
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
