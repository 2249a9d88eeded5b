//! How an invocation ended: the facts, and the one function that decides the outcome from them.

use crate::invocation::panics::{Panic, Place};
use taffrail_trace::Outcome;

/// The facts about the end of one invocation.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) call: Call,
    pub(crate) response: Response,
    /// Why the guest was cut off, if it was.
    pub(crate) cut: Option<Cut>,
    /// Whether the guest was ever refused memory.
    pub(crate) memory_refused: bool,
    /// Whether the guest was ever refused a subrequest.
    pub(crate) subrequest_refused: bool,
    /// Whether the guest read a request body that broke off.
    pub(crate) request_broke_off: bool,
    /// The failure that the guest's handler reported.
    pub(crate) uncaught: Option<Failure>,
    /// The last panic that the guest printed.
    pub(crate) panic: Option<Panic>,
    /// Whether the guest printed Python's error for a refused allocation. The interpreter then
    /// panics with a message about exceptions in general.
    pub(crate) memory_error: bool,
    /// The message of the JavaScript engine when it aborted.
    pub(crate) crash: Option<String>,
}

impl Ending {
    /// Whether the handler of an event without a response has returned.
    pub(crate) fn has_returned(&self) -> bool {
        matches!(self.call, Call::Returned)
            && self.response == Response::NotExpected
            && self.uncaught.is_none()
    }

    /// Returns the state at the start of an invocation.
    pub(crate) fn new(response: Response) -> Self {
        Self {
            call: Call::Unfinished,
            response,
            cut: None,
            memory_refused: false,
            subrequest_refused: false,
            request_broke_off: false,
            uncaught: None,
            panic: None,
            memory_error: false,
            crash: None,
        }
    }
}

/// Why the host stops a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It exceeded its CPU time.
    Cpu,
    /// The host memory held on its behalf exceeded the limit.
    Memory,
    /// It exceeded its wall time.
    WallTime,
    /// It exceeded the time after its response.
    WaitUntil,
    /// The client disconnected in the middle of the response.
    ClientLeft,
    /// An operator stopped the Worker.
    Killed,
    /// Taffrail is stopping.
    Aborted,
}

/// The result of calling the guest's handler.
#[derive(Debug)]
pub(crate) enum Call {
    /// The call was dropped before it returned.
    Unfinished,
    Returned,
    Trapped(Trapped),
    /// The component has no handler for the event. The text is the message about it.
    NoHandler(String),
    /// There is no code to run. The text is the reason.
    NoScript(String),
    /// The evaluation of the script failed.
    NotStarted(Failure),
    /// The Worker is stopped.
    Stopped,
    /// A limit of concurrency refused the invocation.
    Shed(Shed),
    /// The host failed during the call. The text is the reason.
    HostFailed(String),
}

/// The limit of concurrency that refused an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// The instances of the Worker.
    Worker,
    /// The instances of the Worker that made it, or of its dispatch namespace.
    Parent,
    /// The places of the process.
    Process,
    /// The queue of the Durable Object.
    Object,
}

/// A trap of the guest, and the stack at that point.
#[derive(Debug)]
pub(crate) struct Trapped {
    pub(crate) cause: Cause,
    pub(crate) stack: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// The guest aborted. Aborts, panics and failed allocations compile to this.
    Unreachable,
    MemoryOutOfBounds,
    /// The guest's initial memory exceeds the limit.
    NoInitialMemory,
    /// The guest exited with a status other than 0.
    Exited(i32),
    /// The guest said why it cannot go on.
    Aborted(Failure),
    /// Any other trap. The text is the description.
    Other(String),
}

/// The state of the response of a fetch event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// This kind of event has no response.
    NotExpected,
    Unset,
    /// The guest returned an error code instead.
    Refused(String),
    /// The guest set a status that only servers may send.
    Informational(u16),
    /// The head is set, and the body is being sent.
    Streaming(u16),
    /// The whole response was sent.
    Complete(u16),
    /// The guest stopped before the end of the body.
    Broken(u16),
    /// The client disconnected before the end of the body.
    Abandoned,
    /// The calling Worker did not read the body to its end.
    Unread,
}

impl Response {
    /// Whether nothing more can be sent.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Complete(_) | Self::Broken(_) | Self::Abandoned | Self::Unread => true,
            Self::NotExpected
            | Self::Unset
            | Self::Refused(_)
            | Self::Informational(_)
            | Self::Streaming(_) => false,
        }
    }

    /// Whether the response is a failure reported by the guest.
    fn is_failure(&self) -> bool {
        match self {
            Self::Unset | Self::Refused(_) => true,
            Self::Streaming(status) | Self::Complete(status) => *status >= 500,
            Self::NotExpected
            | Self::Informational(_)
            | Self::Broken(_)
            | Self::Abandoned
            | Self::Unread => false,
        }
    }
}

