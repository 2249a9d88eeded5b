//! The bindings of the package `taffrail:workers` that everything else is made of.

#![allow(missing_docs, reason = "the WIT documents them")]
#![allow(unreachable_pub, reason = "they are generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "taffrail:workers/tail-worker",
    with: {
        "wasi:clocks/monotonic-clock@0.2.12": wasip2::clocks::monotonic_clock,
        "wasi:http/types@0.2.12": wasip2::http::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_tail",
    default_bindings_module: "taffrail::bindings",
});
