//! Sends requests and checks every response.
#![expect(
    clippy::disallowed_methods,
    reason = "latency is measured here, apart from the clock of the runtime"
)]

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Requests to one server.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// Connections that are kept open, each with one request at a time.
    pub(crate) connections: u32,
    /// How long requests are begun. All are waited for.
    pub(crate) duration: Duration,
    /// What the response must hold.
    pub(crate) body: &'static str,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answers {
    /// How long each good response took to come, in ascending order.
    pub(crate) latencies: Vec<Duration>,
    /// From the first request to the last response.
    pub(crate) took: Duration,
    /// Responses that were not as they must be.
    pub(crate) bad: usize,
    /// What was wrong with one of them.
    complaint: Option<String>,
}

impl Load {
    /// Runs it, on the calling thread: the server is to have the rest of the
    /// machine.
    pub(crate) fn run(self) -> Result<Answers> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let start = Instant::now();
            let mut connections = JoinSet::new();
            for _ in 0..self.connections {
                connections.spawn(connection(self.address, self.body, start + self.duration));
            }
            let mut sum = Answers::default();
            while let Some(answers) = connections.join_next().await {
                sum.add(answers??);
            }
            sum.took = start.elapsed();
            sum.latencies.sort_unstable();
            Ok(sum)
        })
    }
}

impl Answers {
    /// How many requests were sent.
    pub(crate) fn requests(&self) -> usize {
        self.latencies.len() + self.bad
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

async fn connection(address: SocketAddr, body: &'static str, end: Instant) -> Result<Answers> {
    let mut answers = Answers::default();
    while Instant::now() < end {
        let stream = TcpStream::connect(address)
            .await
            .context("the server takes no more connections")?;
        stream.set_nodelay(true)?;
        let (mut sender, driver) = handshake(TokioIo::new(stream)).await?;
        // How it ends is seen in the responses.
        tokio::spawn(async move { _ = driver.await });
        let host = address.to_string();
        while Instant::now() < end {
            let start = Instant::now();
            if let Err(complaint) = ask(&mut sender, &host, body).await {
                answers.bad += 1;
                answers.complaint = Some(format!("{complaint:#}"));
                break;
            }
            answers.latencies.push(start.elapsed());
        }
    }
    Ok(answers)
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, host: &str, body: &str) -> Result<()> {
    sender.ready().await.context("without a connection")?;
    let request = Request::get("/")
        .header(hyper::header::HOST, host)
        .body(Empty::new())?;
    let response = sender
        .send_request(request)
        .await
        .context("that never came")?;
    let status = response.status();
    let received = response
        .into_body()
        .collect()
        .await
        .context("that broke off")?
        .to_bytes();
    let text = String::from_utf8_lossy(&received);
    anyhow::ensure!(
        status == StatusCode::OK && text == body,
        "with status {status} and body {text:?}"
    );
    Ok(())
}
