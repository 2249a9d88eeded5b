//! Durable Objects: isolates that go on between their events, and run several
//! at once.

use super::{Isolate, Script};
use crate::caught::{Panicked, caught};
use crate::current::Current;
use crate::ending::{Call, Cause, Cut, Shed, Trapped};
use crate::execute::wall_time_is_up;
use crate::invocation::Invocation;
use crate::limits::MemoryLimiter;
use crate::places::{Leave, OwnerId};
use crate::worker::{Code, Worker};
use hmac::{Hmac, KeyInit, Mac};
use http::Response;
use http_body_util::{BodyExt, Full};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use wasmtime_wasi_http::WasiBody;

/// Events that wait for one object.
const QUEUED_EVENTS: usize = 1024;

/// How long an object lives on without an event: what workerd does.
const IDLE: Duration = Duration::from_secs(10);

/// A class of a Worker and the id of an object of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ObjectKey {
    pub(crate) class: String,
    pub(crate) id: String,
}

/// The objects of one script that are alive.
#[derive(Default)]
pub(super) struct Objects(Mutex<HashMap<ObjectKey, mpsc::Sender<Message>>>);

/// What an object is told.
pub(super) enum Message {
    Event(Job),
    /// The event of this number is over, whatever the object still does.
    Cancel(u32),
}

/// One event for an object.
pub(super) struct Job {
    invocation: Arc<Invocation>,
    event: String,
    /// Told its number, so that it can be cancelled, and dropped at its end.
    begun: oneshot::Sender<u32>,
    ended: oneshot::Sender<()>,
}

/// The host's side of one object.
pub(crate) struct Object {
    key: ObjectKey,
    /// What the caller that had it made knows it by.
    name: Option<String>,
    inbox: tokio::sync::Mutex<mpsc::Receiver<Message>>,
    running: Mutex<Running>,
    current: Mutex<Option<Current>>,
    /// Under which it idles.
    id: OwnerId,
    /// Raised when its place is needed.
    leave: Leave,
    /// On whose behalf the object runs between its events. Nobody is told.
    resident: Arc<Invocation>,
}

#[derive(Default)]
struct Running {
    latest: u32,
    /// Events that the script has yet to be told of.
    untold: VecDeque<(u32, String)>,
    events: HashMap<u32, (Arc<Invocation>, oneshot::Sender<()>)>,
}

impl Script {
    /// Has an object handle an event, to its end. The object is made if it is
    /// not alive.
    pub(super) async fn run_in_object(
        &self,
        invocation: &Arc<Invocation>,
        event: String,
        key: ObjectKey,
    ) {
        let (begun, number) = oneshot::channel();
        let (ended, mut end) = oneshot::channel();
        let job = Job {
            invocation: Arc::clone(invocation),
            event,
            begun,
            ended,
        };
        if self
            .objects
            .send(&invocation.worker, key.clone(), job)
            .is_err()
        {
            return invocation.ended(Call::Shed(Shed::Object));
        }
        let mut waiting = Waiting {
            script: self,
            key,
            invocation,
            number,
            is_over: false,
        };
        tokio::select! {
            biased;
            _ = &mut end => waiting.is_over = true,
            () = invocation.until_cut() => {}
            () = wall_time_is_up(invocation) => invocation.cut(Cut::WallTime),
        }
        if !waiting.is_over && invocation.is_cut() == Some(Cut::Cpu) {
            // The object meets its end where it is.
            _ = end.await;
            waiting.is_over = true;
        }
    }
}

/// Somebody who waits for the end of an event. Dropped before that, it tells
/// the object that nobody does any more.
struct Waiting<'a> {
    script: &'a Script,
    key: ObjectKey,
    invocation: &'a Arc<Invocation>,
    number: oneshot::Receiver<u32>,
    is_over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.invocation.ended(Call::Unfinished);
        self.invocation.exchange.finish();
        let inbox = self.script.objects.lock().get(&self.key).cloned();
        if let (Ok(number), Some(inbox)) = (self.number.try_recv(), inbox) {
            // Without room for it the event goes on, and nobody is told of it.
            _ = inbox.try_send(Message::Cancel(number));
        }
    }
}

