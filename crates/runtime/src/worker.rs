//! A deployed Worker: its settings, its code, and who receives its items.

use crate::component::Component;
use crate::component::debug_file::DebugFile;
use crate::component::execute;
use crate::delivery::{Consumers, NotBegun};
use crate::error::Error;
use crate::event::Event;
use crate::invocation::Invocation;
use crate::invocation::body::{Reader, ResponseBody, received};
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::ending::{Call, Cut, Failure, Response};
use crate::invocation::lanes::Lanes;
use crate::invocation::running::Running;
use crate::invocation::session;
use crate::places::Share;
use crate::platform::Platform;
use crate::platform::dispatch::Terms;
use crate::platform::service::CallFailed;
use crate::script;
use crate::script::{Isolates, Script};
use crate::settings::identity::WorkerId;
use crate::settings::{ObjectId, Target, WorkerSettings};
use crate::store::Storage;
use http::Request;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use taffrail_trace::{
    EventInfo, ExecutionModel, LogLevel, Outcome, RequestData, TailRequest, TraceException,
};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use wasmtime_wasi_config::WasiConfigVariables;
use wasmtime_wasi_http::WasiBody;

/// What there is to run for a Worker.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one a Worker, and no one has to box a component"
)]
pub enum Code {
    /// A compiled component.
    Component(Component),
    /// A script and the engine that runs it.
    Script(Script),
    /// Nothing, and the reason for it: every event ends as `scriptNotFound`.
    Missing(String),
    /// A script that cannot be evaluated: every event ends with this exception.
    Broken {
        /// The name of the exception.
        name: String,
        /// What it says.
        message: String,
        /// Its frames, one a line.
        stack: Option<String>,
    },
}

/// Code that can run.
pub(crate) enum Program<'a> {
    Component(&'a Component),
    Script(&'a Script),
}

/// How a fetch event was answered.
pub enum FetchResult {
    /// The guest set a response. Its invocation may still be running.
    Response(http::Response<ResponseBody>),
    /// The guest set none; what the client is told is the caller's affair.
    Failed {
        /// How the invocation ended.
        outcome: Outcome,
        /// What went wrong, if there is more to say than the outcome.
        exception: Option<TraceException>,
        /// Whether the code could be started at all.
        started: bool,
    },
}

/// The way by which an event comes to a Worker.
#[derive(Clone, Default)]
pub(crate) struct Via {
    /// How the caller refers to the Worker, if another Worker is the caller.
    pub(crate) target: Option<Arc<Target>>,
    /// The invocation that called.
    pub(crate) parent: Option<Parent>,
    /// How many calls and tails led here, one after the other.
    pub(crate) depth: u32,
    /// How many of these a client merely says that there were. They do not count
    /// for the tails: a client must not keep its items from them.
    pub(crate) claimed: u32,
    /// Where what is recorded goes as it happens, too.
    pub(crate) live: Option<session::Sender>,
    /// What a dispatcher has decided for it.
    pub(crate) terms: Option<Terms>,
    /// What it has in its `env` as an outbound Worker.
    pub(crate) parameters: Option<Arc<Map<String, Value>>>,
}

/// An invocation that called another Worker.
#[derive(Clone)]
pub(crate) struct Parent {
    /// Its id.
    pub(crate) invocation: String,
    /// The id of the invocation with which the request began.
    pub(crate) request: String,
}

impl Via {
    pub(crate) fn entrypoint(&self) -> Option<&str> {
        self.target.as_ref()?.entrypoint.as_deref()
    }

    /// The Durable Object that is called, if it is one.
    pub(crate) fn object(&self) -> Option<&ObjectId> {
        self.target.as_ref()?.object.as_ref()
    }
}

pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) settings: WorkerSettings,
    pub(crate) code: Code,
    pub(crate) config: Arc<WasiConfigVariables>,
    pub(crate) consumers: Arc<Consumers>,
    /// What it is a part of.
    pub(crate) platform: Weak<Platform>,
    pub(crate) tracker: TaskTracker,
    pub(crate) lanes: Arc<Lanes>,
    /// Held while a component is compiled that it loads: one at a time.
    pub(crate) compiles: tokio::sync::Mutex<()>,
    pub(crate) running: Running,
    /// What it may run at a time.
    pub(crate) share: Arc<Share>,
    pub(crate) places: Arc<Isolates>,
    /// What it and its objects keep.
    pub(crate) storage: Storage,
    pub(crate) stopped: AtomicBool,
}

