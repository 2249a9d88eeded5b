//! Keeps the onsets of invocations in a file, so that an item is made for each one that a process
//! did not end.

use crate::error::{Error, Result};
use crate::progress::Progress;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Seek, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_runtime::{Runtime, TailConsumer, WorkerId};
use taffrail_trace::TraceItem;

/// The name of the file, in the folder for the data of Workers.
const FILE: &str = "onsets.jsonl";

/// The file is written anew once it has more than this many bytes beside those of running
/// invocations.
const SPARE_BYTES: u64 = 4 << 20;

/// The native consumer that keeps onsets of the Workers whose configuration asks for it.
pub(crate) struct Onsets {
    /// Missing if data is kept in memory.
    folder: Option<PathBuf>,
    progress: Arc<dyn Progress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The names of Workers.
    workers: HashSet<String>,
    kept: Option<Kept>,
}

/// The file, with the onsets in it.
struct Kept {
    /// Locked as long as this process has it.
    file: File,
    bytes: u64,
    /// The lines of invocations that have not ended, by their ids.
    running: HashMap<String, String>,
    running_bytes: u64,
    /// The items of invocations that an earlier process did not end.
    unfinished: Vec<TraceItem>,
}

/// A line of the file.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum Line<T> {
    /// What is known of an invocation that begins.
    Begin(T),
    /// The id of one that has ended.
    End(String),
}

impl Onsets {
    /// Keeps onsets in a folder for the data of Workers.
    pub(crate) fn new(data: Option<&PathBuf>, progress: Arc<dyn Progress>) -> Self {
        Self {
            folder: data.cloned(),
            progress,
            state: Mutex::default(),
        }
    }

    /// Takes the setting of a Worker that is about to be deployed.
    pub(crate) fn set(&self, worker: &str, is_kept: bool) -> Result<()> {
        let mut state = self.state();
        if !is_kept {
            state.workers.remove(worker);
            return Ok(());
        }
        let Some(folder) = &self.folder else {
            self.progress.warn(&format!(
                "the Worker `{worker}` keeps no data on disk, so its onsets are not kept"
            ));
            return Ok(());
        };
        if state.kept.is_none() {
            let path = folder.join(FILE);
            let kept = fs::create_dir_all(folder).and_then(|()| Kept::open(&path));
            state.kept = Some(kept.map_err(|error| {
                Error::host(format!("the onsets cannot be kept in {}", path.display()))
                    .caused_by(error)
            })?);
        }
        state.workers.insert(worker.to_owned());
        Ok(())
    }

    /// Delivers an item for each invocation that an earlier process did not end, with the outcome
    /// `unknown` and what was known when it began. To be called once all Workers are deployed.
    pub(crate) fn deliver_unfinished(&self, runtime: &Runtime) {
        let unfinished = match &mut self.state().kept {
            Some(kept) => std::mem::take(&mut kept.unfinished),
            None => return,
        };
        for item in unfinished {
            let id = item.invocation_id.clone();
            if let Err(error) = runtime.deliver(item) {
                self.progress.warn(&format!(
                    "an invocation of an earlier process has no end, and its item is dropped: {error}"
                ));
                self.ended(&id);
            }
        }
    }

    fn ended(&self, id: &str) {
        if let Some(kept) = &mut self.state().kept {
            let ended = kept.end(id);
            ended.unwrap_or_else(|error| self.cannot_write(&error));
        }
    }

    fn cannot_write(&self, error: &std::io::Error) {
        self.progress
            .warn(&format!("an onset cannot be kept: {error}"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn open(path: &PathBuf) -> std::io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => std::io::Error::other("another process has it"),
            TryLockError::Error(error) => error,
        })?;
        let mut kept = Self {
            file,
            bytes: 0,
            running: HashMap::new(),
            running_bytes: 0,
            unfinished: Vec::new(),
        };
        kept.read()?;
        Ok(kept)
    }

    /// Reads what an earlier process left. A line that it did not complete is the last one, of an
    /// invocation that had not begun.
    fn read(&mut self) -> std::io::Result<()> {
        let mut items: HashMap<String, TraceItem> = HashMap::new();
        for line in BufReader::new(&self.file).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(Line::Begin(item)) => {
                    let item: TraceItem = item;
                    items.insert(item.invocation_id.clone(), item);
                }
                Ok(Line::End(id)) => _ = items.remove(&id),
                // Nothing can be said of a line that is damaged.
                Err(_) => {}
            }
        }
        for item in items.values() {
            self.keep(item);
        }
        self.unfinished = items.into_values().collect();
        self.unfinished.sort_by_key(|item| item.event_timestamp);
        self.rewrite()
    }

    /// Adds the line of an invocation, and returns it.
    fn keep(&mut self, item: &TraceItem) -> Option<&str> {
        let line = serde_json::to_string(&Line::Begin(item)).ok()? + "\n";
        self.running_bytes += line.len() as u64;
        let id = item.invocation_id.clone();
        let entry = self.running.entry(id).insert_entry(line);
        Some(entry.into_mut().as_str())
    }

    fn begin(&mut self, item: &TraceItem) -> std::io::Result<()> {
        let Some(line) = self.keep(item) else {
            return Ok(());
        };
        let line = line.to_owned();
        self.write(&line)
    }

    fn end(&mut self, id: &str) -> std::io::Result<()> {
        let Some(line) = self.running.remove(id) else {
            return Ok(());
        };
        self.running_bytes -= line.len() as u64;
        if self.bytes > self.running_bytes + SPARE_BYTES {
            return self.rewrite();
        }
        let mut line = serde_json::to_string(&Line::<()>::End(id.to_owned()))?;
        line.push('\n');
        self.write(&line)
    }

    fn write(&mut self, line: &str) -> std::io::Result<()> {
        self.bytes += line.len() as u64;
        self.file.write_all(line.as_bytes())
    }

    /// Writes only what is running. A process that is killed in the middle of it loses onsets.
    fn rewrite(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.bytes = self.running_bytes;
        let lines: Vec<u8> = self
            .running
            .values()
            .flat_map(|line| line.bytes())
            .collect();
        self.file.write_all(&lines)
    }
}

impl TailConsumer for Onsets {
    fn receives(&self, worker: &WorkerId) -> bool {
        let name = worker.deployed_name();
        name.is_some_and(|name| self.state().workers.contains(name))
    }

    fn wants_onsets(&self) -> bool {
        true
    }

    fn begins(&self, item: &TraceItem) {
        if let Some(kept) = &mut self.state().kept {
            let begun = kept.begin(item);
            begun.unwrap_or_else(|error| self.cannot_write(&error));
        }
    }

    fn deliver(&self, item: &Arc<TraceItem>) {
        self.ended(&item.invocation_id);
    }
}
