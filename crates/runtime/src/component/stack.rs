//! Formats the stack of a guest.

use crate::component::debug::{Debug, Symbol};
use std::fmt::Write;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Returns the frames, innermost first, in the layout of JavaScript stacks. The frames in which a
/// Rust guest panics or aborts are left out. With debug information, inlined functions have frames
/// of their own, and each frame names its place in the source.
pub(crate) fn text(backtrace: &WasmBacktrace, debug: &Debug) -> Option<String> {
    let frames: Vec<Frame> = backtrace
        .frames()
        .iter()
        .flat_map(|frame| frames(frame, debug))
        .collect();
    let gives_up = frames
        .iter()
        .take_while(|frame| is_giving_up(&frame.function))
        .count();
    // If there are no other frames, all are kept.
    let shown = if gives_up < frames.len() {
        &frames[gives_up..]
    } else {
        &frames[..]
    };
    let mut text = String::new();
    for Frame { function, place } in shown {
        if !text.is_empty() {
            text.push('\n');
        }
        _ = write!(text, "    at {function} ({place})");
    }
    (!text.is_empty()).then_some(text)
}

struct Frame {
    function: String,
    place: String,
}

fn frames(frame: &FrameInfo, debug: &Debug) -> Vec<Frame> {
    let offset = frame.module_offset();
    let symbols = offset.map(|offset| debug.symbols(offset));
    let mut frames: Vec<_> = symbols
        .into_iter()
        .flatten()
        .filter_map(from_symbol)
        .collect();
    match (frames.last_mut(), frame.func_name()) {
        (None, _) => frames.push(from_offset(frame)),
        // The last function is not inlined. DWARF has its bare name, but the name section has the
        // full path.
        (Some(function), Some(name)) => function.function = demangled(name),
        (Some(_), None) => {}
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

/// Whether a function is part of the panic or abort code of Rust's standard library.
fn is_giving_up(function: &str) -> bool {
    const NAMES: [&str; 4] = [
        "abort",
        "rust_begin_unwind",
        "rust_panic",
        "wasm_unreachable",
    ];
    const PREFIXES: [&str; 15] = [
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
        "std::alloc::rust_oom",
        "std::panicking::",
        "std::process::abort",
        "std::sys::",
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
