//! The attributes `#[taffrail::fetch]` and `#[taffrail::tail]`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, parse_macro_input};

/// Makes a function the handler of requests.
///
/// It has one argument, `Request<Body>`, and returns a `Response` or a `Result` of one. It may be
/// `async`.
#[proc_macro_attribute]
pub fn fetch(_: TokenStream, function: TokenStream) -> TokenStream {
    let function = parse_macro_input!(function as ItemFn);
    let handler = handler(&function);
    quote! {
        #function

        const _: () = {
            struct Fetch;

            impl ::taffrail::handlers::wasip2::exports::http::incoming_handler::Guest for Fetch {
                fn handle(
                    request: ::taffrail::handlers::wasip2::http::types::IncomingRequest,
                    out: ::taffrail::handlers::wasip2::http::types::ResponseOutparam,
                ) {
                    ::taffrail::handlers::fetch(request, out, #handler);
                }
            }

            ::taffrail::handlers::wasip2::http::proxy::export!(
                Fetch with_types_in ::taffrail::handlers::wasip2
            );
        };
    }
    .into()
}

/// Makes a function the handler of trace items.
///
/// It has one argument, `Vec<TraceItem>`, and returns nothing or a `Result<(), E>`. It may be
/// `async`.
#[proc_macro_attribute]
pub fn tail(_: TokenStream, function: TokenStream) -> TokenStream {
    let function = parse_macro_input!(function as ItemFn);
    let handler = handler(&function);
    quote! {
        #function

        const _: () = {
            struct Tail;

            impl ::taffrail::bindings::exports::taffrail::workers::tail::Guest for Tail {
                fn tail(
                    events: ::std::vec::Vec<
                        ::taffrail::bindings::taffrail::workers::types::TraceItem,
                    >,
                ) {
                    ::taffrail::handlers::tail(events, #handler);
                }
            }

            ::taffrail::bindings::export_tail!(Tail with_types_in ::taffrail::bindings);
        };
    }
    .into()
}

/// Returns an expression for the function as an `async` one.
fn handler(function: &ItemFn) -> proc_macro2::TokenStream {
    let name = &function.sig.ident;
    match function.sig.asyncness {
        Some(_) => quote!(#name),
        None => quote!(async |input| #name(input)),
    }
}
