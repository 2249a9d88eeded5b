//! How an invocation ended: the facts, and the one function that makes an
//! outcome of them.

use crate::invocation::lines::Panic;
use taffrail_trace::Outcome;

/// The facts about the end of one invocation.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) call: Call,
    pub(crate) response: Response,
    /// Why the guest was cut off, if it was.
    pub(crate) cut: Option<Cut>,
    /// The guest was refused memory at some time.
    pub(crate) memory_refused: bool,
    /// The guest was refused a subrequest at some time.
    pub(crate) subrequest_refused: bool,
    /// The guest met the end of a request body that broke off.
    pub(crate) request_broke_off: bool,
    /// How the guest says that its handler failed.
    pub(crate) uncaught: Option<Failure>,
    /// What the guest printed of its last Rust panic.
    pub(crate) panic: Option<Panic>,
    /// The guest printed Python's error for a refusal of memory. The interpreter panics
    /// behind it, about an exception in general.
    pub(crate) memory_error: bool,
    /// What the JavaScript engine printed when it gave up.
    pub(crate) crash: Option<String>,
}

impl Ending {
    /// Nothing has happened yet.
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

/// Why the host ends a guest that would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It used more CPU time than it may.
    Cpu,
    /// The host held more for it than it may.
    Memory,
    /// It took more time than it may.
    WallTime,
    /// It went on for longer after its response than it may.
    WaitUntil,
    /// The client went away in the middle of the response.
    ClientLeft,
    /// Somebody stopped the Worker.
    Killed,
    /// Taffrail is stopping.
    Aborted,
}

/// What became of the call of the guest's handler.
#[derive(Debug)]
pub(crate) enum Call {
    /// It was dropped before it returned.
    Unfinished,
    Returned,
    Trapped(Trapped),
    /// The component has no handler for the event; the text says which.
    NoHandler(String),
    /// There is no code to run; the text says why.
    NoScript(String),
    /// The script cannot be evaluated.
    NotStarted(Failure),
    /// The Worker has been stopped.
    Stopped,
    /// There is no room for it.
    Shed(Shed),
    /// The host could not do its part.
    HostFailed(String),
}

/// What there is no room in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// The share of the Worker.
    Worker,
    /// The share of the Worker that made it, or of its dispatch namespace.
    Parent,
    /// The places of the process.
    Process,
    /// The queue of the Durable Object.
    Object,
}

/// How the guest was stopped by itself or by a limit.
#[derive(Debug)]
pub(crate) struct Trapped {
    pub(crate) cause: Cause,
    pub(crate) stack: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    /// The guest gave up: what an abort, a panic or a failed allocation
    /// compiles to.
    Unreachable,
    MemoryOutOfBounds,
    /// Too little memory to start at all.
    NoInitialMemory,
    /// The guest ended itself with a status other than 0.
    Exited(i32),
    /// Anything else, in words.
    Other(String),
}

/// What became of the response of a fetch event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Response {
    /// This kind of event has none.
    NotExpected,
    Unset,
    /// The guest answered with an error code instead.
    Refused(String),
    /// The guest answered with a status that is for servers alone.
    Informational(u16),
    /// Its head is set, its body is under way.
    Streaming(u16),
    /// All of it went out.
    Complete(u16),
    /// The guest ended it before its end.
    Broken(u16),
    /// The client went away before its end.
    Abandoned,
    /// The Worker that called did not read it to its end.
    Unread,
}

impl Response {
    /// Whether there is nothing more to send, or nobody to send it to.
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

    /// Whether the guest says by it that it failed.
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

/// An exception without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) stack: Option<String>,
}

/// What the facts amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// The exception to record, unless the guest has recorded it itself.
    pub(crate) failure: Option<Failure>,
    /// The limit that the invocation met.
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

/// The outcome of an invocation, and what else its item says about its end.
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
        // What the guest made of it is told, but it is the client's doing.
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
        // As on Workers: what it answered is its end, and a warning tells the rest.
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
    // The client had a good status and then a body that broke off.
    let outcome = match ending.response {
        Response::Broken(_) => Outcome::ResponseStreamDisconnected,
        _ => Outcome::Exception,
    };
    Verdict {
        failure: Some(trap_failure(ending, trapped)),
        ..Verdict::new(outcome)
    }
}

/// What languages throw when they are refused memory: JavaScript's engine a text
/// or an error with it, Python an error of this name.
fn decide_uncaught(ending: &Ending, uncaught: &Failure) -> Verdict {
    let is_of_memory = uncaught.message == "out of memory" || uncaught.name == "MemoryError";
    if ending.memory_refused && is_of_memory {
        return Verdict::new(Outcome::ExceededMemory).limit(Limit::Memory);
    }
    Verdict::new(Outcome::Exception)
}

fn memory_exceeded() -> Verdict {
    Verdict::error(Outcome::ExceededMemory, "Worker exceeded memory limit.").limit(Limit::Memory)
}

/// A guest that was refused memory and did not cope aborts, exits, or writes to the
/// null pointer it took for memory. A panic about something else means that it
/// had coped.
fn out_of_memory(ending: &Ending, cause: &Cause) -> bool {
    match cause {
        Cause::NoInitialMemory => true,
        Cause::Unreachable | Cause::MemoryOutOfBounds | Cause::Exited(_) => {
            let panic = ending.panic.as_ref();
            ending.memory_refused
                && (ending.memory_error
                    || panic.is_none_or(|panic| panic.message.starts_with("memory allocation of ")))
        }
        Cause::Other(_) => false,
    }
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
        Cause::Other(message) => message.clone(),
    };
    Failure {
        name: "RuntimeError".to_owned(),
        message,
        stack: trapped.stack.clone(),
    }
}

fn panic_failure(panic: &Panic, frames: Option<&str>) -> Failure {
    let mut stack = format!("    at {}", panic.location);
    if let Some(frames) = frames {
        stack.push('\n');
        stack.push_str(frames);
    }
    Failure {
        name: "panic".to_owned(),
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
