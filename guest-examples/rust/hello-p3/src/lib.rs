//! A Worker for WASI 0.3 that answers with a greeting and logs one line.

use std::env;

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Request, Response};
use wasip3::http_compat::{http_from_wasi_request, http_into_wasi_response};

struct Hello;

wasip3::http::service::export!(Hello);

impl Guest for Hello {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let request = http_from_wasi_request(request)?;
        let path = request.uri().path();
        let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello".to_owned());

        println!("{greeting}, {} {path}", request.method());
        let response = http::Response::builder()
            .header("content-type", "text/plain")
            .body(format!("{greeting} from {path}\n"))
            .map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
        http_into_wasi_response(response)
    }
}
