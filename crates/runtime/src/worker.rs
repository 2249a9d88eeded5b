//! A deployed Worker: its settings, its code, and the consumers of its items.

use crate::channels::failed::CallFailed;
use crate::channels::{BoxFuture, Channel};
use crate::component::Component;
use crate::component::instance::Instance;
use crate::component::run;
use crate::delivery::{NotBegun, TailCall, TailStream, TailWorker};
use crate::error::Error;
use crate::event::{Event, Fetch, Session};
use crate::invocation::Invocation;
use crate::invocation::ahead::read_ahead;
use crate::invocation::body::{Reader, ResponseBody};
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::context::WorkerContext;
use crate::invocation::ending::{Call, Cut, Failure};
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::origin::Origin;
use crate::places::OwnerId;
use crate::script::{Script, Surroundings};
use crate::settings::identity::WorkerId;
use crate::settings::{TailBatch, Target, WorkerSettings};
use http::Request;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use taffrail_trace::{Json, Outcome, TraceItem};
use tokio::sync::oneshot;
use wasmtime_wasi_http::WasiBody;

/// The code of a Worker.
pub enum Code {
    /// A compiled component.
    Component(Component),
    /// A script and the engine that runs it.
    Script(Script),
    /// No code, and the reason. Every event ends with the outcome `scriptNotFound`.
    Missing(String),
    /// A script that cannot be evaluated. Every event ends with this exception.
    Broken {
        /// The name of the exception.
        name: String,
        /// The message of the exception.
        message: String,
        /// The stack frames, one on each line.
        stack: Option<String>,
    },
}

