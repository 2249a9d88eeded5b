//! Assembles the bytes of an output stream into lines.

use memchr::memchr;
use taffrail_trace::MAX_TRACE_BYTES;

/// One of the two output streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Assembles the writes to one stream into lines.
///
/// A line holds at most [`MAX_TRACE_BYTES`], since a longer one could not be recorded. The rest
/// of the line is discarded.
#[derive(Default)]
pub(crate) struct LineBuffer {
    partial: Vec<u8>,
}

impl LineBuffer {
    /// Takes one write, and passes every completed line to `line`.
    pub(crate) fn write(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (head, tail) = bytes.split_at(end);
            bytes = &tail[1..];
            if self.partial.is_empty() {
                line(without_return(head));
            } else {
                self.keep(head);
                line(without_return(&self.partial));
                self.partial.clear();
            }
        }
        self.keep(bytes);
    }

    /// Returns the last line, if the stream ended without a newline.
    pub(crate) fn finish(&mut self) -> Option<Vec<u8>> {
        let mut partial = std::mem::take(&mut self.partial);
        let is_line = !partial.is_empty();
        partial.truncate(without_return(&partial).len());
        is_line.then_some(partial)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_TRACE_BYTES.saturating_sub(self.partial.len());
        self.partial
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Removes the carriage return of a CRLF.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(writes: &[&[u8]]) -> Vec<String> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for write in writes {
            buffer.write(write, |line| lines.push(line.to_owned()));
        }
        lines.extend(buffer.finish());
        let text = |line: Vec<u8>| String::from_utf8_lossy(&line).into_owned();
        lines.into_iter().map(text).collect()
    }

    #[test]
    fn a_line_in_several_writes_is_one_line() {
        assert_eq!(lines(&[b"he", b"llo\nwor", b"ld\n"]), ["hello", "world"]);
        assert_eq!(lines(&[b"a\n\nb\r\n"]), ["a", "", "b"]);
        assert_eq!(lines(&[b"no newline"]), ["no newline"]);
        assert_eq!(lines(&[b""]), Vec::<String>::new());
    }

    #[test]
    fn a_character_split_over_two_writes_is_whole_and_broken_utf8_is_replaced() {
        assert_eq!(lines(&[b"gr\xc3", b"\xbc\xc3\x9fe\n"]), ["grüße"]);
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut buffer = LineBuffer::default();
        for _ in 0..10 {
            buffer.write(&[b'x'; 100_000], |_| panic!("no line is complete"));
        }
        assert_eq!(buffer.finish().unwrap().len(), MAX_TRACE_BYTES);
    }
}
