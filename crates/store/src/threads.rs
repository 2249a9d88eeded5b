//! Threads that work with the database, each over a connection of its own.
//!
//! SQLite blocks: for some 10 µs as a rule, for seconds when another process
//! holds the file. So it has threads to itself, and neither those that run
//! Workers nor those that resolve names wait for it.

use crate::error::{Error, OpenError};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Opens a connection.
pub(crate) type Open = dyn Fn() -> Result<Connection, OpenError> + Send + Sync;

type Job = Box<dyn FnOnce(Result<&mut Connection, Error>) + Send>;

/// They end when this is dropped.
pub(crate) struct Threads {
    jobs: Sender<Job>,
}

impl Threads {
    /// Starts `count` threads. They open their connections when there is
    /// something to do.
    pub(crate) fn start(count: usize, open: &Arc<Open>) -> io::Result<Self> {
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

    /// Does something with the database. When its turn comes and the caller is
    /// gone, it is not done.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        turn: OwnedSemaphorePermit,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if !reply.is_closed() {
                _ = reply.send(connection.and_then(|open| Ok(work(open)?)));
            }
            drop(turn);
        });
        self.jobs.send(job).map_err(|_| Error::ThreadEnded)?;
        answer.await.map_err(|_| Error::ThreadEnded)?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, open: &Open) {
    let mut connection = None;
    loop {
        // Held while it waits: the threads take turns at waiting.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let opened = match &mut connection {
            Some(opened) => opened,
            None => match open() {
                Ok(opened) => connection.insert(opened),
                Err(error) => {
                    tracing::error!("{error}");
                    job(Err(Error::CannotOpen(Arc::new(error))));
                    continue;
                }
            },
        };
        if catch_unwind(AssertUnwindSafe(|| job(Ok(opened)))).is_err() {
            connection = None;
        }
    }
}
