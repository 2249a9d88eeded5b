//! How an invocation ended: the facts, and the one function that makes an
//! outcome of them.

use crate::lines::Panic;
use taffrail_trace::Outcome;

/// The facts about the end of one invocation.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) call: Call,
    pub(crate) response: Response,
    /// The CPU time limit was passed.
    pub(crate) cpu_exceeded: bool,
    /// The guest was refused memory at some time.
    pub(crate) memory_refused: bool,
    /// The guest said itself that its handler failed.
    pub(crate) uncaught: bool,
    /// What the guest printed of its last Rust panic.
    pub(crate) panic: Option<Panic>,
}

/// What became of the call of the guest's handler.
#[derive(Debug)]
pub(crate) enum Call {
    /// It was dropped before it returned, because nobody waits for it.
    Unfinished,
    Returned,
    Trapped(Trapped),
    /// The component exports no handler of this name.
    NoHandler(&'static str),
    /// There is no code to run; the text says why.
    NoScript(String),
    /// All instances that the host has room for are taken.
    NoInstance,
    /// The host could not do its part.
    HostFailed(String),
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
    /// Its head is set, its body is under way.
    Streaming(u16),
    /// All of it went out.
    Complete(u16),
    /// The guest ended it before its end.
    Broken,
    /// The client went away before its end.
    Abandoned,
}

/// An exception without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) stack: Option<String>,
}

impl Failure {
    fn error(message: impl Into<String>) -> Self {
        Self {
            name: "Error".to_owned(),
            message: message.into(),
            stack: None,
        }
    }
}

/// The outcome, and the exception to record for it, if it has one that the
/// guest has not recorded itself.
pub(crate) fn decide(ending: &Ending) -> (Outcome, Option<Failure>) {
    match &ending.call {
        Call::HostFailed(message) => (
            Outcome::InternalError,
            Some(Failure::error(format!("The runtime failed: {message}"))),
        ),
        Call::NoScript(message) => (Outcome::ScriptNotFound, Some(Failure::error(message))),
        Call::NoInstance => (
            Outcome::LoadShed,
            Some(Failure::error("Too many invocations are running.")),
        ),
        // The wording is workerd's.
        Call::NoHandler(handler) => (
            Outcome::Exception,
            Some(Failure::error(format!(
                "Handler does not export a {handler}() function."
            ))),
        ),
        Call::Trapped(trapped) => decide_trapped(ending, trapped),
        Call::Unfinished if ending.cpu_exceeded => cpu_exceeded(None),
        Call::Unfinished => (Outcome::Canceled, None),
        Call::Returned if ending.uncaught => (Outcome::Exception, None),
        Call::Returned => decide_returned(&ending.response),
    }
}

fn decide_trapped(ending: &Ending, trapped: &Trapped) -> (Outcome, Option<Failure>) {
    if ending.cpu_exceeded {
        return cpu_exceeded(trapped.stack.clone());
    }
    if out_of_memory(ending, &trapped.cause) {
        let failure = Failure {
            stack: trapped.stack.clone(),
            ..Failure::error("Worker exceeded memory limit.")
        };
        return (Outcome::ExceededMemory, Some(failure));
    }
    (Outcome::Exception, Some(trap_failure(ending, trapped)))
}

fn cpu_exceeded(stack: Option<String>) -> (Outcome, Option<Failure>) {
    let failure = Failure {
        stack,
        ..Failure::error("Worker exceeded CPU time limit.")
    };
    (Outcome::ExceededCpu, Some(failure))
}

/// A guest that was refused memory and did not cope aborts, or writes to the
/// null pointer it took for memory. A panic about something else means that it
/// had coped.
fn out_of_memory(ending: &Ending, cause: &Cause) -> bool {
    match cause {
        Cause::NoInitialMemory => true,
        Cause::Unreachable | Cause::MemoryOutOfBounds => {
            ending.memory_refused
                && ending
                    .panic
                    .as_ref()
                    .is_none_or(|panic| panic.message.starts_with("memory allocation of "))
        }
        Cause::Other(_) => false,
    }
}

