//! The ways in which a Worker fails.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::num::NonZero;
use std::process;

use crate::exchange::Exchange;

pub fn run(behaviour: &str, argument: &str, exchange: Exchange) {
    match behaviour {
        "panic" => break_down(),
        "wordy" => panic!("{}", "words ".repeat(1000)),
        "flood" => {
            let width = argument.parse().expect("the length of a line");
            (0..300_000 / width).for_each(|number| println!("{number:0width$}"));
            panic!("drowned");
        }
        "divide" => exchange.respond(200, &divide(black_box(0)).to_string()),
        "bounds" => exchange.respond(200, &far_away().to_string()),
        "overflow" => exchange.respond(200, &ackermann(black_box(4), black_box(2)).to_string()),
        "deep" => exchange.respond(200, &deep(black_box(1 << 20)).to_string()),
        "deep-copies" => exchange.respond(200, &deep_copies(black_box(1 << 20)).to_string()),
        "exit" => process::exit(argument.parse().expect("a status")),
        "midway" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"the beginning");
            panic!("no more to say");
        }
        "late" => {
            let mut response = exchange.start(200, &[]);
            response.send(b"all of it");
            response.finish(None).until_released();
            panic!("after the end");
        }
        "coped" => {
            let refused = is_refused(1 << 30);
            assert!(!refused, "refused, as I thought");
            exchange.respond(200, "there was room");
        }
        "refused" => {
            let refused = is_refused(1 << 30);
            assert!(refused, "there was room");
            eprintln!("out of memory");
            match argument {
                "exit" => process::exit(2),
                "python" => {
                    eprintln!("MemoryError");
                    panic!("Python function threw an unexpected exception");
                }
                status => exchange.respond(status.parse().expect("a status"), "sorry"),
            }
        }
        "allocate" => {
            let bytes: usize = argument.parse().expect("a number of bytes");
            let memory = vec![1_u8; bytes];
            exchange.respond(200, &black_box(memory).len().to_string());
        }
        other => panic!("no such fault: {other}"),
    }
}

fn is_refused(bytes: usize) -> bool {
    black_box(Vec::<u8>::new())
        .try_reserve_exact(bytes)
        .is_err()
}

#[inline(never)]
fn break_down() -> ! {
    panic!("it broke\n  in two lines")
}

/// Traps when `by` is zero, as languages do that leave the check to the
/// machine.
#[inline(never)]
fn divide(by: u32) -> u32 {
    // SAFETY: none. The trap is what is asked for.
    let by = unsafe { NonZero::new_unchecked(by) };
    1_000_000 / by
}

#[inline(never)]
fn far_away() -> u8 {
    let address = black_box(0xfff0_0000_usize) as *const u8;
    // SAFETY: none. The trap is what is asked for.
    unsafe { address.read_volatile() }
}

/// Ackermann's function: no compiler makes a loop of it, and it needs no
/// memory beside the call stack.
fn ackermann(m: u64, n: u64) -> u64 {
    match (m, n) {
        (0, _) => n + 1,
        (_, 0) => ackermann(m - 1, 1),
        _ => ackermann(m - 1, ackermann(m, n - 1)),
    }
}

/// Recursion that keeps much on the stack in linear memory, and writes one byte
/// of it.
fn deep(depth: usize) -> usize {
    let mut kept = [const { MaybeUninit::uninit() }; 4096];
    black_box(&mut kept)[0].write(1_u8);
    if depth == 0 {
        return 0;
    }
    deep(depth - 1) + black_box(&kept).len()
}

/// The same with all of it written at once.
fn deep_copies(depth: usize) -> usize {
    let kept = black_box([depth; 1024]);
    if depth == 0 {
        return 0;
    }
    deep_copies(depth - 1) + kept[depth % kept.len()]
}
