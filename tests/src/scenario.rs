//! Workers in process: what a client gets and what is recorded.

mod endpoint;
mod upload;

pub use endpoint::{Endpoint, Received};
pub use upload::Upload;

use crate::folder::Folder;
use crate::guests;
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::Duration;
use taffrail_project::{Project, config};
use taffrail_runtime::{
    Builder, Error, FetchResult, RequestBody, ResponseBody, Runtime, TailConsumer, Target,
    WorkerSettings,
};
use taffrail_trace::{Outcome, TraceItem};
use tokio::sync::watch;

/// How long a test waits for something that always comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Components that have been compiled are kept between test runs.
static CACHE: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| guests::root().join("target/test-components"));

/// Scenarios at a time. Each reserves 8 TiB of address space for its pools of
/// instances, and a process has 128.
const SCENARIOS: usize = 8;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// A runtime with Workers in it and everything that was recorded.
pub struct Scenario {
    runtime: Runtime,
    items: Arc<Items>,
    _project: Option<Project>,
    _place: Place,
}

/// A client's view of one request.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status, if the guest set a response.
    pub status: Option<u16>,
    /// Its headers.
    pub headers: HeaderMap,
    /// What came of the body.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// Whether the body broke off.
    pub broken: bool,
    /// The outcome, if there was no response.
    pub failed: Option<Outcome>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Default)]
struct Items(watch::Sender<Vec<Arc<TraceItem>>>);

impl TailConsumer for Items {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.0.send_modify(|items| items.push(Arc::clone(item)));
    }
}

struct Place;

impl Place {
    fn take() -> Self {
        let (running, ended) = &RUNNING;
        let running = running.lock().unwrap();
        *ended
            .wait_while(running, |count| *count >= SCENARIOS)
            .unwrap() += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (running, ended) = &RUNNING;
        *running.lock().unwrap() -= 1;
        ended.notify_one();
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
        let place = Place::take();
        let items = Arc::new(Items::default());
        let builder = Runtime::builder()
            .cache(CACHE.as_path())
            .tail_consumer(items.clone());
        let runtime = make(builder).build().unwrap();
        Self {
            runtime,
            items,
            _project: None,
            _place: place,
        }
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
        let mut workers = paths
            .map(|path| config::load(&path, None))
            .collect::<Result<Vec<_>, _>>()?;
        for worker in &mut workers {
            worker.bundling.development = true;
        }
        config::apply_dev_vars(&mut workers, None)?;
        config::check_set(&workers)?;
        let place = Place::take();
        let items = Arc::new(Items::default());
        let project = Project::builder(guests::cache_home().join("taffrail"))
            .runtime(Runtime::builder().tail_consumer(items.clone()))
            .store(workers[0].dir.join(".taffrail"))
            .build(&workers)?;
        project.deploy_all(&workers).await?;
        Ok(Self {
            runtime: project.runtime().clone(),
            items,
            _project: Some(project),
            _place: place,
        })
    }