fn trap_failure(ending: &Ending, trapped: &Trapped) -> Failure {
    let message = match &trapped.cause {
        Cause::Unreachable => match &ending.panic {
            Some(panic) => return panic_failure(panic, trapped.stack.as_deref()),
            None => "unreachable executed".to_owned(),
        },
        Cause::MemoryOutOfBounds => "memory access out of bounds".to_owned(),
        Cause::NoInitialMemory => "not enough memory to start".to_owned(),
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

fn decide_returned(response: &Response) -> (Outcome, Option<Failure>) {
    match response {
        Response::NotExpected | Response::Streaming(_) | Response::Complete(_) => {
            (Outcome::Ok, None)
        }
        Response::Unset => (
            Outcome::Exception,
            Some(Failure::error(
                "The handler returned without setting a response.",
            )),
        ),
        Response::Refused(code) => (
            Outcome::Exception,
            Some(Failure::error(format!(
                "The handler answered with the error {code} instead of a response."
            ))),
        ),
        Response::Broken => (Outcome::ResponseStreamDisconnected, None),
        Response::Abandoned => (Outcome::Canceled, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(call: Call) -> Ending {
        Ending {
            call,
            response: Response::Complete(200),
            cpu_exceeded: false,
            memory_refused: false,
            uncaught: false,
            panic: None,
        }
    }

    fn trap(cause: Cause) -> Call {
        Call::Trapped(Trapped {
            cause,
            stack: Some("    at f".into()),
        })
    }

    fn panic(message: &str) -> Option<Panic> {
        Some(Panic {
            location: "src/lib.rs:1:2".into(),
            message: message.into(),
        })
    }

    fn check(ending: &Ending, outcome: Outcome, exception: &str) {
        let (actual, failure) = decide(ending);
        let shown = failure
            .map(|f| format!("{}: {}", f.name, f.message))
            .unwrap_or_default();
        assert_eq!((actual, shown.as_str()), (outcome, exception), "{ending:?}");
    }

    #[test]
    fn every_way_to_end_has_its_outcome() {
        let table = [
            (Call::Returned, Outcome::Ok, ""),
            (Call::Unfinished, Outcome::Canceled, ""),
            (
                Call::NoHandler("tail"),
                Outcome::Exception,
                "Error: Handler does not export a tail() function.",
            ),
            (
                Call::NoScript("gone".into()),
                Outcome::ScriptNotFound,
                "Error: gone",
            ),
            (
                Call::NoInstance,
                Outcome::LoadShed,
                "Error: Too many invocations are running.",
            ),
            (
                Call::HostFailed("disk".into()),
                Outcome::InternalError,
                "Error: The runtime failed: disk",
            ),
            (
                trap(Cause::Unreachable),
                Outcome::Exception,
                "RuntimeError: unreachable executed",
            ),
            (
                trap(Cause::Other("integer divide by zero".into())),
                Outcome::Exception,
                "RuntimeError: integer divide by zero",
            ),
            (
                trap(Cause::NoInitialMemory),
                Outcome::ExceededMemory,
                "Error: Worker exceeded memory limit.",
            ),
        ];
        for (call, outcome, exception) in table {
            check(&ending(call), outcome, exception);
        }
    }

    #[test]
    fn a_returned_call_is_judged_by_its_response() {
        let table = [
            (Response::NotExpected, Outcome::Ok, ""),
            (
                Response::Unset,
                Outcome::Exception,
                "Error: The handler returned without setting a response.",
            ),
            (
                Response::Refused("connection-refused".into()),
                Outcome::Exception,
                "Error: The handler answered with the error connection-refused instead of a response.",
            ),
            (Response::Broken, Outcome::ResponseStreamDisconnected, ""),
            (Response::Abandoned, Outcome::Canceled, ""),
        ];
        for (response, outcome, exception) in table {
            let ending = Ending {
                response,
                ..ending(Call::Returned)
            };
            check(&ending, outcome, exception);
        }
    }

    #[test]
    fn a_limit_explains_the_trap_it_caused() {
        let cpu = Ending {
            cpu_exceeded: true,
            ..ending(trap(Cause::Other("interrupt".into())))
        };
        check(
            &cpu,
            Outcome::ExceededCpu,
            "Error: Worker exceeded CPU time limit.",
        );
        let short_polls = Ending {
            cpu_exceeded: true,
            ..ending(Call::Unfinished)
        };
        check(
            &short_polls,
            Outcome::ExceededCpu,
            "Error: Worker exceeded CPU time limit.",
        );
        let memory = Ending {
            memory_refused: true,
            ..ending(trap(Cause::Unreachable))
        };
        check(
            &memory,
            Outcome::ExceededMemory,
            "Error: Worker exceeded memory limit.",
        );
    }

    #[test]
    fn a_panic_after_coping_with_a_refusal_is_the_guests_own() {
        let coped = Ending {
            memory_refused: true,
            panic: panic("index out of bounds"),
            ..ending(trap(Cause::Unreachable))
        };
        check(&coped, Outcome::Exception, "panic: index out of bounds");
        let not_coped = Ending {
            memory_refused: true,
            panic: panic("memory allocation of 8 bytes failed"),
            ..ending(trap(Cause::Unreachable))
        };
        check(
            &not_coped,
            Outcome::ExceededMemory,
            "Error: Worker exceeded memory limit.",
        );
    }

    #[test]
    fn the_stack_of_a_panic_starts_where_it_happened() {
        let ending = Ending {
            panic: panic("boom"),
            ..ending(trap(Cause::Unreachable))
        };
        let (_, failure) = decide(&ending);
        assert_eq!(
            failure.unwrap().stack.unwrap(),
            "    at src/lib.rs:1:2\n    at f"
        );
    }

    #[test]
    fn a_handler_that_reported_its_failure_gets_no_second_exception() {
        let ending = Ending {
            uncaught: true,
            response: Response::Unset,
            ..ending(Call::Returned)
        };
        check(&ending, Outcome::Exception, "");
    }
}
