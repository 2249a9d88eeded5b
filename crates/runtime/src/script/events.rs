//! The events of one isolate: which of them it runs for at each moment, and how each one ends.

use crate::clock;
use crate::component::run::wall_time_is_up;
use crate::invocation::Invocation;
use crate::invocation::current::CurrentInvocation;
use crate::invocation::ending::{Call, Cause, Cut, Shed, Trapped};
use crate::invocation::lanes::HEAVY;
use crate::invocation::limits::MemoryLimiter;
use crate::script::exchange::Answer;
use crate::script::queue::{End, Job, Queue, Rest, Running, State};
use crate::script::run::Run;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use serde_json::json;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use wasmtime_wasi_http::WasiBody;

/// Concurrent events of one isolate. They share its memory without limits of their own.
const MAX_CONCURRENT_EVENTS: usize = 64;

/// The events of one isolate, as its host tracks them.
#[derive(Default)]
pub(crate) struct Events {
    queue: Mutex<Queue>,
    /// Notified when there is an event or a cancellation for the script.
    arrived: Notify,
    /// Whether the script waits for one.
    is_asked: AtomicBool,
    /// Notified when the isolate must end together with its only event.
    ending: Notify,
    /// The start of the guest's current turn, if it has one.
    turn_began: Mutex<Option<Instant>>,
    current: CurrentInvocation,
    /// The current run.
    run: Mutex<Option<Arc<Run>>>,
    /// The run for work that a Durable Object does between events. It has no item.
    resident: Option<Arc<Run>>,
}

/// How long a script may compute without a break after its last client has disconnected.
const ABANDONED_TURN: Duration = Duration::from_millis(100);

/// Why an event was refused.
pub(super) enum Refused {
    Full,
    /// The isolate takes no more events. The event is returned.
    Closed(Job),
}

impl Events {
    /// Creates the events of a Durable Object.
    pub(super) fn of_object(resident: Arc<Run>) -> Self {
        Self {
            resident: Some(resident),
            ..Self::default()
        }
    }

    /// Returns the handle to the isolate's current invocation.
    pub(super) fn current(&self) -> &CurrentInvocation {
        &self.current
    }

    /// Returns the current run.
    pub(super) fn run(&self) -> Arc<Run> {
        let run = self.current_run().clone();
        run.expect("a script runs only as part of an event")
    }

    /// Sets the current run, or none while the isolate is idle.
    pub(super) fn set_run(&self, run: Option<Arc<Run>>) {
        let invocation = run.as_ref().map(|run| Arc::clone(&run.invocation));
        self.current.set(invocation);
        let left = std::mem::replace(&mut *self.current_run(), run);
        // Outside of the lock, since this may deliver its item.
        drop(left);
    }

    fn current_run(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the isolate for events.
    pub(super) fn open(&self) {
        self.queue().state = State::Open;
    }

    /// Adds an event, unless `most` are already waiting.
    pub(super) fn push(&self, job: Job, most: usize) -> Result<u32, Refused> {
        let queue = self.queue();
        if queue.state != State::Open {
            return Err(Refused::Closed(job));
        }
        if queue.waiting.len() >= most {
            return Err(Refused::Full);
        }
        Ok(self.add(queue, job))
    }

    /// Adds an event, unless it had better run in another isolate: if it would wait behind an
    /// event that is still computing its response, or if another event is already waiting.
    pub(super) fn join(&self, job: Job) -> Result<u32, Job> {
        let queue = self.queue();
        let is_busy = self.turn_exceeds(HEAVY) && queue.awaits_an_answer();
        let is_taken = queue.state != State::Open
            || !queue.waiting.is_empty()
            || queue.running.len() >= MAX_CONCURRENT_EVENTS
            || is_busy;
        if is_taken {
            return Err(job);
        }
        Ok(self.add(queue, job))
    }

    fn add(&self, mut queue: MutexGuard<'_, Queue>, job: Job) -> u32 {
        queue.latest += 1;
        let number = queue.latest;
        queue.waiting.push_back((number, job));
        // The first event of a call is passed as its argument.
        let is_first = self.resident.is_none() && queue.running.is_empty();
        drop(queue);
        if !is_first {
            self.arrived.notify_one();
        }
        number
    }

    /// Returns the next message for the script, in the form that the script receives. An event
    /// becomes the current one.
    pub(super) fn next(&self) -> Option<String> {
        let mut queue = self.queue();
        if let Some(number) = queue.cancelled.pop_front() {
            let next = self.leave(queue);
            self.switch(next);
            return Some(json!({ "cancel": number }).to_string());
        }
        let (number, event) = queue.begin()?;
        queue.turn = Some(number);
        let begun = queue.running.get(&number);
        let begun = begun.map(|begun| Arc::clone(&begun.run));
        drop(queue);
        // What the script has computed so far was for other events.
        self.set_turn(Some(clock::instant()));
        self.switch(begun);
        Some(event)
    }

    /// Begins the next event, to be passed to the script as the first one of a call.
    pub(super) fn begin(&self) -> Option<(u32, String)> {
        let mut queue = self.queue();
        queue.cancelled.clear();
        let (number, event) = queue.begin()?;
        queue.turn = Some(number);
        Some((number, event))
    }

    /// Returns the run of the first event once it has begun.
    pub(super) fn first(&self) -> Option<Arc<Run>> {
        let queue = self.queue();
        let (_, job) = queue.waiting.front()?;
        Some(Arc::clone(&job.run))
    }

    /// Whether an event has begun and not ended.
    pub(super) fn is_running(&self, number: u32) -> bool {
        self.queue().running.contains_key(&number)
    }

    /// Answers the script once there is a message for it.
    pub(crate) fn answer(self: &Arc<Self>) -> Answer {
        self.ask();
        let events = Arc::clone(self);
        Box::pin(async move {
            events.until_arrived().await;
            events.answer_with(StatusCode::OK)
        })
    }

    /// Waits until there is a message for the script.
    pub(super) async fn until_arrived(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.queue().has_messages() {
                return;
            }
            arrived.await;
        }
    }

