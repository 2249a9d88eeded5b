//! Writes items to stdout, and knows exactly which of them were written.

use anstream::{AutoStream, ColorChoice};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use taffrail_runtime::Ledger;

/// The pause before another write to a stdout that another program has made non-blocking.
const BLOCKED: Duration = Duration::from_millis(10);

/// Items to be written to an unbuffered stdout.
pub(crate) struct Output<W = File> {
    out: W,
    color: ColorChoice,
    ledger: Arc<Ledger>,
    bytes: Vec<u8>,
    /// The end of each item in `bytes`.
    ends: Vec<usize>,
    /// Whether the last line that was written is incomplete.
    torn: bool,
    /// Whether the reader of stdout has closed it.
    closed: bool,
}

impl Output {
    pub(crate) fn new(ledger: Arc<Ledger>) -> io::Result<Self> {
        let stdout = io::stdout();
        let out = File::from(stdout.as_fd().try_clone_to_owned()?);
        Ok(Self::to(out, AutoStream::choice(&stdout), ledger))
    }
}

impl<W: Write> Output<W> {
    fn to(out: W, color: ColorChoice, ledger: Arc<Ledger>) -> Self {
        Self {
            out,
            color,
            ledger,
            bytes: Vec::new(),
            ends: Vec::new(),
            torn: false,
            closed: false,
        }
    }

    /// Returns how many bytes are to be written.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds an item, which `print` writes.
    pub(crate) fn add(&mut self, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.closed {
            return;
        }
        if std::mem::take(&mut self.torn) {
            self.bytes.push(b'\n');
        }
        let mut out = AutoStream::new(std::mem::take(&mut self.bytes), self.color);
        // Writing to memory does not fail.
        _ = print(&mut out);
        self.bytes = out.into_inner();
        self.ends.push(self.bytes.len());
    }

    /// Writes the added items, and counts those that were written and those that were not.
    pub(crate) fn write(&mut self) {
        let mut written = 0;
        let mut out = 0;
        let failed = loop {
            if written == self.bytes.len() {
                break None;
            }
            match self.out.write(&self.bytes[written..]) {
                Ok(0) => break Some(ErrorKind::WriteZero.into()),
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(BLOCKED),
                Err(error) => break Some(error),
            }
            let now_out = self.ends.partition_point(|end| *end <= written);
            self.ledger.delivered((now_out - out) as u64);
            out = now_out;
        };
        if let Some(error) = failed {
            self.fail(&error, written, out);
        }
        self.bytes.clear();
        self.ends.clear();
    }

    /// Counts all items that were not written as lost.
    fn fail(&mut self, error: &io::Error, written: usize, out: usize) {
        if error.kind() == ErrorKind::BrokenPipe {
            self.closed = true;
            tracing::warn!("stdout is closed: items are no longer printed");
            self.ledger.close("stdout is closed");
            return;
        }
        let begun = match out {
            0 => 0,
            out => self.ends[out - 1],
        };
        self.torn = written > begun;
        let lost = self.ends.len() - out;
        let reason = format!("stdout cannot be written to: {error}");
        self.ledger.lost(lost as u64, &reason);
    }
}

#[cfg(test)]
mod tests;
