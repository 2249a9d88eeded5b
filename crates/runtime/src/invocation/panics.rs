//! Recognises panics of Rust and Go in the lines of stderr.

/// A panic that a guest printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panic {
    /// `panic`, or `fatal error` for one of Go's runtime.
    pub(crate) name: &'static str,
    pub(crate) message: String,
    pub(crate) place: Place,
}

/// Where a guest panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// File, line and column. The trap that follows has the stack.
    Location(String),
    /// The trace of the goroutine.
    Goroutine(String),
}

/// Recognises the last panic in the lines of stderr, in the format that the standard library of
/// Rust has printed since 1.73:
///
/// ```text
/// thread '<unnamed>' (1) panicked at src/lib.rs:10:5:
/// the message, of one or more lines
/// note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
/// ```
///
/// and in that of Go, in which a trace of the goroutine follows:
///
/// ```text
/// panic: the message, of one or more lines
///
/// goroutine 8 [running]:
/// main.fail(...)
///         worker/main.go:66
/// ```
#[derive(Default)]
pub(crate) struct PanicWatch {
    last: Option<Panic>,
    state: State,
}

/// What the next line may be a part of.
#[derive(Default)]
enum State {
    #[default]
    Output,
    /// The message of the last panic, which Rust printed.
    Rust,
    /// The message of a panic that Go printed, and what it prints of itself before the trace.
    Go { name: &'static str, message: String },
    /// The trace of the last panic.
    Trace,
}

/// The limit of a panic message, which is that of a recorded exception message.
const MAX_MESSAGE_BYTES: usize = 4096;

/// The limit of the trace of a goroutine.
const MAX_TRACE_BYTES: usize = 16 << 10;

/// The start of the first line of a panic in Rust.
const RUST: &str = "thread '";

/// The starts of the first line of a panic in Go, before its message.
const GO: [&str; 2] = ["panic", "fatal error"];

impl PanicWatch {
    /// Whether a line may be part of a panic. Called for every line, this is cheaper than
    /// decoding the line.
    pub(crate) fn wants(&self, line: &[u8]) -> bool {
        let begins = |name: &str| line.starts_with(name.as_bytes());
        !matches!(self.state, State::Output) || begins(RUST) || GO.into_iter().any(begins)
    }

    pub(crate) fn line(&mut self, line: &str) {
        if let Some(location) = location_in_rust(line) {
            self.last = Some(Panic {
                name: "panic",
                message: String::new(),
                place: Place::Location(location.to_owned()),
            });
            self.state = State::Rust;
            return;
        }
        if let Some((name, message)) = message_in_go(line) {
            let mut text = String::new();
            add_line(&mut text, message, MAX_MESSAGE_BYTES);
            self.state = State::Go {
                name,
                message: text,
            };
            return;
        }
        let goes_on = match (&mut self.state, &mut self.last) {
            (State::Rust, Some(panic)) => {
                !(line.starts_with("note: ") || line.starts_with("stack backtrace:"))
                    && add_line(&mut panic.message, line, MAX_MESSAGE_BYTES)
            }
            (State::Go { name, message }, last) => {
                if is_goroutine(line) {
                    // An empty line ends the message, and the trace of Go's runtime may follow it.
                    let message = message.split("\n\n").next().unwrap_or_default();
                    *last = Some(Panic {
                        name,
                        message: message.trim_end().to_owned(),
                        place: Place::Goroutine(line.to_owned()),
                    });
                    self.state = State::Trace;
                } else {
                    add_line(message, line, MAX_MESSAGE_BYTES);
                }
                true
            }
            (State::Trace, Some(panic)) => match &mut panic.place {
                Place::Goroutine(trace) => {
                    !line.is_empty() && add_line(trace, line, MAX_TRACE_BYTES)
                }
                Place::Location(_) => false,
            },
            (State::Output | State::Rust | State::Trace, _) => false,
        };
        if !goes_on {
            self.state = State::Output;
        }
    }

