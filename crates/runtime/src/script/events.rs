//! The turns of one isolate: which of its events it runs for at each moment, and
//! how each ends.

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

/// Events that one isolate runs at a time. Each may hold what it likes of the
/// memory that they share.
const TOGETHER: usize = 64;

/// The host's side of one isolate.
#[derive(Default)]
pub(crate) struct Events {
    queue: Mutex<Queue>,
    /// Raised once there is something to tell.
    arrived: Notify,
    /// Whether the script waits for that.
    is_asked: AtomicBool,
    /// Raised once the isolate is to end with its only event.
    doomed: Notify,
    /// Since when the guest has its turn, if it has.
    turn_began: Mutex<Option<Instant>>,
    current: CurrentInvocation,
    /// The run that is current.
    run: Mutex<Option<Arc<Run>>>,
    /// On whose behalf a Durable Object runs between its events. Nobody is told.
    resident: Option<Arc<Run>>,
}

/// How long a script may compute after the last client has left.
const DEAF: Duration = Duration::from_millis(100);

/// Why an event is not taken.
pub(super) enum Refused {
    Full,
    /// Nothing will be taken any more, and here it is.
    Closed(Job),
}

impl Events {
    /// Those of a Durable Object.
    pub(super) fn of_object(resident: Arc<Run>) -> Self {
        Self {
            resident: Some(resident),
            ..Self::default()
        }
    }

    /// The invocation that the isolate runs at each moment.
    pub(super) fn current(&self) -> &CurrentInvocation {
        &self.current
    }

    /// What the isolate runs at this moment.
    pub(super) fn run(&self) -> Arc<Run> {
        let run = self.current_run().clone();
        run.expect("a script runs only as part of an event")
    }

    /// Has the isolate go on for another event, or wait for none.
    pub(super) fn set_run(&self, run: Option<Arc<Run>>) {
        let invocation = run.as_ref().map(|run| Arc::clone(&run.invocation));
        self.current.set(invocation);
        let left = std::mem::replace(&mut *self.current_run(), run);
        // Not under the lock: its item may go out.
        drop(left);
    }

    fn current_run(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes events from now on.
    pub(super) fn open(&self) {
        self.queue().state = State::Open;
    }

    /// Adds an event, of which `most` may wait.
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

    /// Adds an event unless it is better off in another isolate: where it would
    /// wait for one that has yet to answer and computes, or another one waits.
    pub(super) fn join(&self, job: Job) -> Result<u32, Job> {
        let queue = self.queue();
        let is_busy = self.turn_exceeds(HEAVY) && queue.awaits_an_answer();
        let is_taken = queue.state != State::Open
            || !queue.waiting.is_empty()
            || queue.running.len() >= TOGETHER
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
        // The first event of a call is its argument.
        let is_first = self.resident.is_none() && queue.running.is_empty();
        drop(queue);
        if !is_first {
            self.arrived.notify_one();
        }
        number
    }

    /// The next thing that the script is to be told of, as it is told.
    pub(super) fn next(&self) -> Option<String> {
        let mut queue = self.queue();
        if let Some(number) = queue.cancelled.pop_front() {
            let next = self.leave(queue);
            self.switch(next);
            return Some(json!({ "cancel": number }).to_string());
        }
        queue.begin().map(|(_, event)| event)
    }

    /// Begins the next event, of which the script is told as the first one of a
    /// call. It knows of no other.
    pub(super) fn begin(&self) -> Option<(u32, String)> {
        let mut queue = self.queue();
        queue.cancelled.clear();
        let (number, event) = queue.begin()?;
        queue.turn = Some(number);
        Some((number, event))
    }

    /// Whose turn it is once it has begun.
    pub(super) fn first(&self) -> Option<Arc<Run>> {
        let queue = self.queue();
        let (_, job) = queue.waiting.front()?;
        Some(Arc::clone(&job.run))
    }

    /// Whether an event has begun and not ended.
    pub(super) fn is_running(&self, number: u32) -> bool {
        self.queue().running.contains_key(&number)
    }

    /// Answers the script once there is something to tell.
    pub(crate) fn answer(self: &Arc<Self>) -> Answer {
        self.ask();
        let events = Arc::clone(self);
        Box::pin(async move {
            events.until_arrived().await;
            events.told(StatusCode::OK)
        })
    }

    /// Waits until there is something to tell.
    pub(super) async fn until_arrived(&self) {
        loop {
            let arrived = self.arrived.notified();
            if self.queue().has_news() {
                return;
            }
            arrived.await;
        }
    }

    /// Notes that the script waits for what is to tell.
    pub(super) fn ask(&self) {
        self.is_asked.store(true, Relaxed);
    }

    /// Tells the script that there is something, or that there will be nothing.
    pub(super) fn told(&self, status: StatusCode) -> Response<WasiBody> {
        self.is_asked.store(false, Relaxed);
        let mut response =
            Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = status;
        response
    }

    /// Whether the script waits for further events, beside whatever else.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Relaxed)
    }

    /// Whether the isolate may end with this invocation: it runs no other.
    pub(crate) fn is_alone(&self, invocation: &Arc<Invocation>) -> bool {
        let queue = self.queue();
        let mut running = queue.running.values();
        match (&self.resident, running.next(), running.next()) {
            (None, Some(only), None) => Arc::ptr_eq(&only.run.invocation, invocation),
            // It evaluates its script.
            (None, None, None) => queue.state == State::Idle,
            _ => false,
        }
    }

