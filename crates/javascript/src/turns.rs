//! Runs jobs of many requesters on a few threads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::sync::oneshot;

/// Concurrent jobs. Each may use the memory limit of the bundler.
const RUNNING: usize = 4;

/// The most waiting jobs of one requester, and their total size, which is that of the largest
/// single job.
const WAITING: usize = 1024;
const WAITING_BYTES: usize = 64 << 20;

/// The niceness of the threads: a tenth of the weight of threads that answer
/// requests.
const NICENESS: i32 = 10;

/// Gives requesters their turns: each runs one job at a time, and none gets two turns while
/// another one waits.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    running: Vec<String>,
    /// The next requester comes first.
    waiting: VecDeque<Requester>,
}

struct Requester {
    name: String,
    jobs: VecDeque<Job>,
}

struct Job {
    size: usize,
    dropped: Dropped,
    work: Box<dyn FnOnce() + Send>,
}

/// Whether the waiters of a job have left.
#[derive(Clone, Default)]
pub(crate) struct Dropped(Arc<AtomicBool>);

impl Dropped {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// A waiter of a job.
struct Wanting(Dropped);

impl Drop for Wanting {
    fn drop(&mut self) {
        self.0.0.store(true, Relaxed);
    }
}

/// Why a job was not done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// Too many jobs of the requester wait.
    Full,
    /// The job panicked, or there is no thread for it.
    Lost,
}

impl Turns {
    /// Runs `work`, which holds `size` bytes, when it is the requester's turn. Dropping the
    /// future drops the work, or stops it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        requester: &str,
        size: usize,
        work: impl FnOnce(Dropped) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let (sender, receiver) = oneshot::channel();
        let wanting = Wanting(Dropped::default());
        let dropped = wanting.0.clone();
        let work = move || _ = sender.send(work(dropped));
        self.state().push(
            requester,
            Job {
                size,
                dropped: wanting.0.clone(),
                work: Box::new(work),
            },
        )?;
        self.start();
        receiver.await.map_err(|_| NotDone::Lost)
    }

    fn start(&self) {
        while let Some((requester, work)) = self.state().next() {
            let turn = Turn {
                turns: self.clone(),
                requester,
            };
            let thread = thread::Builder::new().name("taffrail-bundle".to_owned());
            let spawned = thread.spawn(move || {
                // If this is refused, the threads keep the ordinary niceness.
                _ = rustix::process::setpriority_process(None, NICENESS);
                work();
                drop(turn);
            });
            if spawned.is_err() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running job. The next one starts when it ends.
struct Turn {
    turns: Turns,
    requester: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.running.retain(|running| *running != self.requester);
        drop(state);
        self.turns.start();
    }
}

impl State {
    fn push(&mut self, name: &str, job: Job) -> Result<(), NotDone> {
        for requester in &mut self.waiting {
            requester.jobs.retain(|job| !job.dropped.is_set());
        }
        self.waiting.retain(|requester| !requester.jobs.is_empty());
        match self.waiting.iter_mut().find(|other| other.name == name) {
            None => self.waiting.push_back(Requester {
                name: name.to_owned(),
                jobs: VecDeque::from([job]),
            }),
            Some(requester) => {
                let jobs = &mut requester.jobs;
                let bytes: usize = jobs.iter().map(|job| job.size).sum();
                if jobs.len() >= WAITING || bytes + job.size > WAITING_BYTES {
                    return Err(NotDone::Full);
                }
                jobs.push_back(job);
            }
        }
        Ok(())
    }

    /// Takes the next job to start, and its requester.
    fn next(&mut self) -> Option<(String, Box<dyn FnOnce() + Send>)> {
        while self.running.len() < RUNNING {
            let mut order = self.waiting.iter();
            let index = order.position(|requester| !self.running.contains(&requester.name))?;
            let mut requester = self.waiting.remove(index)?;
            let job = requester.jobs.pop_front();
            let name = requester.name.clone();
            if !requester.jobs.is_empty() {
                self.waiting.push_back(requester);
            }
            if let Some(job) = job.filter(|job| !job.dropped.is_set()) {
                self.running.push(name.clone());
                return Some((name, job.work));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_requester_with_many_jobs_does_not_hold_up_another() {
        let turns = Turns::default();
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        for _ in 0..100 {
            let (turns, held) = (turns.clone(), Arc::clone(&held));
            tokio::spawn(async move {
                let wait = move |_| held.lock().unwrap().recv().is_ok();
                _ = turns.run("busy", 0, wait).await;
            });
        }
        let other = turns.run("other", 0, |_| 7);
        assert_eq!(tokio::time::timeout(SOON, other).await.unwrap(), Ok(7));
        drop(release);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_is_told_when_nothing_waits_for_it() {
        let turns = Turns::default();
        let (told, hears) = mpsc::channel();
        let job = turns.run("one", 0, move |dropped| {
            while !dropped.is_set() {
                thread::yield_now();
            }
            told.send(()).unwrap();
        });
        assert!(tokio::time::timeout(Duration::ZERO, job).await.is_err());
        hears.recv_timeout(SOON).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_requester_holds_so_much_and_no_more() {
        let turns = Turns::default();
        let (release, held) = mpsc::channel::<()>();
        let first = turns.clone();
        let (started, starts) = mpsc::channel();
        let first = tokio::spawn(async move {
            let wait = move |_| {
                started.send(()).unwrap();
                held.recv().is_err()
            };
            first.run("one", 0, wait).await
        });
        starts.recv_timeout(SOON).unwrap();
        let mut waiting = Box::pin(turns.run("one", WAITING_BYTES, |_| true));
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut waiting)
                .await
                .is_err()
        );
        assert_eq!(turns.run("one", 1, |_| true).await, Err(NotDone::Full));
        assert_eq!(turns.run("two", 1, |_| true).await, Ok(true));
        drop(release);
        assert_eq!(waiting.await, Ok(true));
        assert_eq!(first.await.unwrap(), Ok(true));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_place() {
        let turns = Turns::default();
        for _ in 0..2 * RUNNING {
            let lost = turns.run("one", 0, |_| panic!("on purpose")).await;
            assert_eq!(lost, Err::<(), _>(NotDone::Lost));
        }
    }
}
