//! The stdout and stderr of a guest, recorded line by line.

use crate::invocation::Invocation;
use crate::invocation::current::CurrentInvocation;
use crate::invocation::lines::Stream;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// A guest's stdout or stderr. All handles that the guest opens on the same stream write to the
/// same lines.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) stream: Stream,
    pub(crate) current: CurrentInvocation,
    pub(crate) record: Record,
}

/// Records output of a guest.
pub(crate) type Record = fn(&Invocation, Stream, &[u8]);

impl Output {
    fn record(&self, bytes: &[u8]) {
        (self.record)(&self.current.invocation(), self.stream, bytes);
    }
}

/// How much a guest may write at once, which is the limit of wasmtime's own streams for
/// `wasi:io`. The guest can be interrupted between two writes, so this also bounds the host's
/// work beyond a limit of CPU time.
const WRITE_PERMIT: usize = 64 * 1024;

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_PERMIT {
            return Err(StreamError::trap(&format!(
                "{} bytes were written to an output stream at once, but `check-write` permits {WRITE_PERMIT}",
                bytes.len()
            )));
        }
        self.record(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_PERMIT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE_PERMIT)];
        self.record(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
