//! A Worker for WASI 0.2 that does, by path, what a test wants to see recorded.

mod bindings;
mod bodies;
mod exchange;
mod faults;
mod output;
mod work;

use exchange::Exchange;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

/// What a Worker may import beside WASI.
mod workers {
    wit_bindgen::generate!({
        inline: "
            package taffrail-tests:probe;
            world imports {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
                import taffrail:workers/console@0.2.0;
                import taffrail:workers/exceptions@0.2.0;
                import taffrail:workers/context@0.2.0;
            }
        ",
        path: "../../../wit",
        world: "taffrail-tests:probe/imports",
        generate_all,
    });
}

/// What a Worker may use by its bindings.
mod platform {
    wit_bindgen::generate!({
        inline: "
            package taffrail-tests:bindings;
            world imports {
                import taffrail:workers/services@0.2.0;
                import taffrail:workers/analytics@0.2.0;
                import taffrail:workers/dispatch@0.2.0;
                import taffrail:workers/loader@0.2.0;
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:http/outgoing-handler@0.2.12;
            }
        ",
        path: "../../../wit",
        world: "taffrail-tests:bindings/imports",
        generate_all,
    });
}

/// `wasi:logging` as guests import it that were made before it had a version.
mod bare_logging {
    wit_bindgen::generate!({
        inline: "
            package wasi:logging;
            interface logging {
                enum level { trace, debug, info, warn, error, critical }
                log: func(level: level, context: string, message: string);
            }
            world imports {
                import logging;
            }
        ",
    });
}

struct Probe;

wasip2::http::proxy::export!(Probe);

impl Guest for Probe {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        let exchange = Exchange::new(&request, response_out);
        let group = path.split('/').nth(1).unwrap_or_default();
        let behaviour = path.rsplit('/').next().unwrap_or_default();
        match group {
            "output" => output::run(behaviour, argument, exchange),
            "binding" => bindings::run(behaviour, argument, exchange),
            "body" => bodies::run(behaviour, argument, exchange),
            "fault" => faults::run(behaviour, argument, exchange),
            "work" => work::run(behaviour, argument, exchange),
            "status" => exchange.respond(argument.parse().expect("a status"), ""),
            _ => panic!("no such path: {path}"),
        }
    }
}
