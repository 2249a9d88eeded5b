//! The state of one isolate's events: those that wait, and those that run.

use crate::invocation::ending::Call;
use crate::invocation::limits::MemoryLimiter;
use crate::script::run::Run;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

#[derive(Default)]
pub(super) struct Queue {
    pub(super) state: State,
    pub(super) latest: u32,
    /// Events that the script has not received yet.
    pub(super) waiting: VecDeque<(u32, Job)>,
    pub(super) cancelled: VecDeque<u32>,
    pub(super) running: BTreeMap<u32, Running>,
    /// The event that the script last entered.
    pub(super) turn: Option<u32>,
}

/// Whether an isolate takes events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// It takes none, and runs none.
    #[default]
    Idle,
    /// It takes further events.
    Open,
    /// It takes no more events, but continues with those that it runs.
    Retired,
    /// It takes no more events, and stops those that it runs.
    Ending,
}

/// One event for an isolate.
pub(super) struct Job {
    pub(super) run: Arc<Run>,
    pub(super) event: Arc<str>,
    /// The CPU time up to which the event counts as light.
    pub(super) light: Duration,
    pub(super) ended: oneshot::Sender<End>,
}

pub(super) struct Running {
    pub(super) run: Arc<Run>,
    pub(super) light: Duration,
    pub(super) ended: oneshot::Sender<End>,
}

/// The result of an event.
pub(super) enum End {
    Over,
    /// The isolate ended before the event began.
    NotBegun,
}

/// What to do when an isolate runs no more events.
pub(super) struct Rest {
    pub(super) ended: Vec<Running>,
    /// Whether the isolate can be reused.
    pub(super) is_kept: bool,
    /// The run to continue with, if an event is waiting.
    pub(super) next: Option<Arc<Run>>,
}

impl Rest {
    /// Notifies the waiters of the events that have ended.
    pub(super) fn notify(self) {
        for running in self.ended {
            running.over();
        }
    }
}

impl Queue {
    /// Takes the event that has waited longest, in the form that the script receives.
    pub(super) fn begin(&mut self) -> Option<(u32, String)> {
        let (number, job) = self.waiting.pop_front()?;
        let text = format!(r#"{{"number":{number},"event":{}}}"#, job.event);
        let running = Running {
            run: job.run,
            light: job.light,
            ended: job.ended,
        };
        self.running.insert(number, running);
        Some((number, text))
    }

    /// Stops taking events.
    pub(super) fn retire(&mut self) {
        if self.state != State::Ending {
            self.state = State::Retired;
        }
    }

    /// Whether the current event has yet to respond.
    pub(super) fn awaits_an_answer(&self) -> bool {
        let running = self.turn.and_then(|turn| self.running.get(&turn));
        running.is_some_and(|running| !running.run.invocation.is_handled())
    }

    pub(super) fn has_messages(&self) -> bool {
        !self.waiting.is_empty() || !self.cancelled.is_empty()
    }
}

impl Running {
    /// Records that the handler has returned. Returns false if the isolate should not be reused.
    pub(super) fn returned(&self, memory: &MemoryLimiter) -> bool {
        self.run.handler_ended();
        let invocation = &self.run.invocation;
        invocation.memory(memory);
        // A script that has not handled its event may be in a broken state.
        let is_handled = invocation.is_handled();
        let awaits_body = self.run.exchange.awaits_body();
        invocation.ended(Call::Returned);
        // A refusal of memory must not be blamed on a later event, and an isolate that holds much
        // memory is replaced before it reaches its limit.
        is_handled
            && !awaits_body
            && !memory.refused()
            && memory.peak() < invocation.worker.settings.limits.memory / 2
    }

    /// Drops the event. This may end callees, whose tails may use the isolate next.
    pub(super) fn over(self) {
        self.run.exchange.finish();
        _ = self.ended.send(End::Over);
    }
}

impl Job {
    /// Creates an event, and the receiver of its end. `light` is the CPU time up to which it
    /// counts as light.
    pub(super) fn new(
        run: &Arc<Run>,
        event: &Arc<str>,
        light: Duration,
    ) -> (Self, oneshot::Receiver<End>) {
        let (ended, end) = oneshot::channel();
        let job = Self {
            run: Arc::clone(run),
            event: Arc::clone(event),
            light,
            ended,
        };
        (job, end)
    }

    /// Returns the name of the Durable Object that handles the event, if its caller knows it.
    pub(super) fn object_name(&self) -> Option<String> {
        self.run.invocation.origin.object()?.name.clone()
    }
}