    pub(crate) fn take(&mut self) -> Option<Panic> {
        self.last.take()
    }
}

fn location_in_rust(line: &str) -> Option<&str> {
    let (_, location) = line.strip_prefix(RUST)?.split_once(" panicked at ")?;
    location.strip_suffix(':')
}

fn message_in_go(line: &str) -> Option<(&'static str, &str)> {
    GO.into_iter().find_map(|name| {
        let message = line.strip_prefix(name)?.strip_prefix(": ")?;
        Some((name, message))
    })
}

/// Whether a line is the first one of the trace of a goroutine, such as `goroutine 8 [running]:`.
fn is_goroutine(line: &str) -> bool {
    let rest = line.strip_prefix("goroutine ").unwrap_or_default();
    rest.starts_with(|first: char| first.is_ascii_digit()) && rest.ends_with("]:")
}

/// Adds a line to a text of at most `most` bytes. Returns whether there was room for it.
fn add_line(text: &mut String, line: &str, most: usize) -> bool {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
    let fits = text.len() <= most;
    if !fits {
        text.truncate(text.floor_char_boundary(most));
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panic_in(stderr: &str) -> Option<Panic> {
        let mut watch = PanicWatch::default();
        for line in stderr.lines() {
            if watch.wants(line.as_bytes()) {
                watch.line(line);
            }
        }
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
                name: "panic",
                message: "left != right\n  left: 1\n right: 2".into(),
                place: Place::Location("src/a b.rs:10:7".into()),
            }
        );
        assert_eq!(panic_in("thread safety matters\nerror: none"), None);
    }

    #[test]
    fn a_panic_of_go_is_found_with_the_trace_of_its_goroutine() {
        let trace = "goroutine 8 [running]:\nmain.fail(...)\n\tworker/main.go:66";
        let panic = panic_in(&format!(
            "panic: no such order\nin the shop\n[signal SIGSEGV]\n\n{trace}\n\n\
             goroutine 1 [chan receive]:\nmain.main()\n\tworker/main.go:3\n",
        ));
        assert_eq!(
            panic.unwrap(),
            Panic {
                name: "panic",
                message: "no such order\nin the shop\n[signal SIGSEGV]".into(),
                place: Place::Goroutine(trace.into()),
            }
        );
        let error = panic_in(&format!(
            "runtime: goroutine stack exceeds 16777216-byte limit\n\
             fatal error: stack overflow\n\nruntime stack:\nruntime.throw()\n\n{trace}\n",
        ));
        assert_eq!(
            error.unwrap(),
            Panic {
                name: "fatal error",
                message: "stack overflow".into(),
                place: Place::Goroutine(trace.into()),
            }
        );
        for printed in [
            "panic: on the Titanic",
            "panic: on the Titanic\n\ngoroutine leaks are bad:",
            "panic\n\ngoroutine 1 [running]:",
        ] {
            assert_eq!(panic_in(printed), None, "{printed}");
        }
    }

    #[test]
    fn a_long_panic_message_is_cut() {
        let message_of = |message: &str| {
            let rust = format!("thread 'main' (1) panicked at src/lib.rs:3:5:\n{message}");
            let go = format!("panic: {message}\n\ngoroutine 1 [running]:");
            let [rust, go] = [rust, go].map(|stderr| panic_in(&stderr).unwrap().message);
            assert_eq!(rust, go);
            rust
        };
        assert_eq!(message_of(&"x".repeat(5000)), "x".repeat(4096));
        assert_eq!(message_of(&"é".repeat(5000)), "é".repeat(2048));
        let lines = format!("first\n{}\nthird", "é".repeat(5000));
        assert_eq!(message_of(&lines), format!("first\n{}", "é".repeat(2045)));
    }

    #[test]
    fn a_long_trace_is_cut() {
        let frames = "main.fail(...)\n".repeat(5000);
        let panic = panic_in(&format!("panic: no\n\ngoroutine 1 [running]:\n{frames}"));
        let Place::Goroutine(trace) = panic.unwrap().place else {
            panic!("there is no trace");
        };
        assert_eq!(trace.len(), MAX_TRACE_BYTES);
    }
}
