//! Sends one message until it is taken, refused, or too old.

use crate::answer::{Answer, Reason};
use crate::client::Client;
use crate::clock;
use crate::signal::Signal;
use crate::trouble::Trouble;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// How long things take.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// How long an item waits for others, to be sent together.
    pub(crate) delay: Duration,
    /// The pause after the first attempt. Each is twice as long as the one before.
    pub(crate) first_pause: Duration,
    /// The longest pause, whatever the collector wants.
    pub(crate) longest_pause: Duration,
    /// How long a message is sent again.
    pub(crate) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(1),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            patience: Duration::from_secs(5 * 60),
        }
    }
}

/// The way to one collector.
pub(crate) struct Route {
    pub(crate) signal: Signal,
    pub(crate) client: Client,
    pub(crate) trouble: std::sync::Arc<Trouble>,
    pub(crate) pace: Pace,
    /// Whether the process ends.
    pub(crate) ending: watch::Receiver<bool>,
}

impl Route {
    /// Sends a message, and calls `again` before each attempt but the first. Returns how many of
    /// its records were rejected, or why it was not taken.
    pub(crate) async fn deliver(
        &self,
        message: Bytes,
        again: impl Fn() + Send,
    ) -> Result<u64, Reason> {
        let started = clock::instant();
        let mut ending = self.ending.clone();
        let mut pause = self.pace.first_pause;
        loop {
            let (reason, after) = match self.client.send(message.clone()).await {
                Answer::Taken { rejected, message } => {
                    self.note_rejected(rejected, &message);
                    return Ok(rejected);
                }
                Answer::Refused { reason, message } => {
                    self.trouble.begin(self.signal, &reason.text(), &message);
                    return Err(reason);
                }
                Answer::Later {
                    reason,
                    message,
                    after,
                } => {
                    self.trouble.begin(self.signal, &reason.text(), &message);
                    (reason, after)
                }
            };
            let is_old = clock::instant().duration_since(started) >= self.pace.patience;
            let is_ending = *ending.borrow_and_update();
            // At the end nobody waits for a collector that is not there.
            if is_old || is_ending && reason == Reason::Unreachable {
                return Err(reason);
            }
            let wanted = after.unwrap_or_else(|| with_jitter(pause));
            again();
            tokio::select! {
                () = tokio::time::sleep(wanted.min(self.pace.longest_pause)) => {
                    pause = (pause * 2).min(self.pace.longest_pause);
                }
                Ok(()) = ending.changed() => pause = self.pace.first_pause,
            }
        }
    }

    fn note_rejected(&self, rejected: u64, message: &str) {
        if rejected > 0 {
            let record = self.signal.record();
            let problem = format!("the collector rejects {rejected} {record}(s) of a message");
            self.trouble.begin(self.signal, &problem, message);
            self.trouble.lost(self.signal, rejected);
        } else {
            if !message.is_empty() {
                tracing::debug!("{} for {}: {message}", self.signal, self.client.place());
            }
            self.trouble.end(self.signal);
        }
    }
}

/// Returns a pause between half of it and all of it, so that processes that fail together do not
/// try again together.
fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
