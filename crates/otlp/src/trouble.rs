//! What the log says about a collector: one line when something begins to go wrong, then counts,
//! and one line when it is over.

use crate::clock;
use crate::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log has a count of what is lost.
const INTERVAL: Duration = Duration::from_secs(60);

/// Takes a line for the log.
pub(crate) type Say = Box<dyn Fn(&str) + Send + Sync>;

/// The state of one collector, for all signals that go to it.
pub(crate) struct Trouble {
    place: String,
    say: Say,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The signals whose last message was not taken as a whole.
    signals: BTreeSet<Signal>,
    /// Records that were lost or rejected since the first of them was not.
    lost: BTreeMap<Signal, u64>,
    /// How many of them the log has told.
    told: u64,
    /// When the log has had its last line.
    last: Option<Instant>,
}

impl Trouble {
    pub(crate) fn new(place: String, say: Say) -> Self {
        Self {
            place,
            say,
            state: Mutex::default(),
        }
    }

    /// A message was not taken, or not as a whole. `problem` is a clause, and `message` the words
    /// of the collector or of the network.
    pub(crate) fn begin(&self, signal: Signal, problem: &str, message: &str) {
        let mut state = self.state();
        let is_first = state.signals.is_empty();
        state.signals.insert(signal);
        if !is_first {
            return;
        }
        state.last = Some(clock::instant());
        drop(state);
        let place = &self.place;
        let message = match message {
            "" => String::new(),
            message => format!(" ({message})"),
        };
        (self.say)(&format!(
            "{signal} for {place} are not taken: {problem}{message}"
        ));
    }

    /// Records are lost or rejected. Tells how many, once a minute.
    pub(crate) fn lost(&self, signal: Signal, records: u64) {
        let mut state = self.state();
        *state.lost.entry(signal).or_default() += records;
        let now = clock::instant();
        let is_due = state
            .last
            .is_none_or(|last| now.duration_since(last) >= INTERVAL);
        if is_due {
            state.last = Some(now);
            let line = self.untold(&mut state);
            drop(state);
            line.inspect(|line| (self.say)(line));
        }
    }

    /// A message was taken as a whole.
    pub(crate) fn end(&self, signal: Signal) {
        let mut state = self.state();
        if !state.signals.remove(&signal) || !state.signals.is_empty() {
            return;
        }
        let lost = state.text();
        *state = State::default();
        drop(state);
        let place = &self.place;
        (self.say)(&format!("{place} takes all telemetry again{lost}"));
    }

    /// Tells what the log has not told yet.
    pub(crate) fn finish(&self) {
        let line = self.untold(&mut self.state());
        line.inspect(|line| (self.say)(line));
    }

    fn untold(&self, state: &mut State) -> Option<String> {
        let lost = state.lost.values().sum();
        if lost <= state.told {
            return None;
        }
        state.told = lost;
        Some(format!("telemetry for {}{}", self.place, state.text()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn text(&self) -> String {
        let mut text = String::new();
        for (signal, records) in &self.lost {
            let separator = if text.is_empty() { ": " } else { ", " };
            // Writing to memory does not fail.
            _ = write!(text, "{separator}{records} {}(s)", signal.record());
        }
        if !text.is_empty() {
            text.push_str(" lost");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn an_outage_is_one_line_and_its_end_another() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let said = Arc::clone(&lines);
        let say = Box::new(move |line: &str| said.lock().unwrap().push(line.to_owned()));
        let trouble = Trouble::new("http://c:4318".to_owned(), say);
        for _ in 0..1000 {
            for signal in Signal::ALL {
                trouble.begin(signal, "the collector cannot be reached", "refused");
            }
            trouble.lost(Signal::Traces, 2);
            trouble.lost(Signal::Logs, 1);
        }
        trouble.end(Signal::Logs);
        trouble.end(Signal::Metrics);
        trouble.end(Signal::Traces);
        trouble.end(Signal::Traces);
        let begins =
            "traces for http://c:4318 are not taken: the collector cannot be reached (refused)";
        let ends = "http://c:4318 takes all telemetry again: 2000 span(s), 1000 log record(s) lost";
        assert_eq!(*lines.lock().unwrap(), [begins, ends]);
    }

    #[test]
    fn what_is_lost_until_the_end_is_told_once() {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let said = Arc::clone(&lines);
        let say = Box::new(move |line: &str| said.lock().unwrap().push(line.to_owned()));
        let trouble = Trouble::new("http://c".to_owned(), say);
        trouble.begin(Signal::Logs, "a reason", "");
        trouble.lost(Signal::Logs, 7);
        trouble.finish();
        trouble.finish();
        let begins = "logs for http://c are not taken: a reason";
        let ends = "telemetry for http://c: 7 log record(s) lost";
        assert_eq!(*lines.lock().unwrap(), [begins, ends]);
    }
}
