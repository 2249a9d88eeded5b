//! Assembles the bytes of an output stream into lines, and recognises Rust panics in them.

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

/// The last panic that a Rust guest printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Panic {
    /// File, line and column.
    pub(crate) location: String,
    pub(crate) message: String,
}

/// Recognises a Rust panic in the lines of stderr, in the format that the standard library has
/// printed since Rust 1.73:
///
/// ```text
/// thread '<unnamed>' (1) panicked at src/lib.rs:10:5:
/// the message, of one or more lines
/// note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
/// ```
#[derive(Default)]
pub(crate) struct PanicWatch {
    last: Option<Panic>,
    reading: bool,
}

/// The limit of a panic message, which is that of a recorded exception message.
const MAX_PANIC_BYTES: usize = 4096;

/// The start of the first line of a panic.
const PANIC: &str = "thread '";

impl PanicWatch {
    /// Whether a line may be part of a panic. Called for every line, this is cheaper than
    /// decoding the line.
    pub(crate) fn wants(&self, line: &[u8]) -> bool {
        self.reading || line.starts_with(PANIC.as_bytes())
    }

    pub(crate) fn line(&mut self, line: &str) {
        if let Some(location) = panic_location(line) {
            self.last = Some(Panic {
                location: location.to_owned(),
                message: String::new(),
            });
            self.reading = true;
        } else if line.starts_with("note: ") || line.starts_with("stack backtrace:") {
            self.reading = false;
        } else if self.reading
            && let Some(panic) = &mut self.last
        {
            if !panic.message.is_empty() {
                panic.message.push('\n');
            }
            panic.message.push_str(line);
            if panic.message.len() > MAX_PANIC_BYTES {
                let end = panic.message.floor_char_boundary(MAX_PANIC_BYTES);
                panic.message.truncate(end);
                self.reading = false;
            }
        }
    }

    pub(crate) fn take(&mut self) -> Option<Panic> {
        self.last.take()
    }
}

fn panic_location(line: &str) -> Option<&str> {
    let (_, location) = line.strip_prefix(PANIC)?.split_once(" panicked at ")?;
    location.strip_suffix(':')
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

    fn panic_in(stderr: &str) -> Option<Panic> {
        let mut watch = PanicWatch::default();
        stderr.lines().for_each(|line| watch.line(line));
        watch.take()
    }

    #[test]
    fn the_last_panic_is_found_with_all_lines_of_its_message() {
        let panic = panic_in(
            "starting\n\nthread 'main' (1) panicked at src/lib.rs:3:5:\nfirst\n\
             thread '<unnamed>' (1) panicked at src/a b.rs:10:7:\nleft != right\n  left: 1\n right: 2\n\
             note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\nmore",
        );
        assert_eq!(
            panic.unwrap(),
            Panic {
                location: "src/a b.rs:10:7".into(),
                message: "left != right\n  left: 1\n right: 2".into(),
            }
        );
        assert_eq!(panic_in("thread safety matters\nerror: none"), None);
    }

    #[test]
    fn a_long_panic_message_is_cut() {
        let message_of = |message: &str| {
            let stderr = format!("thread 'main' (1) panicked at src/lib.rs:3:5:\n{message}");
            panic_in(&stderr).unwrap().message
        };
        assert_eq!(message_of(&"x".repeat(5000)), "x".repeat(4096));
        assert_eq!(message_of(&"é".repeat(5000)), "é".repeat(2048));
        let lines = format!("first\n{}\nthird", "é".repeat(5000));
        assert_eq!(message_of(&lines), format!("first\n{}", "é".repeat(2045)));
    }
}