impl Objects {
    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, mpsc::Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails when too many events wait for the object.
    fn send(&self, worker: &Arc<Worker>, key: ObjectKey, job: Job) -> Result<(), ()> {
        let mut objects = self.lock();
        let name = job.invocation.via.object();
        let name = name.and_then(|object| object.name.clone());
        let message = Message::Event(job);
        let message = match objects.get(&key) {
            None => message,
            Some(inbox) => match inbox.try_send(message) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => return Err(()),
                // It is ending.
                Err(TrySendError::Closed(message)) => message,
            },
        };
        let (sender, inbox) = mpsc::channel(QUEUED_EVENTS);
        _ = sender.try_send(message);
        objects.insert(key.clone(), sender);
        let object = Object {
            key,
            name,
            inbox: tokio::sync::Mutex::new(inbox),
            running: Mutex::default(),
            current: Mutex::default(),
            id: OwnerId::new(),
            leave: Leave::default(),
            resident: Invocation::rehearsal(worker),
        };
        tokio::spawn(live(Arc::new(object)));
        Ok(())
    }

    /// Takes an object out, unless an event waits for it.
    fn leave(&self, key: &ObjectKey, inbox: &mpsc::Receiver<Message>) -> bool {
        let mut objects = self.lock();
        let leaves = inbox.is_empty();
        if leaves {
            objects.remove(key);
        }
        leaves
    }
}

/// The life of an object, from its first event until it is idle or fails.
async fn live(object: Arc<Object>) {
    let worker = Arc::clone(&object.resident.worker);
    let Code::Script(script) = &worker.code else {
        return;
    };
    let first = object.first().await;
    let _awake = script.engine.keep_awake();
    let isolate = script.new_isolate(first.as_ref().unwrap_or(&object.resident));
    let mut isolate = match isolate.await {
        Ok(isolate) => isolate,
        Err(_) => {
            script.objects.lock().remove(&object.key);
            return object.shed().await;
        }
    };
    // Held by whoever runs it, so that its item does not wait for the object.
    let first = first.map(|first| Arc::downgrade(&first));
    let life = caught(object.run(&mut isolate, script)).await;
    let call = life.unwrap_or_else(|_| Call::HostFailed(Panicked::MESSAGE.to_owned()));
    script.objects.lock().remove(&object.key);
    object.end(first, call, &isolate.store.data().memory).await;
}

impl Object {
    /// The invocation that has the object made: the one that it is charged to.
    async fn first(&self) -> Option<Arc<Invocation>> {
        let mut inbox = self.inbox.lock().await;
        match inbox.recv().await? {
            Message::Cancel(_) => None,
            Message::Event(job) => {
                let invocation = Arc::clone(&job.invocation);
                self.begin(job);
                Some(invocation)
            }
        }
    }

    async fn run(self: &Arc<Self>, isolate: &mut Isolate, script: &Script) -> Call {
        let current = isolate.store.data().current.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        if let Some(host) = &mut isolate.store.data_mut().outbound.script {
            host.object = Some(Arc::clone(self));
        }
        let ObjectKey { class, id } = &self.key;
        let name = &self.name;
        let event = json!({ "type": "object", "entrypoint": class, "id": id, "name": name });
        let event = event.to_string();
        let mut reusable = false;
        let mut life = pin!(isolate.run(&script.engine, &script.source, &event, &mut reusable));
        // Each turn is charged to those on whose behalf it runs.
        poll_fn(|cx| {
            current.invocation().cpu.begin();
            let turn = life.as_mut().poll(cx);
            current.invocation().cpu.end();
            turn
        })
        .await
    }

    /// Ends what still runs or waits as the object did.
    async fn end(&self, first: Option<Weak<Invocation>>, call: Call, memory: &MemoryLimiter) {
        // Then none of the events is to blame.
        let host_failed = match &call {
            Call::HostFailed(reason) => Some(reason.clone()),
            _ => None,
        };
        let mut call = Some(call);
        for (invocation, ended) in self.last_events().await {
            let is_first = first
                .as_ref()
                .is_some_and(|first| first.as_ptr() == Arc::as_ptr(&invocation));
            let own = is_first || matches!(invocation.is_cut(), Some(Cut::Cpu | Cut::Memory));
            invocation.exchange.finish();
            invocation.memory(memory);
            invocation.ended(match (call.take_if(|_| own), &host_failed) {
                (Some(call), _) => call,
                (None, Some(reason)) => Call::HostFailed(reason.clone()),
                (None, None) => reset(),
            });
            drop(ended);
        }
    }

    /// Ends what waits for it, since there is no place for it.
    async fn shed(&self) {
        for (invocation, ended) in self.last_events().await {
            invocation.exchange.finish();
            invocation.ended(Call::Shed(Shed::Process));
            drop(ended);
        }
    }

    /// What still runs or waits. Nothing more comes.
    async fn last_events(&self) -> Vec<(Arc<Invocation>, oneshot::Sender<()>)> {
        self.resident.worker.places.object_runs(self.id);
        let mut inbox = self.inbox.lock().await;
        inbox.close();
        let mut events: Vec<_> = self
            .running()
            .events
            .drain()
            .map(|(_, event)| event)
            .collect();
        while let Ok(message) = inbox.try_recv() {
            if let Message::Event(job) = message {
                events.push((job.invocation, job.ended));
            }
        }
        events
    }