    /// Records that the script waits for messages.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Relaxed);
    }

    /// Answers the script: there is a message, or there will be none.
    pub(super) fn answer_with(&self, status: StatusCode) -> Response<WasiBody> {
        self.is_asked.store(false, Relaxed);
        let mut response =
            Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = status;
        response
    }

    /// Whether the script waits for further events, possibly among other things.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Relaxed)
    }

    /// Whether the isolate runs no other invocation, and so may end with this one.
    pub(crate) fn is_alone(&self, invocation: &Arc<Invocation>) -> bool {
        let queue = self.queue();
        let mut running = queue.running.values();
        match (&self.resident, running.next(), running.next()) {
            (None, Some(only), None) => Arc::ptr_eq(&only.run.invocation, invocation),
            // The script is being evaluated.
            (None, None, None) => queue.state == State::Idle,
            _ => false,
        }
    }

    /// Whether the clients of all events have disconnected, and the isolate goes on computing for
    /// longer than it takes to notice.
    pub(crate) fn is_abandoned(&self) -> bool {
        let queue = self.queue();
        let is_abandoned = queue.running.is_empty() && !queue.cancelled.is_empty();
        let is_too_long =
            is_abandoned && self.resident.is_none() && self.turn_exceeds(ABANDONED_TURN);
        queue.state == State::Ending || is_too_long
    }

    /// Waits until the isolate must end together with its events.
    pub(crate) async fn until_ending(&self) {
        loop {
            let ending = self.ending.notified();
            if self.queue().state == State::Ending {
                return;
            }
            ending.await;
        }
    }

    /// Cancels an event whose client has disconnected.
    fn cancel(&self, number: u32) {
        let mut queue = self.queue();
        queue.waiting.retain(|(waiting, _)| *waiting != number);
        let cancelled = queue.running.remove(&number);
        if cancelled.is_some() {
            queue.cancelled.push_back(number);
        }
        drop(queue);
        self.arrived.notify_one();
    }

    /// Ends the isolate together with an event that is cut off, if it runs no other event or if
    /// it has exhausted a shared resource. Otherwise returns false, and the event is to be
    /// cancelled.
    fn cut(&self, number: u32, cut: Option<Cut>) -> bool {
        let mut queue = self.queue();
        if !queue.running.contains_key(&number) {
            return false;
        }
        let ends_isolate = match (cut, &self.resident) {
            // An event of a Durable Object is otherwise ended by cancellation.
            (Some(Cut::Cpu), Some(_)) => return true,
            (_, Some(_)) => false,
            (Some(Cut::Cpu | Cut::Memory), None) => true,
            (Some(Cut::ClientLeft), None) => false,
            (_, None) => queue.running.len() == 1,
        };
        if ends_isolate {
            queue.state = State::Ending;
            drop(queue);
            self.ending.notify_waiters();
        }
        ends_isolate
    }

    /// Makes this event the current one.
    pub(super) fn enter(&self, number: u32) {
        let mut queue = self.queue();
        queue.turn = Some(number);
        let next = match queue.running.get(&number) {
            Some(running) => Some(Arc::clone(&running.run)),
            None => self.resident.clone(),
        };
        drop(queue);
        self.switch(next);
    }

    /// Records that the handler of an event has returned. If the isolate must be discarded, the
    /// waiting events are moved to another one.
    pub(super) fn finish(&self, number: u32, is_reusable: bool, memory: &MemoryLimiter) {
        let mut queue = self.queue();
        let Some(running) = queue.running.remove(&number) else {
            return;
        };
        let next = self.leave(queue);
        self.switch(next);
        let is_kept = running.returned(memory);
        if self.resident.is_none() && !(is_reusable && is_kept) {
            let waiting = {
                let mut queue = self.queue();
                queue.retire();
                std::mem::take(&mut queue.waiting)
            };
            move_elsewhere(waiting);
        }
        running.over();
    }

    /// Returns the run to continue with until the script names another event. An event that has
    /// ended is not kept, so that its item is delivered.
    fn leave(&self, mut queue: MutexGuard<'_, Queue>) -> Option<Arc<Run>> {
        queue.turn = None;
        let other = queue.running.values().next();
        let other = other.map(|other| Arc::clone(&other.run));
        self.resident.clone().or(other)
    }

    /// Closes the isolate for further events if none runs or waits. Returns whether it is closed.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut queue = self.queue();
        let is_empty = queue.running.is_empty() && queue.waiting.is_empty();
        if is_empty {
            queue.state = State::Idle;
        }
        is_empty
    }

    /// Whether no event runs.
    pub(super) fn runs_nothing(&self) -> bool {
        self.queue().running.is_empty()
    }

    /// Charges each turn of the guest to the event that it runs for, until the guest returns or
    /// must stop. A guest that must stop gets one more turn, in which it traps where it is.
    pub(super) async fn measure(&self, mut life: Pin<&mut impl Future<Output = Call>>) -> Call {
        let call = tokio::select! {
            biased;
            () = self.until_ending() => None,
            call = poll_fn(|cx| self.turn(|| life.as_mut().poll(cx))) => Some(call),
        };
        match call {
            Some(call) => call,
            None => {
                poll_fn(|cx| {
                    let turn = self.turn(|| life.as_mut().poll(cx));
                    Poll::Ready(match turn {
                        Poll::Ready(call) => call,
                        Poll::Pending => Call::Unfinished,
                    })
                })
                .await
            }
        }
    }

    fn turn(&self, poll: impl FnOnce() -> Poll<Call>) -> Poll<Call> {
        self.set_turn(Some(clock::instant()));
        self.current.invocation().cpu.begin();
        let turn = poll();
        let invocation = self.current.invocation();
        invocation.cpu.end();
        self.set_turn(None);
        if turn.is_pending() && invocation.cpu.left().is_zero() {
            // Exceeded by many short turns, during which the guest is never interrupted.
            invocation.cut(Cut::Cpu);
            return Poll::Ready(Call::Unfinished);
        }
        turn
    }

    /// Whether an event has used more CPU time than a light one may.
    pub(super) fn is_heavy(&self) -> bool {
        let queue = self.queue();
        let mut running = queue.running.values();
        running.any(|running| running.run.invocation.cpu.used() > running.light)
    }

    /// Ends the running events with the result of the isolate, and moves the waiting ones to
    /// another isolate.
    pub(super) fn end(&self, call: Call, memory: &MemoryLimiter) {
        let (running, waiting) = {
            let mut queue = self.queue();
            queue.state = State::Retired;
            let running = std::mem::take(&mut queue.running);
            (running, std::mem::take(&mut queue.waiting))
        };
        // In this case no event is to blame.
        let host_failed = match &call {
            Call::HostFailed(reason) => Some(reason.clone()),
            _ => None,
        };
        let current = self.current_run().clone();
        let is_cut = |running: &&Running| {
            let cut = running.run.invocation.cut_reason();
            matches!(cut, Some(Cut::Cpu | Cut::Memory))
        };
        let cut = running.values().find(is_cut).map(|cut| &cut.run);
        let blamed = cut.or(current.as_ref()).map(Arc::as_ptr);
        let is_alone = running.len() == 1;
        let mut call = Some(call);
        for running in running.into_values() {
            let own = is_alone || blamed == Some(Arc::as_ptr(&running.run));
            running.run.handler_ended();
            let invocation = &running.run.invocation;
            invocation.memory(memory);
            invocation.ended(match (call.take_if(|_| own), &host_failed) {
                (Some(call), _) => call,
                (None, Some(reason)) => Call::HostFailed(reason.clone()),
                (None, None) => self.reset(),
            });
            running.over();
        }
        move_elsewhere(waiting);
    }

    /// Ends the waiting events, since there is no place for the isolate.
    pub(super) fn shed(&self) {
        let waiting = {
            let mut queue = self.queue();
            queue.state = State::Retired;
            std::mem::take(&mut queue.waiting)
        };
        for (_, job) in waiting {
            job.run.exchange.finish();
            job.run.invocation.ended(Call::Shed(Shed::Process));
            _ = job.ended.send(End::Over);
        }
    }

    /// Ends the last event, whose handler has returned. Moves the waiting events to another
    /// isolate if this one must be discarded.
    pub(super) fn rest(&self, is_reusable: bool, memory: &MemoryLimiter) -> Rest {
        let running = std::mem::take(&mut self.queue().running);
        let mut is_kept = is_reusable;
        for running in running.values() {
            is_kept &= running.returned(memory);
        }
        let mut queue = self.queue();
        is_kept &= queue.state == State::Open;
        let next = queue.waiting.front().map(|(_, job)| Arc::clone(&job.run));
        let mut waiting = VecDeque::new();
        if !is_kept {
            queue.state = State::Retired;
            waiting = std::mem::take(&mut queue.waiting);
        } else if next.is_none() {
            queue.state = State::Idle;
            queue.cancelled.clear();
        }
        drop(queue);
        move_elsewhere(waiting);
        Rest {
            ended: running.into_values().collect(),
            is_kept,
            next: next.filter(|_| is_kept),
        }
    }

    /// Returns the result for the other events of an isolate that one of them ended.
    fn reset(&self) -> Call {
        let what = match self.resident {
            Some(_) => "The Durable Object was reset, since another event ended it.",
            None => "The isolate of the Worker was ended by another event.",
        };
        Call::Trapped(Trapped {
            cause: Cause::Other(what.to_owned()),
            stack: None,
        })
    }

    fn switch(&self, next: Option<Arc<Run>>) {
        if let Some(next) = next {
            let left = self.current.invocation();
            left.cpu.end();
            left.turn_ended();
            next.invocation.turn_began();
            next.invocation.cpu.begin();
            self.set_run(Some(next));
        }
    }

    fn set_turn(&self, began: Option<Instant>) {
        *self
            .turn_began
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = began;
    }

    /// Whether the guest's current turn takes longer than `limit`.
    fn turn_exceeds(&self, limit: Duration) -> bool {
        let began = self
            .turn_began
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        began.is_some_and(|began| clock::instant() - began > limit)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves events that have not begun to other isolates.
fn move_elsewhere(waiting: VecDeque<(u32, Job)>) {
    for (_, job) in waiting {
        _ = job.ended.send(End::NotBegun);
    }
}

/// Waits for the end of an event. If it is dropped before that, the isolate is told that the
/// client has disconnected.
pub(super) struct Ticket<'a> {
    pub(super) events: Arc<Events>,
    pub(super) number: u32,
    pub(super) run: &'a Run,
    pub(super) end: oneshot::Receiver<End>,
}

impl Ticket<'_> {
    /// Waits for the end. Returns false if the isolate ended before the event began.
    pub(super) async fn has_begun(mut self) -> bool {
        let invocation = &self.run.invocation;
        tokio::select! {
            biased;
            end = &mut self.end => return self.ended(end),
            () = invocation.until_cut() => {}
            () = wall_time_is_up(invocation) => invocation.cut(Cut::WallTime),
        }
        if self.events.cut(self.number, invocation.cut_reason()) {
            // The guest traps where it is.
            let end = (&mut self.end).await;
            return self.ended(end);
        }
        true
    }

    fn ended(&mut self, end: Result<End, oneshot::error::RecvError>) -> bool {
        self.number = OVER;
        !matches!(end, Ok(End::NotBegun))
    }
}

/// A number that no event has.
const OVER: u32 = 0;

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.number == OVER {
            return;
        }
        self.run.invocation.ended(Call::Unfinished);
        self.run.exchange.finish();
        self.events.cancel(self.number);
    }
}