impl Worker {
    /// Runs a fetch event until there is a response, and lets the rest of the
    /// invocation go on behind it.
    ///
    /// Dropping the future is how a caller says that the client is gone.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        request: Request<WasiBody>,
        cf: Option<taffrail_trace::Json>,
        via: Via,
        reader: Reader,
    ) -> FetchResult {
        let event = EventInfo::Fetch {
            request: TailRequest::new(request_data(&request, cf.clone())),
            response: None,
        };
        let head = *request.method() == http::Method::HEAD;
        let invocation = Invocation::start(&self, via, event, Response::Unset);
        if invocation.admit().is_err() {
            return invocation.failed();
        }
        let request = request.map(|body| received(body, &invocation));
        let (respond, mut responded) = oneshot::channel();
        let fetch = execute::fetch(Arc::clone(&invocation), request, cf, respond);
        let mut run = Box::pin(Arc::clone(&self).run(Arc::clone(&invocation), 1, fetch));
        // The guest is polled right here; it costs a task of its own only if
        // it goes on after its response.
        let (response, running) = tokio::select! {
            biased;
            () = &mut run => (responded.try_recv().ok(), false),
            response = &mut responded => (response.ok(), true),
        };
        match response {
            Some(response) => {
                if running {
                    tokio::spawn(behind_response(Arc::clone(&invocation), run));
                }
                FetchResult::Response(ResponseBody::attach(response, invocation, reader, head))
            }
            None => {
                if running {
                    run.await;
                }
                invocation.failed()
            }
        }
    }

    /// Runs an event that no client waits for to its end, and returns what its
    /// handler wants to become of it, too.
    pub(crate) async fn dispatch(
        self: Arc<Self>,
        event: Event,
        via: Via,
    ) -> (Outcome, Option<String>) {
        let invocation = self.handle(event, via).await;
        (invocation.verdict().0, invocation.wishes())
    }

    /// Runs a tail event to its end. It fails if it did not begin.
    pub(crate) async fn tail(self: Arc<Self>, event: Event, via: Via) -> Result<(), NotBegun> {
        match self.handle(event, via).await.not_begun() {
            None => Ok(()),
            Some(reason) => Err(reason),
        }
    }

    async fn handle(self: Arc<Self>, event: Event, via: Via) -> Arc<Invocation> {
        let invocation = Invocation::start(&self, via, event.info(), Response::NotExpected);
        let items = match &event {
            Event::Tail(items) => u32::try_from(items.len()).unwrap_or(u32::MAX),
            Event::Scheduled { .. } | Event::Queue { .. } => 1,
        };
        // Whoever makes events from outside makes few of them, and those of
        // tails have places of their own.
        let is_free = invocation.via.parent.is_none() || matches!(event, Event::Tail(_));
        if is_free || invocation.admit().is_ok() {
            let run = execute::dispatch(Arc::clone(&invocation), event);
            self.run(Arc::clone(&invocation), items, run).await;
        }
        invocation
    }

    /// Runs a session with another script to its end, and tells how it failed
    /// if it did. `event` is what is recorded of it.
    pub(crate) async fn session(
        self: Arc<Self>,
        event: EventInfo,
        end: session::End,
        via: Via,
    ) -> Option<CallFailed> {
        let invocation = Invocation::start(&self, via, event, Response::NotExpected);
        if invocation.admit().is_ok() {
            invocation.exchange.session(end);
            let event = script::Event::Session;
            let run = execute::dispatch_to_script(Arc::clone(&invocation), event, "rpc");
            self.run(Arc::clone(&invocation), 1, run).await;
        }
        match invocation.failed() {
            FetchResult::Failed {
                outcome,
                exception,
                started,
            } if outcome != Outcome::Ok => Some(CallFailed::of(exception, started)),
            _ => None,
        }
    }

    /// Has a Durable Object handle its alarm.
    pub(crate) async fn alarm(
        self: Arc<Self>,
        scheduled_time: u64,
        retry_count: u32,
        via: Via,
    ) -> Outcome {
        let event = EventInfo::Alarm { scheduled_time };
        let invocation = Invocation::start(&self, via, event, Response::NotExpected);
        if invocation.admit().is_ok() {
            let event = script::Event::Alarm {
                scheduled_time,
                retry_count,
            };
            let run = execute::dispatch_to_script(Arc::clone(&invocation), event, "alarm");
            self.run(Arc::clone(&invocation), 1, run).await;
        }
        invocation.verdict().0
    }

    /// Runs the guest of an invocation that handles `items` things in one. A
    /// panic of the host ends the invocation.
    fn run(
        self: Arc<Self>,
        invocation: Arc<Invocation>,
        items: u32,
        run: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        // Here, or each future around it would hold and move all of it.
        let run = Box::pin(run);
        let ran = Arc::clone(&invocation);
        let run = async move {
            if caught(run).await.is_err() {
                ran.exchange.finish();
                ran.ended(Call::HostFailed(Panicked::MESSAGE.to_owned()));
            }
        };
        async move { self.lanes.run(invocation, items, run).await }
    }

    /// Evaluates the script, if it is one, ahead of its first event.
    pub(crate) async fn start_script(self: &Arc<Self>) -> Result<(), Error> {
        let Code::Script(script) = &self.code else {
            return Ok(());
        };
        let invocation = Invocation::rehearsal(self);
        script.start(&invocation).await;
        match invocation.verdict() {
            (Outcome::Ok, _) => Ok(()),
            (outcome, exception) => Err(Error::script(outcome, exception)),
        }
    }

    /// Ends what runs, and lets nothing more begin.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.running.cut(Cut::Killed);
    }

    /// Takes [`stop`](Self::stop) back.
    pub(crate) fn start(&self) {
        self.stopped.store(false, Relaxed);
    }

    /// The code, or the end of an invocation that finds none.
    pub(crate) fn program(&self) -> Result<Program<'_>, Call> {
        if self.stopped.load(Relaxed) {
            return Err(Call::Stopped);
        }
        match &self.code {
            Code::Component(component) => Ok(Program::Component(component)),
            Code::Script(script) => Ok(Program::Script(script)),
            Code::Broken {
                name,
                message,
                stack,
            } => Err(Call::NotStarted(Failure {
                name: name.clone(),
                message: message.clone(),
                stack: stack.clone(),
            })),
            Code::Missing(reason) => Err(Call::NoScript(format!(
                "Worker `{}` has no code to run: {reason}",
                self.id
            ))),
        }
    }

    /// The places that an instance of it takes.
    pub(crate) fn size(&self) -> usize {
        match &self.code {
            Code::Component(component) => component.size(),
            Code::Script(_) | Code::Missing(_) | Code::Broken { .. } => 1,
        }
    }

    /// The debug information beside its component.
    pub(crate) fn debug_file(&self) -> Option<&DebugFile> {
        match &self.code {
            Code::Component(component) => component.debug.as_ref(),
            Code::Script(_) | Code::Missing(_) | Code::Broken { .. } => None,
        }
    }

    pub(crate) fn script(&self, via: &Via) -> taffrail_trace::Script {
        taffrail_trace::Script {
            script_name: self.id.script_name().map(ToOwned::to_owned),
            entrypoint: via.entrypoint().map(ToOwned::to_owned),
            durable_object_id: via.object().map(|object| object.id.clone()),
            dispatch_namespace: self
                .id
                .user_worker()
                .map(|(namespace, _)| namespace.to_owned()),
            execution_model: match via.object() {
                Some(_) => ExecutionModel::DurableObject,
                None => ExecutionModel::Stateless,
            },
            ..taffrail_trace::Script::default()
        }
    }
}