/// An exception without its timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) stack: Option<String>,
}

/// The decision about an invocation's end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// The exception to record, unless the guest has already reported it.
    pub(crate) failure: Option<Failure>,
    /// The limit that the invocation exceeded.
    pub(crate) limit: Option<Limit>,
}

/// The limits of a Worker that can end an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Cpu,
    Memory,
    WallTime,
    WaitUntil,
    Subrequests,
    Instances,
}

impl Verdict {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            failure: None,
            limit: None,
        }
    }

    fn error(outcome: Outcome, message: impl Into<String>) -> Self {
        Self {
            failure: Some(Failure {
                name: "Error".to_owned(),
                message: message.into(),
                stack: None,
            }),
            ..Self::new(outcome)
        }
    }

    fn limit(self, limit: Limit) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    fn stack(mut self, stack: Option<&String>) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.stack = stack.cloned();
        }
        self
    }
}

/// Decides the outcome of an invocation, and the exception and limit that its item names.
pub(crate) fn decide(ending: &Ending) -> Verdict {
    let verdict = match &ending.call {
        Call::HostFailed(message) => Verdict::error(
            Outcome::InternalError,
            format!("The runtime failed: {message}"),
        ),
        Call::NoScript(message) => Verdict::error(Outcome::ScriptNotFound, message),
        Call::NotStarted(failure) => Verdict {
            failure: Some(failure.clone()),
            ..Verdict::new(Outcome::Exception)
        },
        Call::Stopped => Verdict::error(Outcome::KillSwitch, "The Worker is stopped."),
        Call::Shed(shed) => decide_shed(*shed),
        Call::NoHandler(message) => Verdict::error(Outcome::Exception, message),
        Call::Trapped(trapped) => match ending.cut {
            Some(cut) => decide_cut(ending, cut).stack(trapped.stack.as_ref()),
            None => decide_trapped(ending, trapped),
        },
        Call::Unfinished => decide_cut(ending, ending.cut.unwrap_or(Cut::ClientLeft)),
        Call::Returned => decide_returned(ending),
    };
    let verdict = match verdict.limit {
        None if ending.subrequest_refused => verdict.limit(Limit::Subrequests),
        _ => verdict,
    };
    let failed = matches!(
        verdict.outcome,
        Outcome::Exception | Outcome::ResponseStreamDisconnected
    );
    if failed && ending.request_broke_off {
        // The exceptions that the guest reported are recorded, but the cause is the client's
        // disconnect.
        return Verdict {
            outcome: Outcome::Canceled,
            ..verdict
        };
    }
    verdict
}

fn decide_shed(shed: Shed) -> Verdict {
    let shed_as = |message: &str| Verdict::error(Outcome::LoadShed, message);
    match shed {
        Shed::Worker => shed_as("Too many invocations are running.").limit(Limit::Instances),
        Shed::Parent => shed_as(
            "Too many invocations of the Workers of one maker or dispatch namespace are running.",
        ),
        Shed::Process => shed_as("All instances of the process are taken."),
        // The wording is Cloudflare's.
        Shed::Object => shed_as("Durable Object is overloaded. Too many requests queued."),
    }
}

fn decide_cut(ending: &Ending, cut: Cut) -> Verdict {
    match cut {
        Cut::Cpu => Verdict::error(Outcome::ExceededCpu, "Worker exceeded CPU time limit.")
            .limit(Limit::Cpu),
        Cut::Memory => memory_exceeded(),
        Cut::WallTime => Verdict::error(
            Outcome::ExceededWallTime,
            "Worker exceeded wall time limit.",
        )
        .limit(Limit::WallTime),
        // As on Workers, the response decides the outcome. A warning reports the cancelled tasks.
        Cut::WaitUntil => decide_returned(ending).limit(Limit::WaitUntil),
        Cut::ClientLeft => Verdict::new(Outcome::Canceled),
        Cut::Killed => Verdict::error(Outcome::KillSwitch, "The Worker was stopped."),
        Cut::Aborted => Verdict::error(
            Outcome::Aborted,
            "The runtime stopped before the invocation ended.",
        ),
    }
}

fn decide_trapped(ending: &Ending, trapped: &Trapped) -> Verdict {
    if out_of_memory(ending, &trapped.cause) {
        return memory_exceeded().stack(trapped.stack.as_ref());
    }
    if let Response::Informational(status) = ending.response {
        return informational(status).stack(trapped.stack.as_ref());
    }
    // The client received a success status and then a broken body.
    let outcome = match ending.response {
        Response::Broken(_) => Outcome::ResponseStreamDisconnected,
        _ => Outcome::Exception,
    };
    Verdict {
        failure: Some(trap_failure(ending, trapped)),
        ..Verdict::new(outcome)
    }
}

