//! Confines panics of the host to the work in which they happen.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The host panicked. The panic message is on stderr.
#[derive(Debug, PartialEq)]
pub(crate) struct Panicked;

impl Panicked {
    /// The message for the operator.
    pub(crate) const MESSAGE: &str = "it panicked";
}

/// Runs `work` to its end. A panic ends it, and nothing else.
///
/// State that `work` shares with others must be consistent after a panic. It is behind locks
/// whose poisoning is ignored, since no code that can panic runs in the middle of a change.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        let turn = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        match turn {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Panicked, caught};

    #[tokio::test]
    async fn a_panic_ends_the_work_that_it_is_in() {
        let panics = caught(async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        });
        let works = caught(async {
            tokio::task::yield_now().await;
            1
        });
        let (panics, works): (Result<(), _>, _) = tokio::join!(panics, works);
        assert_eq!(panics, Err(Panicked));
        assert_eq!(works, Ok(1));
    }
}