/// Code that can run.
pub(crate) enum Program<'a> {
    Component(&'a Component),
    Script(&'a Script),
}

pub(crate) struct Worker {
    pub(crate) context: Arc<WorkerContext>,
    pub(crate) code: Code,
    pub(crate) surroundings: Surroundings,
    pub(crate) stopped: AtomicBool,
    /// The id under which instances of its component idle.
    pub(crate) instances: OwnerId,
}

impl Worker {
    /// Runs a fetch event until there is a response. The rest of the invocation goes on in the
    /// background.
    ///
    /// Dropping the future signals that the client has disconnected.
    pub(crate) async fn fetch(
        self: Arc<Self>,
        request: Request<WasiBody>,
        cf: Option<Json>,
        origin: Origin,
        reader: Reader,
    ) -> FetchResult {
        let head = *request.method() == http::Method::HEAD;
        let (respond, mut responded) = oneshot::channel();
        let fetch = Fetch {
            request,
            cf,
            respond,
        };
        let (invocation, run) = self.invoke(Event::Fetch(fetch), origin);
        let Some(run) = run else {
            return FetchResult::failed(&invocation);
        };
        let mut run = Box::pin(run);
        // The guest is polled in this task. It needs a task of its own only if it goes on after
        // its response.
        let (response, running) = tokio::select! {
            biased;
            () = &mut run => (responded.try_recv().ok(), false),
            response = &mut responded => (response.ok(), true),
        };
        match response {
            Some(mut response) => {
                if running {
                    let (head, body) = response.into_parts();
                    let (body, is_over) = read_ahead(run.as_mut(), body).await;
                    response = http::Response::from_parts(head, body);
                    if !is_over {
                        tokio::spawn(run_after_response(Arc::clone(&invocation), run));
                    }
                }
                FetchResult::Response(ResponseBody::attach(response, invocation, reader, head))
            }
            None => {
                if running {
                    run.await;
                }
                FetchResult::failed(&invocation)
            }
        }
    }

    /// Runs an event without a client to its end. Returns the outcome and the result that the
    /// handler set.
    pub(crate) async fn dispatch(
        self: Arc<Self>,
        event: Event,
        origin: Origin,
    ) -> (Outcome, Option<String>) {
        let invocation = self.handle(event, origin).await;
        (invocation.verdict().0, invocation.take_result())
    }

    pub(crate) async fn handle(self: Arc<Self>, event: Event, origin: Origin) -> Arc<Invocation> {
        let (invocation, run) = self.invoke(event, origin);
        if let Some(run) = run {
            run.await;
        }
        invocation
    }

    /// Runs a session with another script to its end. Returns the failure, if it failed.
    pub(crate) async fn session(
        self: Arc<Self>,
        session: Session,
        origin: Origin,
    ) -> Option<CallFailed> {
        let invocation = self.handle(Event::Session(session), origin).await;
        match FetchResult::failed(&invocation) {
            FetchResult::Failed {
                outcome,
                exception,
                started,
                ..
            } if outcome != Outcome::Ok => Some(CallFailed::of(exception, started)),
            _ => None,
        }
    }

    /// Starts the invocation of an event. The caller must run it, unless it has already ended.
    fn invoke(
        self: Arc<Self>,
        event: Event,
        origin: Origin,
    ) -> (Arc<Invocation>, Option<impl Future<Output = ()> + Send>) {
        let is_limited = event.is_limited(origin.parent.is_some());
        let (rank, response) = (event.rank(), event.response());
        let invocation = Invocation::start(&self.context, origin, rank, response, || event.info());
        if is_limited && invocation.admit(self.size()).is_err() {
            return (invocation, None);
        }
        let count = event.count();
        let event = event.received(&invocation);
        let call = Arc::clone(&self).call(Arc::clone(&invocation), event);
        let run = self.run(Arc::clone(&invocation), count, call);
        (invocation, Some(run))
    }

    /// Runs the guest of an invocation that handles `items` trace items at once. A panic of the
    /// host ends the invocation.
    fn run(
        self: Arc<Self>,
        invocation: Arc<Invocation>,
        items: u32,
        run: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        // Boxed here: otherwise each enclosing future would hold and move all of it.
        let run = Box::pin(run);
        let ran = Arc::clone(&invocation);
        let run = async move {
            if caught(run).await.is_err() {
                ran.ended(Call::HostFailed(Panicked::MESSAGE.to_owned()));
            }
        };
        async move { self.surroundings.lanes.run(invocation, items, run).await }
    }

    /// Runs the code for an event.
    async fn call(self: Arc<Self>, invocation: Arc<Invocation>, event: Event) {
        match self.program() {
            Ok(Program::Component(component)) => {
                let events = self.events_per_instance(component, &event);
                let items = event.tail_items().to_vec();
                let mut instance = match self.instance(component, &invocation, items, events).await
                {
                    Ok(instance) => instance,
                    Err(call) => return invocation.ended(call),
                };
                run::run(component, &mut instance, &invocation, event).await;
                if instance.end(events) {
                    let memory = instance.memory();
                    self.surroundings
                        .places
                        .keep(self.instances, instance, memory);
                }
            }
            Ok(Program::Script(script)) => {
                script.run(&invocation, &self.surroundings, event).await;
            }
            Err(call) => invocation.ended(call),
        }
    }

    /// Returns how many events an instance for `event` may handle.
    fn events_per_instance(&self, component: &Component, event: &Event) -> u32 {
        let configured = self.context.settings.instance_reuse;
        configured.map_or_else(|| component.events_per_instance(event), NonZeroU32::get)
    }

    /// Returns an idle instance if one may handle several `events`, or else a new one.
    async fn instance(
        &self,
        component: &Component,
        invocation: &Arc<Invocation>,
        items: Vec<Arc<TraceItem>>,
        events: u32,
    ) -> Result<Instance, Call> {
        let Surroundings {
            places, channels, ..
        } = &self.surroundings;
        if events > 1
            && let Some(mut instance) = places.reuse::<Instance>(self.instances)
        {
            instance.begin(invocation, items);
            return Ok(instance);
        }
        let place = invocation.place(places, self.size()).await?;
        Ok(Instance::new(
            component.pre(),
            invocation,
            channels,
            items,
            place,
        ))
    }

    /// Evaluates the script, if there is one, ahead of its first event.
    pub(crate) async fn start_script(self: &Arc<Self>) -> Result<Option<Vec<String>>, Error> {
        let Code::Script(script) = &self.code else {
            return Ok(None);
        };
        let invocation = Invocation::unrecorded(&self.context);
        script.start(&invocation, &self.surroundings).await;
        match invocation.verdict() {
            (Outcome::Ok, _) => {
                let result = invocation.take_result();
                Ok(result.and_then(|names| serde_json::from_str(&names).ok()))
            }
            (outcome, exception) => Err(Error::script(outcome, exception)),
        }
    }

    /// Stops all invocations, and refuses further ones.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.context.running.cut(Cut::Killed);
    }

    /// Reverts [`stop`](Self::stop).
    pub(crate) fn start(&self) {
        self.stopped.store(false, Relaxed);
    }

    /// Returns the code, or the end of an invocation if there is none.
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
                self.context.id
            ))),
        }
    }

    /// Returns the number of places that an instance takes.
    pub(crate) fn size(&self) -> usize {
        match &self.code {
            Code::Component(component) => component.size(),
            Code::Script(_) | Code::Missing(_) | Code::Broken { .. } => 1,
        }
    }
}

