//! Workers in process: what a client gets and what is recorded.

mod endpoint;
mod upload;

pub use endpoint::{Endpoint, Received};
pub use upload::Upload;

use crate::folder::Folder;
use crate::guests;
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::Value;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use taffrail_runtime::{Builder, Error, ResponseBody, TailConsumer, Target, WorkerSettings};
pub use taffrail_test::{Answer, full, logs, patiently, read, request};
use taffrail_test::{Item, Items};
use taffrail_trace::TraceItem;

/// Where the engine of scripts and compiled code are kept between test runs.
static CACHE: LazyLock<PathBuf> = LazyLock::new(|| guests::cache_home().join("taffrail"));

/// A scenario with guests and folders of the tests.
pub struct Scenario(taffrail_test::Scenario);

impl Deref for Scenario {
    type Target = taffrail_test::Scenario;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}

impl Scenario {
    /// A runtime without Workers.
    ///
    /// # Panics
    ///
    /// When the runtime cannot start.
    #[must_use]
    pub fn new() -> Self {
        Self::with_consumers(Vec::new())
    }

    /// A runtime without Workers that tells these consumers, too.
    ///
    /// # Panics
    ///
    /// When the runtime cannot start.
    #[must_use]
    pub fn with_consumers(consumers: Vec<Arc<dyn TailConsumer>>) -> Self {
        Self::built(|builder| consumers.into_iter().fold(builder, Builder::tail_consumer))
    }

    /// A runtime without Workers that is made as a test wants it.
    ///
    /// # Panics
    ///
    /// When the runtime cannot start.
    #[must_use]
    pub fn built(make: impl FnOnce(Builder) -> Builder) -> Self {
        Self(taffrail_test::Scenario::of_runtime(&CACHE, make).unwrap())
    }

    /// The Workers at these paths of a folder, as `taffrail invoke` has them. The
    /// folder is to live as long as they do.
    ///
    /// # Panics
    ///
    /// When they cannot be deployed.
    pub async fn of(folder: &Folder, paths: &[&str]) -> Self {
        let deployed = Self::try_of(folder, paths).await;
        deployed.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// The Workers at these paths of a folder, unless they cannot be deployed.
    ///
    /// # Errors
    ///
    /// When their configurations are wrong, or one cannot be built or run.
    pub async fn try_of(folder: &Folder, paths: &[&str]) -> Result<Self, taffrail_project::Error> {
        let paths = paths.iter().map(|path| folder.path().join(path));
        let builder = taffrail_test::Scenario::builder()
            .cache(CACHE.as_path())
            .with_network();
        let workers = paths.fold(builder, taffrail_test::Builder::worker);
        workers.start().await.map(Self)
    }

    /// Adds a Worker that runs the guest of the same name.
    #[must_use]
    pub fn worker(self, guest: &str) -> Self {
        self.deploy(guest, WorkerSettings::new(guest))
    }

    /// Adds a Worker that runs the guest of the same name and has tail
    /// consumers.
    #[must_use]
    pub fn worker_with_tails(self, guest: &str, tails: &[&str]) -> Self {
        let settings = WorkerSettings {
            tail_consumers: tails.iter().map(|tail| Target::from(*tail)).collect(),
            ..WorkerSettings::new(guest)
        };
        self.deploy(guest, settings)
    }

    /// Adds a Worker that runs `guest` with these settings.
    ///
    /// # Panics
    ///
    /// When it cannot be deployed.
    #[must_use]
    pub fn deploy(self, guest: &str, settings: WorkerSettings) -> Self {
        self.redeploy(guest, settings).unwrap();
        self
    }

    /// Puts a Worker that runs `guest` in place.
    ///
    /// # Errors
    ///
    /// When its settings do not go together with those of other Workers.
    ///
    /// # Panics
    ///
    /// When the guest cannot be compiled.
    pub fn redeploy(&self, guest: &str, settings: WorkerSettings) -> Result<(), Error> {
        let component = std::fs::read(guests::component(guest)).unwrap();
        let code = self.runtime().compiler().compile(&component).unwrap();
        self.runtime().deploy(settings, code)
    }

    /// All items as Tail Workers get them in JSON.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        self.0.items().iter().map(Item::json).collect()
    }

    /// All items, in the order in which the invocations ended.
    #[must_use]
    pub fn items(&self) -> Vec<Arc<TraceItem>> {
        shared(self.0.items())
    }

    /// The items of a Worker.
    #[must_use]
    pub fn items_of(&self, worker: &str) -> Vec<Arc<TraceItem>> {
        shared(self.0.items().of(worker))
    }

    /// The only item of a Worker.
    ///
    /// # Panics
    ///
    /// When it has none or several.
    #[must_use]
    pub fn item(&self, worker: &str) -> Arc<TraceItem> {
        self.0.items().of(worker).only().clone().into()
    }
}

/// Runs the Workers at these paths of a folder as `taffrail invoke` does: the
/// answer of the first one, which has the name of its folder or file, to a GET
/// request, and all items as JSON.
///
/// # Panics
///
/// When they cannot be deployed.
pub async fn invoke(folder: &Folder, paths: &[&str]) -> (Answer, Vec<Value>) {
    let scenario = Scenario::of(folder, paths).await;
    let name = Path::new(paths[0]).file_prefix().unwrap_or_default();
    let answer = scenario.get(&name.to_string_lossy(), "/").await;
    (answer, scenario.json())
}

/// Why the Workers at these paths of a folder cannot be deployed, as `taffrail`
/// says it when it runs in that folder.
///
/// # Panics
///
/// When they can.
pub async fn refused(folder: &Folder, paths: &[&str]) -> String {
    let error = Scenario::try_of(folder, paths).await.err();
    let text = format!("{:#}", error.expect("they cannot be deployed"));
    text.replace(&format!("{}/", folder.path().display()), "")
}

/// The next piece of a body.
///
/// # Panics
///
/// When the body has ended or is broken.
pub async fn next_piece(body: &mut ResponseBody) -> Bytes {
    let frame = patiently(body.frame()).await.expect("there is more");
    frame.unwrap().into_data().expect("it is data")
}

/// An item as Tail Workers get it in JSON.
///
/// # Panics
///
/// Panics if the item has no JSON form.
#[must_use]
pub fn json(item: &TraceItem) -> Value {
    serde_json::to_value(item).unwrap()
}

fn shared(items: Items) -> Vec<Arc<TraceItem>> {
    items.into_iter().map(Arc::from).collect()
}
