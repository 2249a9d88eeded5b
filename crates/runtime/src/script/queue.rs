//! The events of one isolate as they stand: those that wait, and those that run.

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
    /// What the script has yet to be told of.
    pub(super) waiting: VecDeque<(u32, Job)>,
    pub(super) cancelled: VecDeque<u32>,
    pub(super) running: BTreeMap<u32, Running>,
    /// Whose turn it is, as far as the script has said.
    pub(super) turn: Option<u32>,
}

/// What an isolate takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: nobody runs it.
    #[default]
    Idle,
    /// Further events.
    Open,
    /// Nothing more: what it runs goes on.
    Retired,
    /// Nothing more, and what it runs ends where it is.
    Doomed,
}

/// One event for an isolate.
pub(super) struct Job {
    pub(super) run: Arc<Run>,
    pub(super) event: Arc<str>,
    /// The CPU time of a light one.
    pub(super) light: Duration,
    pub(super) ended: oneshot::Sender<End>,
}

pub(super) struct Running {
    pub(super) run: Arc<Run>,
    pub(super) light: Duration,
    pub(super) ended: oneshot::Sender<End>,
}

/// What became of an event.
pub(super) enum End {
    Over,
    /// The isolate ended before it began.
    NotBegun,
}

/// What is to be done when no event of an isolate runs.
pub(super) struct Rest {
    pub(super) ended: Vec<Running>,
    /// Whether the isolate can go on.
    pub(super) is_kept: bool,
    /// For whom it does, if an event waits.
    pub(super) next: Option<Arc<Run>>,
}

impl Rest {
    /// Tells those who wait for the events that have ended.
    pub(super) fn tell(self) {
        for running in self.ended {
            running.over();
        }
    }
}

impl Queue {
    /// Takes what has waited longest, as the script is told of it.
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

    /// Takes nothing more.
    pub(super) fn retire(&mut self) {
        if self.state != State::Doomed {
            self.state = State::Retired;
        }
    }

    /// Whether the event whose turn it is has yet to answer.
    pub(super) fn awaits_an_answer(&self) -> bool {
        let running = self.turn.and_then(|turn| self.running.get(&turn));
        running.is_some_and(|running| !running.run.invocation.is_handled())
    }

    pub(super) fn has_news(&self) -> bool {
        !self.waiting.is_empty() || !self.cancelled.is_empty()
    }
}

impl Running {
    /// Records that the handler has returned. False when the isolate is better
    /// given up.
    pub(super) fn returned(&self, memory: &MemoryLimiter) -> bool {
        self.run.handler_ended();
        let invocation = &self.run.invocation;
        invocation.memory(memory);
        // One that does not do what it is for may never do it again.
        let is_handled = invocation.is_handled();
        let awaits_body = self.run.exchange.awaits_body();
        invocation.ended(Call::Returned);
        // What one event was refused explains nothing of the next one's end, and
        // one that keeps much is given up before it meets its limit.
        is_handled
            && !awaits_body
            && !memory.refused()
            && memory.peak() < invocation.worker.settings.limits.memory / 2
    }

    /// Lets go of the event. It may end callees, whose tails want the isolate next.
    pub(super) fn over(self) {
        self.run.exchange.finish();
        _ = self.ended.send(End::Over);
    }
}

impl Job {
    /// An event, and how to hear of its end. `light` is the CPU time that a light
    /// one may use.
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

    /// What its caller knows the Durable Object by that is to handle it.
    pub(super) fn object_name(&self) -> Option<String> {
        self.run.invocation.origin.object()?.name.clone()
    }
}
