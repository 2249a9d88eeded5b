//! How long a client may keep the server waiting.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that add one second: the rate of Apache's `mod_reqtimeout`. It ends a
/// client that moves a byte now and then.
const BYTES_A_SECOND: u64 = 500;

/// Time to wait for a client. Waiting uses it up, and bytes that move add to it.
pub(crate) struct Patience {
    full: Duration,
    left: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    pub(crate) fn new(full: Duration) -> Self {
        Self {
            full,
            left: full,
            timer: None,
            waiting: false,
        }
    }

    /// Waits for the client: ready when there is no time left.
    pub(crate) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = || Instant::now() + self.left;
        let timer = match &mut self.timer {
            Some(timer) => {
                if !self.waiting {
                    timer.as_mut().reset(deadline());
                }
                timer
            }
            None => self.timer.insert(Box::pin(sleep_until(deadline()))),
        };
        self.waiting = true;
        timer.as_mut().poll(cx)
    }

    /// The client has sent or taken some bytes.
    pub(crate) fn moved(&mut self, bytes: usize) {
        if let Some(timer) = &self.timer
            && self.waiting
        {
            self.left = timer.deadline().saturating_duration_since(Instant::now());
            self.waiting = false;
        }
        self.left = refilled(self.left, self.full, bytes as u64);
    }
}

fn refilled(left: Duration, full: Duration, bytes: u64) -> Duration {
    let gained = Duration::from_millis(bytes.saturating_mul(1000) / BYTES_A_SECOND);
    full.min(left.saturating_add(gained))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_time_back_up_to_all_of_it() {
        let seconds = Duration::from_secs;
        for (left, bytes, then) in [(0, 500, 1), (3, 1000, 5), (9, 5000, 10), (10, u64::MAX, 10)] {
            assert_eq!(refilled(seconds(left), seconds(10), bytes), seconds(then));
        }
        let byte = refilled(seconds(5), seconds(10), 1);
        assert_eq!(byte, Duration::from_millis(5002));
    }
}