impl Channel for Worker {
    fn id(&self) -> &WorkerId {
        &self.context.id
    }

    fn settings(&self) -> &WorkerSettings {
        &self.context.settings
    }

    fn fetch(
        self: Arc<Self>,
        request: Request<WasiBody>,
        cf: Option<Json>,
        origin: Origin,
        reader: Reader,
    ) -> BoxFuture<'static, FetchResult> {
        Box::pin(self.fetch(request, cf, origin, reader))
    }

    fn dispatch(
        self: Arc<Self>,
        event: Event,
        origin: Origin,
    ) -> BoxFuture<'static, (Outcome, Option<String>)> {
        Box::pin(self.dispatch(event, origin))
    }

    fn session(
        self: Arc<Self>,
        session: Session,
        origin: Origin,
    ) -> BoxFuture<'static, Option<CallFailed>> {
        Box::pin(self.session(session, origin))
    }
}

impl TailWorker for Worker {
    fn batch(&self) -> TailBatch {
        self.context.settings.tail_batch
    }

    fn tail(
        self: Arc<Self>,
        items: Vec<Arc<TraceItem>>,
        target: Arc<Target>,
        depth: u32,
    ) -> TailCall {
        Box::pin(async move {
            let event = Event::Tail(items);
            let invocation = self.handle(event, of_tail(target, depth)).await;
            begun(&invocation)
        })
    }

    fn tail_stream(
        self: Arc<Self>,
        stream: TailStream,
        target: Arc<Target>,
        depth: u32,
    ) -> TailCall {
        Box::pin(async move {
            let ended = stream.until_ended();
            let event = Event::TailStream(stream);
            let (invocation, run) = self.invoke(event, of_tail(target, depth));
            if let Some(run) = run {
                let mut run = Box::pin(run);
                tokio::select! {
                    biased;
                    () = &mut run => {}
                    () = too_late(ended, &invocation) => {
                        invocation.cut(Cut::WallTime);
                        run.await;
                    }
                }
            }
            begun(&invocation)
        })
    }
}

/// Returns the origin of a tail event.
fn of_tail(target: Arc<Target>, depth: u32) -> Origin {
    Origin {
        target: Some(target),
        depth,
        ..Origin::default()
    }
}

/// Fails if the handler of a tail event was not called.
fn begun(invocation: &Invocation) -> Result<(), NotBegun> {
    invocation.not_begun().map_or(Ok(()), Err)
}

/// Completes when a streaming tail has had the time that `waitUntil` has after the end of the
/// invocation whose events it receives.
async fn too_late(ended: impl Future<Output = ()>, tail: &Invocation) {
    ended.await;
    tokio::time::sleep(tail.limits().wait_until).await;
}

/// Runs the part of a fetch event that follows its response.
async fn run_after_response(
    invocation: Arc<Invocation>,
    mut run: Pin<Box<impl Future<Output = ()>>>,
) {
    tokio::select! {
        biased;
        () = &mut run => return,
        () = invocation.until_wait_until_ends() => {}
    }
    run.await;
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.surroundings.places.forget(self.instances);
        if let Code::Script(script) = &self.code {
            script.retire(&self.surroundings.places);
        }
    }
}
