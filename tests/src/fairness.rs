//! How long a Worker takes to answer, alone and beside endless loops.

use crate::client::Client;
use crate::scenario::{Scenario, full, request};
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use taffrail_runtime::{Limits, WorkerSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Invocations that compute without end.
const LOOPS: usize = 16;

/// Connections that send one request after the other.
const CONNECTIONS: usize = 2;

/// How many times longer a Worker may take beside the loops.
const BOUND: f64 = 20.0;

/// What came of a measurement.
#[derive(Debug)]
pub struct Report {
    /// Of a hundred requests on the idle machine, 99 took no longer.
    pub alone: Duration,
    /// The same beside the loops.
    pub beside_loops: Duration,
    /// Requests without their answer.
    pub lost: usize,
}

impl Report {
    /// How many times longer it takes beside the loops.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.beside_loops.as_secs_f64() / self.alone.as_secs_f64()
    }

    /// Whether the loops leave the Worker answering.
    ///
    /// # Errors
    ///
    /// What it is that they cost too much.
    pub fn verdict(&self) -> Result<(), String> {
        if self.lost > 0 {
            return Err(format!("{} requests are lost", self.lost));
        }
        if self.ratio() >= BOUND {
            return Err(format!("more than {BOUND} times as long beside the loops"));
        }
        Ok(())
    }
}

/// Sends `requests` requests to a Worker, and as many again beside the loops.
///
/// # Panics
///
/// When nothing can be served, or the loops end.
pub async fn run(requests: usize) -> Report {
    let limits = Limits {
        cpu: Duration::from_secs(3600),
        ..Limits::default()
    };
    let settings = WorkerSettings {
        limits,
        ..WorkerSettings::new("probe")
    };
    let scenario = Scenario::new().deploy("probe", settings).worker("hello");
    let mut tasks = JoinSet::new();
    let server = serve(&scenario, &mut tasks).await;
    let alone = measure(server, requests).await;

    for _ in 0..LOOPS {
        let runtime = scenario.runtime().clone();
        let request = request("/work/loop", full(""));
        tasks.spawn(async move { drop(runtime.fetch("probe", request, None).await) });
    }
    while scenario.runtime().pending() < LOOPS {
        tokio::task::yield_now().await;
    }
    let beside_loops = measure(server, requests).await;
    assert!(scenario.items_of("probe").is_empty(), "a loop has ended");
    scenario.runtime().abort();
    tasks.shutdown().await;
    Report {
        alone: p99(&alone),
        beside_loops: p99(&beside_loops),
        lost: 2 * requests - alone.len() - beside_loops.len(),
    }
}

async fn serve(scenario: &Scenario, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = taffrail_server::Settings {
        grace: Duration::ZERO,
        ..taffrail_server::Settings::new("hello")
    };
    let runtime = scenario.runtime().clone();
    tasks.spawn(async move {
        let never = std::future::pending();
        let served = taffrail_server::serve(listener, runtime, settings, never);
        drop(served.await);
    });
    address
}

/// How long each request took that was answered, shortest first. A tenth as
/// many before them are not measured.
async fn measure(server: SocketAddr, requests: usize) -> Vec<Duration> {
    let (sender, answered) = channel();
    for number in 0..CONNECTIONS {
        let sender = sender.clone();
        let requests = (requests + number) / CONNECTIONS;
        thread::spawn(move || {
            let mut client = Client::connect(server);
            for number in 0..requests + requests / 10 {
                let asked = Instant::now();
                client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
                let answer = client.answer();
                assert_eq!((answer.status, &*answer.body), (200, "Hello from /\n"));
                if number >= requests / 10 {
                    sender.send(asked.elapsed()).unwrap();
                }
            }
        });
    }
    drop(sender);
    let collect = move || {
        let mut took: Vec<_> = answered.iter().collect();
        took.sort_unstable();
        took
    };
    tokio::task::spawn_blocking(collect).await.unwrap()
}

fn p99(took: &[Duration]) -> Duration {
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}