fn decide_uncaught(ending: &Ending, uncaught: &Failure) -> Verdict {
    if ending.memory_refused && is_of_memory(uncaught) {
        return Verdict::new(Outcome::ExceededMemory).limit(Limit::Memory);
    }
    Verdict::new(Outcome::Exception)
}

/// Whether a failure is due to memory, if memory was refused. JavaScript's engine throws
/// `out of memory`, as a text or as the message of an error; Python and C++ have classes.
fn is_of_memory(failure: &Failure) -> bool {
    failure.message == "out of memory" || matches!(&*failure.name, "MemoryError" | "std::bad_alloc")
}

fn memory_exceeded() -> Verdict {
    Verdict::error(Outcome::ExceededMemory, "Worker exceeded memory limit.").limit(Limit::Memory)
}

/// Whether a trap is due to a refused allocation. The guest may have aborted, exited, or written
/// to the null pointer that it took for memory. If it panicked about something else, it had
/// handled the refusal.
fn out_of_memory(ending: &Ending, cause: &Cause) -> bool {
    match cause {
        Cause::NoInitialMemory => true,
        Cause::Unreachable | Cause::MemoryOutOfBounds | Cause::Exited(_) => {
            let panic = ending.panic.as_ref();
            ending.memory_refused && (ending.memory_error || panic.is_none_or(is_about_memory))
        }
        // A program in C that is refused memory ends itself, and does not say why.
        Cause::Aborted(failure) => {
            let ends_itself = matches!(&*failure.name, "abort" | "exit");
            ending.memory_refused && (ends_itself || is_of_memory(failure))
        }
        Cause::Other(_) => false,
    }
}

/// Whether a panic is that of Rust or of Go after a refused allocation.
fn is_about_memory(panic: &Panic) -> bool {
    let message = &panic.message;
    message.starts_with("memory allocation of ")
        || panic.name == "fatal error"
            && (message.contains("out of memory") || message.contains("cannot allocate memory"))
}

fn trap_failure(ending: &Ending, trapped: &Trapped) -> Failure {
    let message = match &trapped.cause {
        Cause::Unreachable => match &ending.panic {
            Some(panic) => return panic_failure(panic, trapped.stack.as_deref()),
            None => match &ending.crash {
                Some(crash) => format!("The JavaScript engine gave up: {crash}"),
                None => "unreachable executed".to_owned(),
            },
        },
        Cause::MemoryOutOfBounds => "memory access out of bounds".to_owned(),
        Cause::NoInitialMemory => "not enough memory to start".to_owned(),
        Cause::Exited(status) => format!("exited with status {status}"),
        Cause::Aborted(failure) => {
            let stack = failure.stack.as_ref().or(trapped.stack.as_ref());
            return Failure {
                stack: stack.cloned(),
                ..failure.clone()
            };
        }
        Cause::Other(message) => message.clone(),
    };
    Failure {
        name: "RuntimeError".to_owned(),
        message,
        stack: trapped.stack.clone(),
    }
}

fn panic_failure(panic: &Panic, frames: Option<&str>) -> Failure {
    let stack = match (&panic.place, frames) {
        (Place::Location(location), Some(frames)) => format!("    at {location}\n{frames}"),
        (Place::Location(location), None) => format!("    at {location}"),
        (Place::Goroutine(trace), _) => trace.clone(),
    };
    Failure {
        name: panic.name.to_owned(),
        message: panic.message.clone(),
        stack: Some(stack),
    }
}

fn decide_returned(ending: &Ending) -> Verdict {
    if let Some(uncaught) = &ending.uncaught {
        return decide_uncaught(ending, uncaught);
    }
    if ending.memory_refused && ending.response.is_failure() {
        return memory_exceeded();
    }
    match &ending.response {
        Response::NotExpected
        | Response::Streaming(_)
        | Response::Complete(_)
        | Response::Unread => Verdict::new(Outcome::Ok),
        Response::Unset => Verdict::error(
            Outcome::Exception,
            "The handler returned without setting a response.",
        ),
        Response::Refused(code) => Verdict::error(
            Outcome::Exception,
            format!("The handler answered with the error {code} instead of a response."),
        ),
        Response::Informational(status) => informational(*status),
        Response::Broken(_) => Verdict::new(Outcome::ResponseStreamDisconnected),
        Response::Abandoned => Verdict::new(Outcome::Canceled),
    }
}

fn informational(status: u16) -> Verdict {
    let message = format!(
        "The handler answered with the status {status}, and a response has one from 200 to 999."
    );
    Verdict::error(Outcome::Exception, message)
}

#[cfg(test)]
mod tests;
