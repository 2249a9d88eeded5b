//! A deployed Worker: its settings, its code, and who receives its items.

use crate::channels::failed::CallFailed;
use crate::channels::{BoxFuture, Channel};
use crate::component::Component;
use crate::component::execute;
use crate::component::execute::Respond;
use crate::delivery::{TailCall, TailWorker};
use crate::error::Error;
use crate::event::Event;
use crate::invocation::Invocation;
use crate::invocation::body::{Reader, ResponseBody, received};
use crate::invocation::caught::{Panicked, caught};
use crate::invocation::context::WorkerContext;
use crate::invocation::ending::{Call, Cut, Failure, Response};
use crate::invocation::fetch_result::FetchResult;
use crate::invocation::origin::Via;
use crate::invocation::session;
use crate::places::{Place, Rank};
use crate::script;
use crate::script::{Exchange, Script, Surroundings};
use crate::settings::identity::WorkerId;
use crate::settings::{Target, WorkerSettings};
use http::Request;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use taffrail_trace::{EventInfo, Json, Outcome, RequestData, TailRequest, TraceItem};
use tokio::sync::oneshot;
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

pub(crate) struct Worker {
    pub(crate) context: Arc<WorkerContext>,
    pub(crate) code: Code,
    pub(crate) surroundings: Surroundings,
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
        cf: Option<Json>,
        via: Via,
        reader: Reader,
    ) -> FetchResult {
        let event = || EventInfo::Fetch {
            request: TailRequest::new(request_data(&request, cf.clone())),
            response: None,
        };
        let head = *request.method() == http::Method::HEAD;
        let invocation =
            Invocation::start(&self.context, via, Rank::Producer, Response::Unset, event);
        if invocation.admit(self.size()).is_err() {
            return FetchResult::failed(&invocation);
        }
        let request = request.map(|body| received(body, &invocation));
        let (respond, mut responded) = oneshot::channel();
        let fetch = Arc::clone(&self).call_fetch(Arc::clone(&invocation), request, cf, respond);
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
                FetchResult::failed(&invocation)
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

    async fn handle(self: Arc<Self>, event: Event, via: Via) -> Arc<Invocation> {
        let rank = match event {
            Event::Tail(_) => Rank::Tail,
            Event::Scheduled { .. } | Event::Queue { .. } => Rank::Producer,
        };
        let invocation = Invocation::start(&self.context, via, rank, Response::NotExpected, || {
            event.info()
        });
        let items = match &event {
            Event::Tail(items) => u32::try_from(items.len()).unwrap_or(u32::MAX),
            Event::Scheduled { .. } | Event::Queue { .. } => 1,
        };
        // Whoever makes events from outside makes few of them, and those of
        // tails have places of their own.
        let is_free = invocation.via.parent.is_none() || matches!(event, Event::Tail(_));
        if is_free || invocation.admit(self.size()).is_ok() {
            let run = Arc::clone(&self).call(Arc::clone(&invocation), event);
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
        let invocation = Invocation::start(
            &self.context,
            via,
            Rank::Producer,
            Response::NotExpected,
            || event,
        );
        if invocation.admit(self.size()).is_ok() {
            let exchange = Exchange::of_session(end);
            let event = script::Event::Session;
            let run =
                Arc::clone(&self).call_script(Arc::clone(&invocation), exchange, event, "rpc");
            self.run(Arc::clone(&invocation), 1, run).await;
        }
        match FetchResult::failed(&invocation) {
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
        let invocation = Invocation::start(
            &self.context,
            via,
            Rank::Producer,
            Response::NotExpected,
            || event,
        );
        if invocation.admit(self.size()).is_ok() {
            let event = script::Event::Alarm {
                scheduled_time,
                retry_count,
            };
            let run = Arc::clone(&self).call_script(
                Arc::clone(&invocation),
                Exchange::default(),
                event,
                "alarm",
            );
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
                ran.ended(Call::HostFailed(Panicked::MESSAGE.to_owned()));
            }
        };
        async move { self.surroundings.lanes.run(invocation, items, run).await }
    }

    async fn call_fetch(
        self: Arc<Self>,
        invocation: Arc<Invocation>,
        request: Request<WasiBody>,
        cf: Option<Json>,
        respond: Respond,
    ) {
        match self.program() {
            Ok(Program::Component(component)) => {
                // Before the store, to be dropped behind it.
                let place = match self.place(&invocation).await {
                    Ok(place) => place,
                    Err(call) => return invocation.ended(call),
                };
                let channels = &self.surroundings.channels;
                execute::fetch(component, &invocation, channels, request, respond).await;
                drop(place);
            }
            Ok(Program::Script(script)) => {
                let (head, body) = request.into_parts();
                let event = script::Event::fetch(&head, &body, cf.as_ref());
                let exchange = Exchange::of_request(body, respond);
                let surroundings = &self.surroundings;
                script
                    .run(&invocation, surroundings, exchange, &event)
                    .await;
            }
            Err(call) => invocation.ended(call),
        }
    }

    async fn call(self: Arc<Self>, invocation: Arc<Invocation>, event: Event) {
        match self.program() {
            Ok(Program::Component(component)) => {
                let place = match self.place(&invocation).await {
                    Ok(place) => place,
                    Err(call) => return invocation.ended(call),
                };
                let channels = &self.surroundings.channels;
                execute::dispatch(component, &invocation, channels, event).await;
                drop(place);
            }
            Ok(Program::Script(script)) => {
                let event = script::Event::of(&event);
                let surroundings = &self.surroundings;
                script
                    .run(&invocation, surroundings, Exchange::default(), &event)
                    .await;
            }
            Err(call) => invocation.ended(call),
        }
    }

    /// Runs an event that only a script can handle to its end. `handler` is what
    /// a component lacks.
    async fn call_script(
        self: Arc<Self>,
        invocation: Arc<Invocation>,
        exchange: Exchange,
        event: script::Event<'static>,
        handler: &'static str,
    ) {
        match self.program() {
            Ok(Program::Script(script)) => {
                let surroundings = &self.surroundings;
                script
                    .run(&invocation, surroundings, exchange, &event)
                    .await;
            }
            Ok(Program::Component(_)) => invocation.ended(Call::NoHandler(handler)),
            Err(call) => invocation.ended(call),
        }
    }

    /// Places for an instance of its component.
    async fn place(&self, invocation: &Invocation) -> Result<Place, Call> {
        let places = &self.surroundings.places;
        invocation.place(places, self.size()).await
    }

    /// Evaluates the script, if it is one, ahead of its first event.
    pub(crate) async fn start_script(self: &Arc<Self>) -> Result<(), Error> {
        let Code::Script(script) = &self.code else {
            return Ok(());
        };
        let invocation = Invocation::unrecorded(&self.context);
        script.start(&invocation, &self.surroundings).await;
        match invocation.verdict() {
            (Outcome::Ok, _) => Ok(()),
            (outcome, exception) => Err(Error::script(outcome, exception)),
        }
    }

    /// Ends what runs, and lets nothing more begin.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Relaxed);
        self.context.running.cut(Cut::Killed);
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
                self.context.id
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
        via: Via,
        reader: Reader,
    ) -> BoxFuture<'static, FetchResult> {
        Box::pin(self.fetch(request, cf, via, reader))
    }

    fn dispatch(
        self: Arc<Self>,
        event: Event,
        via: Via,
    ) -> BoxFuture<'static, (Outcome, Option<String>)> {
        Box::pin(self.dispatch(event, via))
    }

    fn session(
        self: Arc<Self>,
        event: EventInfo,
        end: session::End,
        via: Via,
    ) -> BoxFuture<'static, Option<CallFailed>> {
        Box::pin(self.session(event, end, via))
    }
}

impl TailWorker for Worker {
    fn max_batch(&self) -> usize {
        self.context.settings.max_batch
    }

    fn tail(
        self: Arc<Self>,
        items: Vec<Arc<TraceItem>>,
        target: Arc<Target>,
        depth: u32,
    ) -> TailCall {
        let via = Via {
            target: Some(target),
            depth,
            ..Via::default()
        };
        Box::pin(async move {
            match self.handle(Event::Tail(items), via).await.not_begun() {
                None => Ok(()),
                Some(reason) => Err(reason),
            }
        })
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
            script.retire(&self.surroundings.places);
        }
    }
}

fn request_data(request: &Request<WasiBody>, cf: Option<Json>) -> RequestData {
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
