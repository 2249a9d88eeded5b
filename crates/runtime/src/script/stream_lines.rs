//! The events of a streaming tail as a body, from which a script reads them.

use crate::delivery::TailStream;
use bytes::Bytes;
use http_body::{Body, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use taffrail_trace::{EventInfo, RequestData, StreamEvent, TailEvent};

/// The bytes after which a chunk gets no further line.
const CHUNK_BYTES: usize = 64 << 10;

/// A body with one line of JSON for each event: the event as [`TailEvent`] is in JSON, and for an
/// onset the unredacted request.
pub(super) struct Lines(TailStream);

impl Lines {
    pub(super) fn new(stream: TailStream) -> Self {
        Self(stream)
    }
}

#[derive(serde::Serialize)]
struct Line<'a> {
    event: &'a TailEvent,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a RequestData>,
}

fn raw(event: &TailEvent) -> Option<&RequestData> {
    match &event.event {
        StreamEvent::Onset(onset) => match &onset.info {
            EventInfo::Fetch { request, .. } => Some(request.unredacted()),
            _ => None,
        },
        _ => None,
    }
}

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    /// Returns the lines of all events that wait, up to the limit.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut lines = Vec::new();
        while lines.len() < CHUNK_BYTES {
            match self.0.poll_next(cx) {
                Poll::Ready(Some(event)) => {
                    let line = Line {
                        event: &event,
                        raw: raw(&event),
                    };
                    // An event always has a JSON form.
                    if serde_json::to_writer(&mut lines, &line).is_ok() {
                        lines.push(b'\n');
                    }
                }
                Poll::Ready(None) if lines.is_empty() => return Poll::Ready(None),
                Poll::Pending if lines.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}