/// Runs what a fetch event does after its response has begun.
async fn behind_response(invocation: Arc<Invocation>, mut run: Pin<Box<impl Future<Output = ()>>>) {
    tokio::select! {
        biased;
        () = &mut run => return,
        () = invocation.until_late() => {}
    }
    run.await;
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Code::Script(script) = &self.code {
            self.places.forget(script.id());
        }
    }
}

fn request_data(request: &Request<WasiBody>, cf: Option<taffrail_trace::Json>) -> RequestData {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    let uri = match request.uri().to_string() {
        uri if uri.is_ascii() => uri,
        // Some clients send other characters as they are.
        uri => utf8_percent_encode(&uri, CONTROLS).to_string(),
    };
    RequestData::new(request.method().as_str(), uri, headers, cf)
}

/// What workerd logs when an event meets a Worker without its handler.
pub(crate) fn log_missing_handler(invocation: &Invocation, handler: &'static str) -> Call {
    let text = match handler {
        "fetch" => {
            "Received a FetchEvent but we lack a handler for FetchEvents. Did you remember to export a fetch() function?"
        }
        "tail" => {
            "Attempted to send events but we lack a handler, did you remember to export a tail() function?"
        }
        "scheduled" => {
            "Received a ScheduledEvent but we lack a handler for ScheduledEvents (a.k.a. Cron Triggers). Did you remember to export a scheduled() function?"
        }
        _ => {
            "Received a QueueEvent but we lack a handler for QueueEvents. Did you remember to export a queue() function?"
        }
    };
    invocation.log_text(LogLevel::Warn, text);
    Call::NoHandler(handler)
}
