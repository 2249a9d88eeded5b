//! Sends requests and checks every response.
#![expect(
    clippy::disallowed_methods,
    reason = "latency is measured here, apart from the clock of the runtime"
)]

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

/// A request, and the response that it must have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    /// How many bytes are sent; none makes it a `GET`.
    pub(crate) upload: usize,
    pub(crate) status: u16,
    pub(crate) body: Expected,
}

/// What the body of a response must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    Text(&'static str),
    /// What was sent.
    Echo,
    /// It is the host's own text.
    Any,
}

/// Requests to one server.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Connections that are kept open, each with one request at a time.
    pub(crate) connections: u32,
    /// How long requests are begun. All are waited for.
    pub(crate) duration: Duration,
    pub(crate) ask: Ask,
    /// Requests per second; without it, each connection sends its next request when it has the
    /// response to the one before.
    pub(crate) rate: Option<f64>,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answers {
    /// How long each good response took to come, in ascending order. With a rate, it is the time
    /// since the request was due, whenever it was sent.
    pub(crate) latencies: Vec<Duration>,
    /// From the first request to the last response.
    pub(crate) took: Duration,
    /// Responses that were not as they must be.
    pub(crate) bad: usize,
    /// What was wrong with one of them.
    complaint: Option<String>,
}

/// When requests are due, for whichever connection is free.
type Due = Arc<Mutex<UnboundedReceiver<Instant>>>;

/// What all connections have in common.
#[derive(Clone)]
struct Plan {
    address: SocketAddr,
    ask: Ask,
    /// What is sent, in one piece.
    upload: Bytes,
    end: Instant,
    due: Option<Due>,
}

impl Load {
    /// Runs it, on the calling thread: the server is to have the rest of the
    /// machine.
    pub(crate) fn run(self) -> Result<Answers> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let start = Instant::now();
        let end = start + self.duration;
        let due = self.rate.map(|rate| {
            let (sender, due) = unbounded_channel();
            let pacer = thread::spawn(move || pace(&sender, rate, start, end));
            (pacer, Arc::new(Mutex::new(due)))
        });
        let (pacer, due) = due.unzip();
        let plan = Plan {
            address: self.address,
            ask: self.ask,
            upload: vec![b'x'; self.ask.upload].into(),
            end,
            due,
        };
        let answers = runtime.block_on(async {
            let mut connections = JoinSet::new();
            for _ in 0..self.connections {
                connections.spawn(connection(plan.clone()));
            }
            let mut sum = Answers::default();
            while let Some(answers) = connections.join_next().await {
                sum.add(answers??);
            }
            sum.took = start.elapsed();
            sum.latencies.sort_unstable();
            anyhow::Ok(sum)
        });
        if let Some(pacer) = pacer {
            ensure!(pacer.join().is_ok(), "requests were not sent in time");
        }
        answers
    }
}

impl Answers {
    /// How many requests were sent.
    pub(crate) fn requests(&self) -> usize {
        self.latencies.len() + self.bad
    }

    /// Responses per second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests() as f64 / self.took.as_secs_f64()
    }

    /// The latency that `share` of the good responses did not exceed.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let index = (self.latencies.len() as f64 * share) as usize;
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(index.min(last))
            .copied()
            .unwrap_or_default()
    }

    /// What there is to complain about.
    pub(crate) fn problems(&self) -> Option<String> {
        let complaint = self.complaint.as_ref()?;
        Some(format!("{} bad responses, one {complaint}", self.bad))
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.bad += other.bad;
        self.complaint = self.complaint.take().or(other.complaint);
    }
}

/// Says when requests are due, from a thread of its own: the timers of the runtime that sends
/// them count in milliseconds.
fn pace(due: &UnboundedSender<Instant>, rate: f64, start: Instant, end: Instant) {
    let mut number = 0.0;
    loop {
        let next = start + Duration::from_secs_f64(number / rate);
        if next >= end {
            return;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
        // Nobody receives it if all connections have failed, which is told there.
        _ = due.send(next);
        number += 1.0;
    }
}

impl Plan {
    /// Waits until there is a request to send, and returns when it was due.
    async fn next(&self) -> Option<Instant> {
        match &self.due {
            None => Some(Instant::now()).filter(|now| *now < self.end),
            Some(due) => due.lock().await.recv().await,
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address)
            .await
            .context("the server takes no more connections")?;
        stream.set_nodelay(true)?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await?;
        // How it ends is seen in the responses.
        tokio::spawn(async move { _ = driver.await });
        Ok(sender)
    }

    async fn send(&self, sender: &mut SendRequest<Full<Bytes>>, host: &str) -> Result<()> {
        sender.ready().await.context("without a connection")?;
        let method = if self.ask.upload == 0 { "GET" } else { "POST" };
        let request = Request::builder()
            .method(method)
            .uri(self.ask.path)
            .header(hyper::header::HOST, host)
            .body(Full::new(self.upload.clone()))?;
        let response = sender
            .send_request(request)
            .await
            .context("that never came")?;
        self.check(response).await
    }

    async fn check(&self, response: Response<Incoming>) -> Result<()> {
        let status = response.status();
        let is_status = status == self.ask.status;
        let mut body = response.into_body();
        if is_status && self.ask.body == Expected::Echo {
            // It may be too large to be held.
            let mut rest = self.upload.as_ref();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("that broke off")?;
                let piece = frame.data_ref().map(AsRef::as_ref).unwrap_or_default();
                rest = rest
                    .strip_prefix(piece)
                    .context("with another body than was sent")?;
            }
            ensure!(rest.is_empty(), "with {} bytes missing", rest.len());
            return Ok(());
        }
        let received = body.collect().await.context("that broke off")?.to_bytes();
        let is_body = match self.ask.body {
            Expected::Text(text) => received == text,
            Expected::Echo => false,
            Expected::Any => true,
        };
        let text = String::from_utf8_lossy(&received);
        ensure!(
            is_status && is_body,
            "with status {status} and body {text:?}"
        );
        Ok(())
    }
}

async fn connection(plan: Plan) -> Result<Answers> {
    let mut answers = Answers::default();
    let host = plan.address.to_string();
    let mut sender = plan.connect().await?;
    while let Some(start) = plan.next().await {
        match plan.send(&mut sender, &host).await {
            Ok(()) => answers.latencies.push(start.elapsed()),
            Err(complaint) => {
                answers.bad += 1;
                answers.complaint = Some(format!("{complaint:#}"));
                sender = plan.connect().await?;
            }
        }
    }
    Ok(answers)
}