    /// Whether nobody waits for what the isolate computes, and it goes on for
    /// longer than it takes to hear of that.
    pub(crate) fn is_forsaken(&self) -> bool {
        let queue = self.queue();
        let is_forsaken = queue.running.is_empty() && !queue.cancelled.is_empty();
        let is_deaf = is_forsaken && self.resident.is_none() && self.turn_exceeds(DEAF);
        queue.state == State::Doomed || is_deaf
    }

    /// Waits until the isolate is to end with its events.
    pub(crate) async fn until_doomed(&self) {
        loop {
            let doomed = self.doomed.notified();
            if self.queue().state == State::Doomed {
                return;
            }
            doomed.await;
        }
    }

    /// Ends an event for which nobody waits any more.
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

    /// Ends the isolate with an event that is cut off, if it runs no other, or
    /// what was used up is everybody's. Else the event is to be cancelled.
    fn cut(&self, number: u32, cut: Option<Cut>) -> bool {
        let mut queue = self.queue();
        if !queue.running.contains_key(&number) {
            return false;
        }
        let ends_isolate = match (cut, &self.resident) {
            // A Durable Object has other ways to end an event, but for this.
            (Some(Cut::Cpu), Some(_)) => return true,
            (_, Some(_)) => false,
            (Some(Cut::Cpu | Cut::Memory), None) => true,
            (Some(Cut::ClientLeft), None) => false,
            (_, None) => queue.running.len() == 1,
        };
        if ends_isolate {
            queue.state = State::Doomed;
            drop(queue);
            self.doomed.notify_waiters();
        }
        ends_isolate
    }

    /// What the isolate does from now on, it does for this event.
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

    /// The script has handled an event, and others have not ended.
    pub(super) fn finish(&self, number: u32, is_reusable: bool, memory: &MemoryLimiter) {
        let mut queue = self.queue();
        let Some(running) = queue.running.remove(&number) else {
            return;
        };
        let next = self.leave(queue);
        self.switch(next);
        let is_kept = running.returned(memory);
        if self.resident.is_none() && !(is_reusable && is_kept) {
            self.queue().retire();
        }
        running.over();
    }

    /// For whom the isolate goes on until the script says whose turn it is: not
    /// for an event that is over, whose item does not wait for that.
    fn leave(&self, mut queue: MutexGuard<'_, Queue>) -> Option<Arc<Run>> {
        queue.turn = None;
        let other = queue.running.values().next();
        let other = other.map(|other| Arc::clone(&other.run));
        self.resident.clone().or(other)
    }

    /// Whether no event runs or waits: then none is taken any more.
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

    /// Charges the turns of the guest to those on whose behalf it runs, until it
    /// has returned or is to end: then it has one turn more, in which it traps
    /// where it is.
    pub(super) async fn measure(&self, mut life: Pin<&mut impl Future<Output = Call>>) -> Call {
        let call = tokio::select! {
            biased;
            () = self.until_doomed() => None,
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
            // By many short turns, between which it is never interrupted.
            invocation.cut(Cut::Cpu);
            return Poll::Ready(Call::Unfinished);
        }
        turn
    }

    /// Whether an event has used more CPU time than a light one.
    pub(super) fn is_heavy(&self) -> bool {
        let queue = self.queue();
        let mut running = queue.running.values();
        running.any(|running| running.run.invocation.cpu.used() > running.light)
    }

    /// Ends what runs as the isolate did, and sends on what waits.
    pub(super) fn end(&self, call: Call, memory: &MemoryLimiter) {
        let (running, waiting) = {
            let mut queue = self.queue();
            queue.state = State::Retired;
            let running = std::mem::take(&mut queue.running);
            (running, std::mem::take(&mut queue.waiting))
        };
        // Then none of the events is to blame.
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
        for (_, job) in waiting {
            _ = job.ended.send(End::NotBegun);
        }
    }

    /// Ends what waits, since there is no place for the isolate.
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

    /// The end of the last event, whose handler has returned. Sends on what waits
    /// if the isolate is to be given up.
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
        for (_, job) in waiting {
            _ = job.ended.send(End::NotBegun);
        }
        Rest {
            ended: running.into_values().collect(),
            is_kept,
            next: next.filter(|_| is_kept),
        }
    }

    /// What becomes of the other events of an isolate that one of them ended.
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
            self.current.invocation().cpu.end();
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

    /// Whether the turn of the guest takes longer than this.
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

/// Somebody who waits for the end of an event. Dropped before that, it tells the
/// isolate that nobody does any more.
pub(super) struct Ticket<'a> {
    pub(super) events: Arc<Events>,
    pub(super) number: u32,
    pub(super) run: &'a Run,
    pub(super) end: oneshot::Receiver<End>,
}

impl Ticket<'_> {
    /// Waits for the end. False if the isolate ended before the event began.
    pub(super) async fn has_begun(mut self) -> bool {
        let invocation = &self.run.invocation;
        tokio::select! {
            biased;
            end = &mut self.end => return self.ended(end),
            () = invocation.until_cut() => {}
            () = wall_time_is_up(invocation) => invocation.cut(Cut::WallTime),
        }
        if self.events.cut(self.number, invocation.cut_reason()) {
            // It meets its end where it is.
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

/// The number of no event.
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