    /// The runtime itself.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
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
        let code = self.runtime.compiler().compile(&component).unwrap();
        self.runtime.deploy(settings, code)
    }

    /// Sends a GET request and waits for everything that it causes.
    pub async fn get(&self, worker: &str, path: &str) -> Answer {
        self.send(worker, request(path, Bytes::new())).await
    }

    /// Sends a request and waits for everything that it causes.
    pub async fn send(&self, worker: &str, request: Request<Bytes>) -> Answer {
        let answer = self.stream(worker, request.map(full)).await;
        self.idle().await;
        answer
    }

    /// Sends a request whose body streams, and reads the response to its end.
    ///
    /// # Panics
    ///
    /// When there is no such Worker.
    pub async fn stream(&self, worker: &str, request: Request<RequestBody>) -> Answer {
        let result = self.runtime.fetch(worker, request, None);
        match patiently(result).await.unwrap() {
            FetchResult::Response(response) => read(response).await,
            FetchResult::Failed { outcome, .. } => Answer {
                failed: Some(outcome),
                ..Answer::default()
            },
        }
    }

    /// Sends a request to `path` and leaves the body of its response unread.
    ///
    /// # Panics
    ///
    /// When the Worker gives no response.
    pub async fn open(
        &self,
        worker: &str,
        path: &str,
        body: RequestBody,
    ) -> http::Response<ResponseBody> {
        let result = self.runtime.fetch(worker, request(path, body), None);
        match patiently(result).await.unwrap() {
            FetchResult::Response(response) => response,
            FetchResult::Failed {
                outcome, exception, ..
            } => {
                panic!("no response but {outcome:?}: {exception:?}")
            }
        }
    }

    /// Waits until nothing runs and every item is delivered.
    pub async fn idle(&self) {
        patiently(self.runtime.idle()).await;
    }

    /// All items, in the order in which the invocations ended.
    #[must_use]
    pub fn items(&self) -> Vec<Arc<TraceItem>> {
        self.items.0.borrow().clone()
    }

    /// All items as Tail Workers get them in JSON.
    #[must_use]
    pub fn json(&self) -> Vec<Value> {
        self.items().iter().map(|item| json(item)).collect()
    }

    /// The items of a Worker.
    #[must_use]
    pub fn items_of(&self, worker: &str) -> Vec<Arc<TraceItem>> {
        let mut items = self.items();
        items.retain(|item| item.script.script_name.as_deref() == Some(worker));
        items
    }

    /// The only item of a Worker.
    ///
    /// # Panics
    ///
    /// When it has none or several.
    #[must_use]
    pub fn item(&self, worker: &str) -> Arc<TraceItem> {
        let mut found = self.items_of(worker);
        assert_eq!(found.len(), 1, "items of `{worker}`: {found:#?}");
        found.remove(0)
    }

    /// Waits for the first item of a Worker, whatever else still goes on.
    ///
    /// # Panics
    ///
    /// When it does not come.
    pub async fn item_from(&self, worker: &str) -> Arc<TraceItem> {
        let mut changes = self.items.0.subscribe();
        let arrived = changes.wait_for(|_| !self.items_of(worker).is_empty());
        drop(patiently(arrived).await.unwrap());
        self.items_of(worker).remove(0)
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

/// A GET request for a path.
///
/// # Panics
///
/// When the path is malformed.
pub fn request<B>(path: &str, body: B) -> Request<B> {
    Request::get(format!("http://localhost{path}"))
        .header("host", "localhost")
        .body(body)
        .unwrap()
}

/// A request body that is there at once.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> RequestBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Reads a response to its end.
pub async fn read(response: http::Response<ResponseBody>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: Some(head.status.as_u16()),
        headers: head.headers,
        ..Answer::default()
    };
    while let Some(frame) = patiently(body.frame()).await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => answer.body.extend_from_slice(&data),
            Ok(Err(frame)) => answer.trailers = frame.into_trailers().ok(),
            Err(_) => {
                answer.broken = true;
                break;
            }
        }
    }
    answer
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

/// Waits for something that always comes.
///
/// # Panics
///
/// When it does not come.
pub async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it comes in time")
}

/// What an item logged, as `level text`, where a string stands as it is and
/// other arguments as JSON.
#[must_use]
pub fn logs(item: &TraceItem) -> Vec<String> {
    item.logs
        .iter()
        .map(|log| {
            let arguments = log.message.iter().map(|json| {
                serde_json::from_str::<String>(json.get()).unwrap_or_else(|_| json.get().to_owned())
            });
            let level = serde_json::to_value(log.level).unwrap_or_default();
            let level = level.as_str().unwrap_or_default().to_owned();
            std::iter::once(level)
                .chain(arguments)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// An item as Tail Workers get it in JSON.
///
/// # Panics
///
/// When it has no JSON form.
#[must_use]
pub fn json(item: &TraceItem) -> Value {
    serde_json::to_value(item).unwrap()
}
