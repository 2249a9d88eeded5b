//! Everything by which a Worker is heard.

use std::env;
use std::io::{Write, stderr, stdout};

use crate::bare_logging::wasi::logging::logging as bare;
use crate::exchange::Exchange;
use crate::workers::taffrail::workers::console::{self, LogLevel};
use crate::workers::taffrail::workers::context;
use crate::workers::taffrail::workers::exceptions::{self, Failure};
use crate::workers::wasi::config::store;
use crate::workers::wasi::logging::logging::{self, Level};

pub fn run(behaviour: &str, argument: &str, exchange: Exchange) {
    match behaviour {
        "pieces" => {
            write(
                stdout(),
                &[b"a line ", b"in ", b"pieces\nand ", b"another\n"],
            );
            write(stderr(), &[b"so ", b"on stderr", b"\n"]);
        }
        "unfinished" => {
            write(stdout(), &[b"whole\nno newline"]);
            write(stderr(), &[b"none here"]);
        }
        "bytes" => {
            write(stdout(), &[b"gr\xc3", b"\xbc\xc3\x9f", b"e\n"]);
            write(stdout(), &[b"broken \xff\xfe here\n", b"cut \xc3\n"]);
        }
        "interleaved" => {
            write(stdout(), &[b"out 1\nout "]);
            write(stderr(), &[b"err 1\nerr "]);
            write(stdout(), &[b"2\n"]);
            write(stderr(), &[b"2\n"]);
        }
        "breaks" => write(stdout(), &[b"dos\r\n\nmac\rold\r", b"\nend\n"]),
        "many" => {
            let count: u32 = argument.parse().expect("a count");
            (0..count).for_each(|number| println!("line {number}"));
        }
        "console" => console_calls(),
        "long" => println!("{}", "x".repeat(argument.parse().expect("a length"))),
        "logging" => logging_calls(),
        "bare-logging" => bare::log(bare::Level::Warn, "old", "without a version"),
        "exceptions" => report_two(),
        "uncaught" => exceptions::uncaught(&Failure {
            name: "TypeError".to_owned(),
            message: "x is not a function".to_owned(),
            stack: Some("    at handler (app.js:1:2)".to_owned()),
        }),
        "abort" => exceptions::abort(&Failure {
            name: "RangeError".to_owned(),
            message: "no such order".to_owned(),
            stack: None,
        }),
        "context" => return exchange.respond(200, &what_context_tells()),
        "vars" => return exchange.respond(200, &what_vars_hold()),
        other => panic!("no such output: {other}"),
    }
    exchange.respond(200, "");
}

/// Every write reaches the host on its own.
fn write(mut stream: impl Write, writes: &[&[u8]]) {
    for bytes in writes {
        stream.write_all(bytes).expect("the host takes output");
        stream.flush().expect("the host takes output");
    }
}

fn console_calls() {
    let call = |level, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        console::log(level, &arguments);
    };
    call(LogLevel::Debug, &["\"debugging\""]);
    call(LogLevel::Info, &["1", "2.5", "null", "true"]);
    call(
        LogLevel::Log,
        &["{\"user\":{\"id\":7},\"tags\":[\"a\",\"b\"]}"],
    );
    call(LogLevel::Warn, &["not json", "{broken", "3"]);
    call(
        LogLevel::Error,
        &["{\n  \"a\": 1,\r\n  \"b\": \"c\\nd\"\n}"],
    );
    call(LogLevel::Log, &[]);
}

fn logging_calls() {
    let levels = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Warn,
        Level::Error,
        Level::Critical,
    ];
    for level in levels {
        logging::log(level, "", &format!("{level:?}"));
    }
    logging::log(Level::Info, "db", "connected to \"main\"");
}

fn report_two() {
    println!("before");
    exceptions::report(&Failure {
        name: "RangeError".to_owned(),
        message: "out of range".to_owned(),
        stack: None,
    });
    exceptions::report(&Failure {
        name: "Error".to_owned(),
        message: String::new(),
        stack: Some("    at f (app.js:3:4)\n    at g (app.js:5:6)".to_owned()),
    });
    println!("after");
}

fn what_context_tells() -> String {
    format!(
        "{} {} {:?} {}",
        context::invocation_id(),
        context::props(),
        context::entrypoint(),
        context::events_json()
    )
}

fn what_vars_hold() -> String {
    let mut all = store::get_all().expect("vars can be read");
    all.sort();
    let one = store::get("COLOUR").expect("vars can be read");
    let none = store::get("NONE").expect("vars can be read");
    let mut variables: Vec<_> = env::vars().collect();
    variables.sort();
    format!("{one:?} {none:?} {all:?} {variables:?}")
}
