//! Formats the stack of a guest.

use crate::component::debug::{Debug, Symbol};
use std::fmt::Write;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Returns the frames, innermost first, in the layout of JavaScript stacks. The frames in which a
/// guest panics, throws or aborts are left out. With debug information, inlined functions have
/// frames of their own, and each frame names its place in the source.
pub(crate) fn text(backtrace: &WasmBacktrace, debug: &Debug) -> Option<String> {
    let frames: Vec<Frame> = backtrace
        .frames()
        .iter()
        .flat_map(|frame| frames(frame, debug))
        .collect();
    // Calls of the host go through functions without names.
    let gives_up = frames
        .iter()
        .take_while(|frame| !frame.has_name || is_giving_up(&frame.function))
        .count();
    // If there are no other frames, all are kept.
    let shown = if gives_up < frames.len() {
        &frames[gives_up..]
    } else {
        &frames[..]
    };
    let mut text = String::new();
    for Frame {
        function, place, ..
    } in shown
    {
        if !text.is_empty() {
            text.push('\n');
        }
        _ = write!(text, "    at {function} ({place})");
    }
    (!text.is_empty()).then_some(text)
}

struct Frame {
    function: String,
    has_name: bool,
    place: String,
}

fn frames(frame: &FrameInfo, debug: &Debug) -> Vec<Frame> {
    let symbols = frame.module_offset().map(|offset| debug.symbols(offset));
    let mut symbols = symbols.unwrap_or_default();
    // The last function is not inlined. DWARF has its bare name or none, but the name section has
    // the full path.
    if let (Some(symbol), Some(name)) = (symbols.last_mut(), frame.func_name()) {
        symbol.name = Some(name.to_owned());
    }
    let mut frames: Vec<_> = symbols.into_iter().filter_map(from_symbol).collect();
    if frames.is_empty() {
        frames.push(from_offset(frame));
    }
    frames
}

fn from_symbol(symbol: Symbol) -> Option<Frame> {
    let mut place = symbol.file?;
    for number in [symbol.line, symbol.column].into_iter().map_while(|n| n) {
        _ = write!(place, ":{number}");
    }
    Some(Frame {
        function: demangled(&symbol.name?),
        has_name: true,
        place,
    })
}

fn from_offset(frame: &FrameInfo) -> Frame {
    let module = frame.module().name().unwrap_or("wasm");
    Frame {
        function: match frame.func_name() {
            Some(name) => demangled(name),
            None => format!("wasm-function[{}]", frame.func_index()),
        },
        has_name: frame.func_name().is_some(),
        place: match frame.module_offset() {
            Some(offset) => format!("{module}:{offset:#x}"),
            None => module.to_owned(),
        },
    }
}

/// Returns a name as in the source: Rust's without the hash, C++'s with the parameters.
fn demangled(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    cpp_demangle::Symbol::new(name)
        .ok()
        .and_then(|symbol| symbol.demangle().ok())
        .unwrap_or_else(|| name.to_owned())
}

/// Whether a function is part of the panic or abort code of the standard library of Rust, C or
/// C++, or of `workers.h`.
fn is_giving_up(function: &str) -> bool {
    const NAMES: [&str; 13] = [
        "_Exit",
        "__abort_message",
        "__assert_fail",
        "__cxa_pure_virtual",
        "__cxa_throw",
        "__ubsan_handle_type_mismatch_minimal_abort",
        "abort",
        "exit",
        "rust_begin_unwind",
        "rust_panic",
        "taffrail_workers_exceptions_abort",
        "wasm_unreachable",
        "worker_give_up",
    ];
    const PREFIXES: [&str; 19] = [
        "__rust_",
        "__rustc::",
        "alloc::alloc::handle_alloc_error",
        "alloc::alloc::rust_oom",
        "alloc::raw_vec::capacity_overflow",
        "alloc::raw_vec::handle_error",
        "core::option::expect_failed",
        "core::option::unwrap_failed",
        "core::panicking::",
        "core::result::unwrap_failed",
        "core::slice::index::slice_",
        "std::__1::__libcpp_verbose_abort",
        "std::__1::__throw_",
        "std::__throw_",
        "std::alloc::rust_oom",
        "std::panicking::",
        "std::process::abort",
        "std::sys::",
        "worker_fail",
    ];
    NAMES.contains(&function) || PREFIXES.iter().any(|prefix| function.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_in_the_source() {
        let table = [
            (
                "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE",
                "core::fmt::Formatter::pad",
            ),
            ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
            ("_ZN5space3addEii", "space::add(int, int)"),
            ("main", "main"),
            (
                "wasi:http/incoming-handler@0.2.12#handle",
                "wasi:http/incoming-handler@0.2.12#handle",
            ),
        ];
        for (mangled, name) in table {
            assert_eq!(demangled(mangled), name);
        }
    }

    #[test]
    fn the_ways_out_of_a_panic_are_known_and_user_code_is_not_one() {
        for function in [
            "abort",
            "__cxa_throw",
            "worker_fail",
            "__rustc::rust_begin_unwind",
            "core::panicking::panic_fmt",
            "std::sys::backtrace::__rust_end_short_backtrace::<f, !>",
        ] {
            assert!(is_giving_up(function), "{function}");
        }
        for function in [
            "aborter",
            "mycrate::abort",
            "core::iter::fold",
            "my_std::panicking::f",
        ] {
            assert!(!is_giving_up(function), "{function}");
        }
    }
}
