//! The client of a scenario.

use super::answer::Answer;
use super::recorder::Recorder;
use super::requests::Request;
use anyhow::{Context, Result};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a tail call may be late for the next request.
const TAIL_PATIENCE: Duration = Duration::from_secs(10);

/// Sends the requests, each when its time has come, and returns the answers in
/// the order of the requests.
pub(super) async fn replay(
    requests: &[Request],
    server: SocketAddr,
    recorder: &Arc<Recorder>,
) -> Result<Vec<Answer>> {
    let done = Arc::new(watch::Sender::new(vec![false; requests.len()]));
    let mut running = JoinSet::new();
    for (index, request) in requests.iter().cloned().enumerate() {
        let (done, recorder) = (Arc::clone(&done), Arc::clone(recorder));
        running.spawn(async move {
            let mut changes = done.subscribe();
            let is_time = |done: &Vec<bool>| request.after.iter().all(|index| done[*index]);
            _ = changes.wait_for(is_time).await;
            recorder
                .wait_for(request.after_calls, 0, TAIL_PATIENCE)
                .await;
            tokio::time::sleep(request.pause).await;
            let answer = tokio::time::timeout(PATIENCE, send(&request, server)).await;
            done.send_modify(|done| done[index] = true);
            let answer = answer
                .context("no answer in time")
                .and_then(|answer| answer)
                .with_context(|| format!("{} {}", request.method, request.target));
            (index, answer)
        });
    }
    let mut answers = vec![Answer::default(); requests.len()];
    while let Some(joined) = running.join_next().await {
        let (index, answer) = joined?;
        answers[index] = answer?;
    }
    Ok(answers)
}

/// Sends a request on a connection of its own.
async fn send(request: &Request, server: SocketAddr) -> Result<Answer> {
    let stream = TcpStream::connect(server).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut message = http::Request::builder()
        .method(request.method.as_str())
        .uri(request.target.as_str());
    for (name, value) in &request.headers {
        message = message.header(name, value);
    }
    if !request.headers.iter().any(|(name, _)| name == "host") {
        message = message.header("host", server.to_string());
    }
    let body = Full::new(Bytes::from(request.body.clone()));
    let response = sender.send_request(message.body(body)?).await?;
    let (head, mut body) = response.into_parts();
    let mut answer = Answer {
        status: Some(head.status.as_u16().into()),
        headers: Some(table(&head.headers)),
        broken: Some(false),
        ..Answer::default()
    };
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().unwrap_or_default()),
            Err(_) => {
                answer.broken = Some(true);
                break;
            }
        }
    }
    answer.body = Some(String::from_utf8_lossy(&bytes).into_owned());
    Ok(answer)
}

/// Headers as recordings have them: what occurs twice is joined, but for
/// `set-cookie`, which is a list.
fn table(headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys().map(|name| {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        let value = if name == http::header::SET_COOKIE {
            Value::from(values)
        } else {
            values.join(", ").into()
        };
        (name.as_str().to_owned(), value)
    });
    names.collect()
}
