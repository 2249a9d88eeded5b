//! Time that passes, and work behind the response.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::exchange::Exchange;

pub fn run(behaviour: &str, argument: &str, mut exchange: Exchange) {
    match behaviour {
        "sleep" => {
            thread::sleep(milliseconds(argument));
            exchange.respond(200, "slept");
        }
        "burn" => {
            let rounds: u64 = argument.parse().expect("a number of rounds");
            exchange.respond(200, &burn(rounds).to_string());
        }
        "count" => exchange.respond(200, &count().to_string()),
        "hold" => {
            exchange.forget_request();
            exchange.respond(200, &count().to_string());
        }
        "loop" => spin(),
        "nap" => loop {
            burn(10_000);
            thread::sleep(Duration::from_millis(1));
        },
        "loop-midway" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"the beginning");
            spin()
        }
        "loop-behind" => {
            exchange.respond(200, "done");
            spin()
        }
        "cope" => {
            let refused = Vec::<u8>::new().try_reserve_exact(1 << 30).is_err();
            assert!(refused, "there was memory");
            exchange.respond(200, "did with less");
        }
        "wait" => {
            println!("waiting");
            while !exchange.receive().is_empty() {}
            println!("waited");
            exchange.respond(200, "released");
        }
        "behind" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"done");
            let rest = response.finish(None);
            println!("response is complete");
            rest.until_released();
            println!("work behind it is done");
        }
        other => panic!("no such work: {other}"),
    }
}

/// How many requests this instance has counted.
fn count() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Relaxed) + 1
}

fn milliseconds(argument: &str) -> Duration {
    Duration::from_millis(argument.parse().expect("a number of milliseconds"))
}

fn spin() -> ! {
    loop {
        black_box(0);
    }
}

fn burn(rounds: u64) -> u64 {
    (0..rounds).fold(1, |hash, round| {
        black_box(hash ^ round).wrapping_mul(0x0100_0000_01b3)
    })
}