    /// The next message, or none when it has idled for long or its place is
    /// needed.
    async fn next_message(&self, inbox: &mut mpsc::Receiver<Message>) -> Next {
        if let Ok(message) = inbox.try_recv() {
            return Next::Message(message);
        }
        tokio::select! {
            biased;
            message = timeout(IDLE, inbox.recv()) => match message {
                Ok(Some(message)) => Next::Message(message),
                Ok(None) => Next::Closed,
                Err(_) => Next::Idle,
            },
            () = self.leave.notified() => Next::Idle,
        }
    }

    /// The next event as the script is told of it, or that the object is idle.
    pub(crate) async fn next_event(&self) -> Response<WasiBody> {
        let mut inbox = self.inbox.lock().await;
        loop {
            let told = self.running().told();
            if let Some(event) = told {
                return answer(200, event);
            }
            match self.next_message(&mut inbox).await {
                Next::Message(Message::Event(job)) => self.begin(job),
                Next::Message(Message::Cancel(number)) => {
                    self.running().events.remove(&number);
                    return answer(200, json!({ "cancel": number }).to_string());
                }
                Next::Closed => return answer(204, String::new()),
                Next::Idle if !self.running().events.is_empty() => {}
                Next::Idle => {
                    let is_alone = match &self.resident.worker.code {
                        Code::Script(script) => script.objects.leave(&self.key, &inbox),
                        _ => true,
                    };
                    if is_alone {
                        return answer(204, String::new());
                    }
                }
            }
        }
    }

    fn begin(&self, job: Job) {
        if job.ended.is_closed() {
            return;
        }
        self.resident.worker.places.object_runs(self.id);
        let mut running = self.running();
        running.latest += 1;
        let number = running.latest;
        _ = job.begun.send(number);
        running.untold.push_back((number, job.event));
        running.events.insert(number, (job.invocation, job.ended));
    }

    /// What the object does from now on, it does for this event.
    pub(super) fn enter(&self, number: u32) {
        let next = match self.running().events.get(&number) {
            Some((invocation, _)) => Arc::clone(invocation),
            None => Arc::clone(&self.resident),
        };
        self.switch(next);
    }

    /// The script has handled an event.
    pub(super) fn finish(&self, number: u32, memory: &MemoryLimiter) {
        let mut running = self.running();
        let Some((invocation, ended)) = running.events.remove(&number) else {
            return;
        };
        if running.events.is_empty() {
            let places = &self.resident.worker.places;
            places.object_idles(self.id, Arc::clone(&self.leave), memory.peak());
        }
        drop(running);
        self.switch(Arc::clone(&self.resident));
        if invocation.exchange.is_open() {
            invocation.response_cut_off();
        }
        invocation.exchange.finish();
        invocation.memory(memory);
        invocation.ended(Call::Returned);
        drop(ended);
    }

    fn switch(&self, next: Arc<Invocation>) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &*current {
            current.invocation().cpu.end();
            next.cpu.begin();
            current.set(Some(next));
        }
    }

    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes next for an object.
enum Next {
    Message(Message),
    /// Nothing will.
    Closed,
    /// Nothing has for long, or the place is needed.
    Idle,
}

impl Running {
    /// The next event that the script is to be told of, with its number.
    fn told(&mut self) -> Option<String> {
        let (number, event) = self.untold.pop_front()?;
        Some(format!(r#"{{"number":{number},"event":{event}}}"#))
    }
}

/// What becomes of the other events of an object that one of them ended.
fn reset() -> Call {
    Call::Trapped(Trapped {
        cause: Cause::Other(
            "The Durable Object was reset, since another event ended it.".to_owned(),
        ),
        stack: None,
    })
}

fn answer(status: u16, body: String) -> Response<WasiBody> {
    let body = Full::from(body).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}

/// The id of the object of a class that has a name, or of a new one: workerd's,
/// for the unique key `class`.
pub(super) fn id(class: &str, name: Option<&str>) -> String {
    let key = Sha256::digest(class);
    let mac = |bytes: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any length is a key's");
        mac.update(bytes);
        mac.finalize().into_bytes()
    };
    let begin: [u8; 16] = match name {
        Some(name) => first_half(&mac(name.as_bytes())),
        None => rand::random(),
    };
    let end = first_half(&mac(&begin));
    let bytes = begin.iter().chain(&end);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text may be the id of an object.
pub(super) fn is_id(text: &str) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}

fn first_half(mac: &[u8]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&mac[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::id;

    #[test]
    fn an_id_is_the_one_that_workerd_makes_of_the_name() {
        // From a recording of workerd.
        let id = id("abcdef", Some("bob"));
        assert_eq!(
            id,
            "85e56cc6a13b1b5844258a8481c4d3a929088487c2530ca72811364e5d362e84"
        );
    }
}
