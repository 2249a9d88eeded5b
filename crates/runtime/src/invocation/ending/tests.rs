use crate::invocation::ending::*;
use crate::invocation::panics::Place;

fn ending(call: Call) -> Ending {
    Ending {
        call,
        response: Response::Complete(200),
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

fn trap(cause: Cause) -> Call {
    Call::Trapped(Trapped {
        cause,
        stack: Some("    at f".into()),
    })
}

fn panic(message: &str) -> Option<Panic> {
    Some(Panic {
        name: "panic",
        message: message.into(),
        place: Place::Location("src/lib.rs:1:2".into()),
    })
}

fn check(ending: &Ending, outcome: Outcome, exception: &str) -> Verdict {
    let verdict = decide(ending);
    let shown = verdict
        .failure
        .as_ref()
        .map(|failure| format!("{}: {}", failure.name, failure.message))
        .unwrap_or_default();
    assert_eq!(
        (verdict.outcome, shown.as_str()),
        (outcome, exception),
        "{ending:?}"
    );
    verdict
}

#[test]
fn every_way_to_end_has_its_outcome() {
    let table = [
        (Call::Returned, Outcome::Ok, ""),
        (Call::Unfinished, Outcome::Canceled, ""),
        (
            Call::NoHandler("none".into()),
            Outcome::Exception,
            "Error: none",
        ),
        (
            Call::NoScript("gone".into()),
            Outcome::ScriptNotFound,
            "Error: gone",
        ),
        (
            Call::Stopped,
            Outcome::KillSwitch,
            "Error: The Worker is stopped.",
        ),
        (
            Call::Shed(Shed::Worker),
            Outcome::LoadShed,
            "Error: Too many invocations are running.",
        ),
        (
            Call::Shed(Shed::Process),
            Outcome::LoadShed,
            "Error: All instances of the process are taken.",
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
            trap(Cause::MemoryOutOfBounds),
            Outcome::Exception,
            "RuntimeError: memory access out of bounds",
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
            Response::Informational(101),
            Outcome::Exception,
            "Error: The handler answered with the status 101, and a response has one from 200 to 999.",
        ),
        (
            Response::Refused("connection-refused".into()),
            Outcome::Exception,
            "Error: The handler answered with the error connection-refused instead of a response.",
        ),
        (
            Response::Broken(200),
            Outcome::ResponseStreamDisconnected,
            "",
        ),
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
fn a_cut_decides_whether_the_guest_trapped_or_was_dropped() {
    let table = [
        (
            Cut::Cpu,
            Outcome::ExceededCpu,
            "Error: Worker exceeded CPU time limit.",
            Some(Limit::Cpu),
        ),
        (
            Cut::WallTime,
            Outcome::ExceededWallTime,
            "Error: Worker exceeded wall time limit.",
            Some(Limit::WallTime),
        ),
        (Cut::ClientLeft, Outcome::Canceled, "", None),
        (
            Cut::Killed,
            Outcome::KillSwitch,
            "Error: The Worker was stopped.",
            None,
        ),
        (
            Cut::Aborted,
            Outcome::Aborted,
            "Error: The runtime stopped before the invocation ended.",
            None,
        ),
    ];
    for (cut, outcome, exception, limit) in table {
        for call in [Call::Unfinished, trap(Cause::Other("cut".into()))] {
            let ending = Ending {
                cut: Some(cut),
                ..ending(call)
            };
            assert_eq!(check(&ending, outcome, exception).limit, limit);
        }
    }
}

#[test]
fn a_guest_that_returned_before_the_cut_is_judged_as_returned() {
    let ending = Ending {
        cut: Some(Cut::WallTime),
        ..ending(Call::Returned)
    };
    check(&ending, Outcome::Ok, "");
}

#[test]
fn a_trap_in_the_middle_of_the_body_breaks_the_stream() {
    let ending = Ending {
        response: Response::Broken(200),
        ..ending(trap(Cause::Unreachable))
    };
    check(
        &ending,
        Outcome::ResponseStreamDisconnected,
        "RuntimeError: unreachable executed",
    );
}

#[test]
fn a_refusal_of_memory_explains_the_trap_it_caused() {
    let memory = Ending {
        memory_refused: true,
        ..ending(trap(Cause::Unreachable))
    };
    let verdict = check(
        &memory,
        Outcome::ExceededMemory,
        "Error: Worker exceeded memory limit.",
    );
    assert_eq!(verdict.limit, Some(Limit::Memory));
    assert_eq!(verdict.failure.unwrap().stack.unwrap(), "    at f");
}

#[test]
fn a_panic_after_coping_with_a_refusal_is_the_guests_own() {
    let coped = Ending {
        memory_refused: true,
        panic: panic("index out of bounds"),
        ..ending(trap(Cause::Unreachable))
    };
    check(&coped, Outcome::Exception, "panic: index out of bounds");
    let python = Ending {
        memory_refused: true,
        memory_error: true,
        panic: panic("Python function threw an unexpected exception"),
        ..ending(trap(Cause::Unreachable))
    };
    let exceeded = "Error: Worker exceeded memory limit.";
    check(&python, Outcome::ExceededMemory, exceeded);
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
fn a_fatal_error_of_go_is_about_memory_if_it_says_so() {
    let fatal = |message: &str| Ending {
        memory_refused: true,
        panic: Some(Panic {
            name: "fatal error",
            message: message.to_owned(),
            place: Place::Goroutine("goroutine 1 [running]:".to_owned()),
        }),
        ..ending(trap(Cause::Unreachable))
    };
    let exceeded = "Error: Worker exceeded memory limit.";
    for message in ["out of memory", "runtime: cannot allocate memory"] {
        check(&fatal(message), Outcome::ExceededMemory, exceeded);
    }
    let deadlock = fatal("all goroutines are asleep - deadlock!");
    let message = "fatal error: all goroutines are asleep - deadlock!";
    let verdict = check(&deadlock, Outcome::Exception, message);
    let stack = verdict.failure.unwrap().stack.unwrap();
    assert_eq!(stack, "goroutine 1 [running]:");
}

#[test]
fn a_refused_subrequest_is_named_whatever_came_of_it() {
    let ending = Ending {
        subrequest_refused: true,
        ..ending(Call::Returned)
    };
    assert_eq!(
        check(&ending, Outcome::Ok, "").limit,
        Some(Limit::Subrequests)
    );
}

#[test]
fn the_stack_of_a_panic_starts_where_it_happened() {
    let ending = Ending {
        panic: panic("boom"),
        ..ending(trap(Cause::Unreachable))
    };
    assert_eq!(
        decide(&ending).failure.unwrap().stack.unwrap(),
        "    at src/lib.rs:1:2\n    at f"
    );
}

#[test]
fn a_handler_that_reported_its_failure_gets_no_second_exception() {
    let ending = Ending {
        uncaught: Some(Failure {
            name: "Error".to_owned(),
            message: "told by the guest".to_owned(),
            stack: None,
        }),
        response: Response::Unset,
        ..ending(Call::Returned)
    };
    check(&ending, Outcome::Exception, "");
}

#[test]
fn a_request_that_broke_off_is_no_fault_of_the_guest() {
    let broke_off = |call, response| Ending {
        response,
        request_broke_off: true,
        ..ending(call)
    };
    let streaming = Response::Streaming(200);
    for (ending, outcome, exception) in [
        (
            broke_off(trap(Cause::Unreachable), Response::Unset),
            Outcome::Canceled,
            "RuntimeError: unreachable executed",
        ),
        (
            broke_off(Call::Returned, Response::Broken(200)),
            Outcome::Canceled,
            "",
        ),
        (broke_off(Call::Returned, streaming), Outcome::Ok, ""),
        (
            broke_off(Call::HostFailed("disk".into()), Response::Unset),
            Outcome::InternalError,
            "Error: The runtime failed: disk",
        ),
    ] {
        check(&ending, outcome, exception);
    }
}

#[test]
fn a_guest_that_was_refused_memory_and_failed_in_its_own_way_had_too_little() {
    let exceeded = "Error: Worker exceeded memory limit.";
    let answered = |response| Ending {
        response,
        ..ending(Call::Returned)
    };
    let table = [
        (ending(trap(Cause::Exited(2))), exceeded),
        (answered(Response::Complete(500)), exceeded),
        (
            answered(Response::Refused("InternalError".into())),
            exceeded,
        ),
        (answered(Response::Unset), exceeded),
        (threw("MemoryError", ""), ""),
        (threw("Error", "out of memory"), ""),
        (aborted("abort"), exceeded),
        (aborted("exit"), exceeded),
        (aborted("std::bad_alloc"), exceeded),
    ];
    for (failed, exception) in table {
        let survived = decide(&failed).outcome;
        assert_ne!(survived, Outcome::ExceededMemory, "{failed:?}");
        let refused = Ending {
            memory_refused: true,
            ..failed
        };
        let verdict = check(&refused, Outcome::ExceededMemory, exception);
        assert_eq!(verdict.limit, Some(Limit::Memory));
    }
}

#[test]
fn a_guest_that_copes_with_a_refusal_has_not_failed() {
    let table = [
        (ending(Call::Returned), Outcome::Ok),
        (threw("Error", "the file is too large"), Outcome::Exception),
        (aborted("std::out_of_range"), Outcome::Exception),
        (
            ending(trap(Cause::Other("integer overflow".into()))),
            Outcome::Exception,
        ),
    ];
    for (ending, outcome) in table {
        let refused = Ending {
            memory_refused: true,
            ..ending
        };
        assert_eq!(decide(&refused).outcome, outcome);
    }
}

#[test]
fn what_the_engine_printed_when_it_gave_up_is_told() {
    let ending = Ending {
        crash: Some("a reason".into()),
        ..ending(trap(Cause::Unreachable))
    };
    let told = "RuntimeError: The JavaScript engine gave up: a reason";
    check(&ending, Outcome::Exception, told);
}

fn threw(name: &str, message: &str) -> Ending {
    Ending {
        uncaught: Some(Failure {
            name: name.into(),
            message: message.into(),
            stack: None,
        }),
        ..ending(Call::Returned)
    }
}

#[test]
fn what_a_guest_says_as_it_aborts_is_its_failure() {
    check(&aborted("abort"), Outcome::Exception, "abort: no more");
}

fn aborted(name: &str) -> Ending {
    ending(trap(Cause::Aborted(Failure {
        name: name.into(),
        message: "no more".into(),
        stack: None,
    })))
}
