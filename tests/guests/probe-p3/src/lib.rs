//! A Worker for WASI 0.3 that does, by path, what a test wants to see recorded.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wasip3::clocks::monotonic_clock;
use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response, Trailers};
use wasip3::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Probe;

wasip3::http::service::export!(Probe);

type End = Result<Option<Trailers>, ErrorCode>;

impl Guest for Probe {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let (path, argument) = target.split_once('?').unwrap_or((&target, ""));
        let (body, trailers) = receive(request);
        match path {
            "/lines" => {
                write(b"half ");
                eprintln!("on stderr");
                write(b"a line\nno newline");
                Ok(text("logged"))
            }
            "/newlines" => {
                let bytes = argument.parse().expect("a number of bytes");
                newlines(bytes).await;
                Ok(text("logged"))
            }
            "/count" => {
                static COUNT: AtomicU32 = AtomicU32::new(0);
                let count = COUNT.fetch_add(1, Relaxed) + 1;
                Ok(answer(async move |mut out| {
                    out.send(count.to_string().as_bytes()).await;
                    out.end(Ok(None)).await;
                }))
            }
            "/panic" => panic!("it broke\n  in two lines"),
            "/refused" => Err(ErrorCode::DestinationUnavailable),
            "/loop" => loop {
                black_box(0);
            },
            "/sleep" => {
                let milliseconds: u64 = argument.parse().expect("a number");
                monotonic_clock::wait_for(milliseconds * 1_000_000).await;
                Ok(text("slept"))
            }
            "/echo" => Ok(answer(async |out| {
                let out = copy(body, out).await;
                out.end(trailers.await).await;
            })),
            "/large" => {
                let bytes = argument.parse().expect("a number of bytes");
                Ok(answer(async move |out| large(bytes, out).await))
            }
            "/midway" => Ok(answer(async |mut out| {
                out.send(b"the beginning").await;
                panic!("no more to say");
            })),
            "/dropped" => Ok(answer(async |mut out| {
                out.send(b"the beginning").await;
            })),
            "/endless" => Ok(answer(
                async |mut out| while out.send(&[b'x'; 4096]).await {},
            )),
            "/wait" => {
                println!("waiting");
                until_released(body).await;
                Ok(text("released"))
            }
            "/behind" | "/late" => {
                let late = path == "/late";
                Ok(answer(async move |mut out| {
                    out.send(b"done").await;
                    out.end(Ok(None)).await;
                    println!("response is complete");
                    until_released(body).await;
                    assert!(!late, "after the end");
                    println!("work behind it is done");
                }))
            }
            _ => panic!("no such path: {path}"),
        }
    }
}

/// Writes to stdout so that it reaches the host on its own.
fn write(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    stdout.write_all(bytes).expect("the host takes output");
    stdout.flush().expect("the host takes output");
}

/// Writes so many newlines to stdout, all that are left at once.
async fn newlines(bytes: usize) {
    let (mut stream, stdout) = wit_stream::new();
    let written = wasip3::cli::stdout::write_via_stream(stdout);
    let left = stream.write_all(vec![b'\n'; bytes]).await;
    assert!(left.is_empty(), "the host takes output");
    drop(stream);
    written.await.expect("the host takes output");
}

/// The response body, open for writing.
struct Out {
    stream: StreamWriter<u8>,
    end: FutureWriter<End>,
}

impl Out {
    /// Sends a piece; false when nobody takes it.
    async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes.to_vec()).await.is_empty()
    }

    async fn end(self, end: End) {
        drop(self.stream);
        _ = self.end.write(end).await;
    }
}

/// Answers 200 at once, and has `write` go on with the body behind it.
fn answer<W: AsyncFnOnce(Out) + 'static>(write: W) -> Response {
    let (stream, body) = wit_stream::new();
    let (end, ended) = wit_future::new(|| {
        Err(ErrorCode::InternalError(Some(
            "the body was dropped".to_owned(),
        )))
    });
    let (response, _) = Response::new(Fields::new(), Some(body), ended);
    spawn_local(async move { write(Out { stream, end }).await });
    response
}

fn text(text: &'static str) -> Response {
    answer(async |mut out| {
        out.send(text.as_bytes()).await;
        out.end(Ok(None)).await;
    })
}

fn receive(request: Request) -> (StreamReader<u8>, FutureReader<End>) {
    let (_, sent) = wit_future::new(|| Ok(()));
    Request::consume_body(request, sent)
}

async fn copy(mut body: StreamReader<u8>, mut out: Out) -> Out {
    let mut piece = Vec::with_capacity(64 * 1024);
    loop {
        let (result, bytes) = body.read(piece).await;
        if result == StreamResult::Dropped && bytes.is_empty() {
            return out;
        }
        out.send(&bytes).await;
        piece = bytes;
        piece.clear();
    }
}

async fn large(mut left: usize, mut out: Out) {
    let piece = [b'x'; 64 * 1024];
    while left > 0 {
        let length = left.min(piece.len());
        out.send(&piece[..length]).await;
        left -= length;
    }
    out.end(Ok(None)).await;
}

/// Waits until the request body ends, which lets a test decide when.
async fn until_released(body: StreamReader<u8>) {
    _ = body.collect().await;
}
