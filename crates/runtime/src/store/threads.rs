//! Threads that work with the database, each over a connection of its own.
//!
//! SQLite blocks: for some 10 µs as a rule, for seconds when another process
//! holds the file. So it has threads to itself, and neither those that run
//! Workers nor those that resolve names wait for it.

use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Opens a connection.
pub(super) type Open = dyn Fn() -> Result<Connection, String> + Send + Sync;

type Job = Box<dyn FnOnce(Result<&mut Connection, String>) + Send>;

/// They end when this is dropped.
pub(super) struct Threads {
    jobs: Sender<Job>,
}

impl Threads {
    /// Starts `count` threads. They open their connections when there is
    /// something to do.
    pub(super) fn start(count: usize, open: &Arc<Open>) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let (jobs, open) = (Arc::clone(&jobs), Arc::clone(open));
            thread::Builder::new()
                .name("taffrail-store".to_owned())
                .spawn(move || work(&jobs, &*open))?;
        }
        Ok(Self { jobs: sender })
    }

    /// Does something with the database. What nobody waits for any more when
    /// its turn comes is not done.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Connection) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if !reply.is_closed() {
                _ = reply.send(connection.and_then(work));
            }
            drop(turn);
        });
        let failed = |_| "the database cannot be used: its thread has ended".to_owned();
        self.jobs.send(job).map_err(|_| failed(()))?;
        answer.await.map_err(|_| failed(()))?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, open: &Open) {
    let mut connection = None;
    loop {
        // Held while it waits: the threads take turns at waiting.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if connection.is_none() {
            match open() {
                Ok(opened) => connection = Some(opened),
                Err(error) => {
                    tracing::warn!("{error}");
                    job(Err(NOT_AVAILABLE.to_owned()));
                    continue;
                }
            }
        }
        let Some(open) = &mut connection else {
            continue;
        };
        if catch_unwind(AssertUnwindSafe(|| job(Ok(open)))).is_err() {
            connection = None;
        }
    }
}

/// What a Worker is told. The reason, which names files of the host, is logged.
const NOT_AVAILABLE: &str = "the database is not available; the log of Taffrail says why";
