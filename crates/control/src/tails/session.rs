//! The WebSocket of a live tail.

use crate::tails::queue::Entry;
use crate::tails::{Connected, Tail};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// The sub-protocol that Cloudflare's API and `wrangler tail` speak.
pub(crate) const PROTOCOL: &str = "trace-v1";

/// The size of a client's message. Clients have little to say.
const MESSAGE_BYTES: usize = 64 << 10;

/// How long a client may take to send its first message, and to answer the last one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first message of a client.
#[derive(Deserialize)]
struct Greeting {
    /// Whether items that the filters reject are wanted, too. This is not supported.
    #[expect(dead_code, reason = "a greeting is checked for its form only")]
    debug: bool,
}

/// Why a session ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client has left.
    Left,
    /// The first message is none of this protocol.
    Violated,
    /// The tail was deleted, or the process ends. What waited has been sent.
    Closed,
    /// Its time is up.
    Expired,
}

/// Returns the headers of the response that accepts the WebSocket of a client.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<HeaderMap> {
    let says = |name, wanted: &str| {
        let mut values = headers.get_all(name).iter();
        values.any(|value| {
            let mut words = value.to_str().unwrap_or_default().split(',');
            words.any(|word| word.trim().eq_ignore_ascii_case(wanted))
        })
    };
    let is_one = says(header::CONNECTION, "upgrade")
        && says(header::UPGRADE, "websocket")
        && says(header::SEC_WEBSOCKET_VERSION, "13")
        && says(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| is_one)?;
    let accept = derive_accept_key(key.as_bytes());
    Some(HeaderMap::from_iter([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (
            header::SEC_WEBSOCKET_ACCEPT,
            HeaderValue::from_str(&accept).ok()?,
        ),
        (
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(PROTOCOL),
        ),
    ]))
}

/// The status of the response that accepts a WebSocket.
pub(crate) const ACCEPTED: StatusCode = StatusCode::SWITCHING_PROTOCOLS;

/// Returns the connection of a request, once it is accepted.
pub(crate) fn upgrade<B>(request: &mut Request<B>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

/// Sends items until the client leaves or the tail ends.
pub(crate) async fn serve(upgrade: OnUpgrade, connected: Connected) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    // The first frame of wrangler has no mask.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .accept_unmasked_frames(true);
    let stream = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let end = tokio::select! {
        end = talk(&mut socket, &connected.tail) => end,
        () = tokio::time::sleep_until(connected.tail.expires) => End::Expired,
    };
    // From here on no item comes.
    drop(connected);
    if let Some(frame) = farewell(end) {
        _ = timeout(PATIENCE, close(&mut socket, frame)).await;
    }
}

async fn talk<S>(socket: &mut WebSocketStream<S>, tail: &Tail) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match timeout(PATIENCE, socket.next()).await {
        Ok(Some(Ok(Message::Text(text)))) if serde_json::from_str::<Greeting>(&text).is_ok() => {}
        Ok(None | Some(Ok(Message::Close(_)))) => return End::Left,
        Ok(_) | Err(_) => return End::Violated,
    }
    loop {
        tokio::select! {
            // Pings are answered by the next turn.
            message = socket.next() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Left,
                Some(Ok(_)) => {}
            },
            entry = tail.queue.next() => match entry {
                None => return End::Closed,
                Some(entry) => {
                    if send(socket, tail, &entry).await.is_err() {
                        return End::Left;
                    }
                }
            },
        }
    }
}

async fn send<S>(socket: &mut WebSocketStream<S>, tail: &Tail, entry: &Entry) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let text = match entry {
        // An item is redacted where it is serialised. Its keys are texts, so this does not fail.
        Entry::Item(item) => serde_json::to_string(&**item).unwrap_or_default(),
        Entry::Missed(missed) => overload(*missed),
    };
    socket.feed(Message::text(text)).await?;
    match tail.queue.is_empty() {
        true => socket.flush().await,
        false => Ok(()),
    }
}

/// Says how many items did not fit in the queue. The form is that of an item, as on Cloudflare,
/// and `missed` is Taffrail's own.
fn overload(missed: u64) -> String {
    let message =
        format!("{missed} item(s) are not shown: this client reads more slowly than they come");
    let event = json!({ "message": message, "type": "overload", "missed": missed });
    json!({ "outcome": "unknown", "logs": [], "exceptions": [], "event": event }).to_string()
}

fn farewell(end: End) -> Option<CloseFrame> {
    let (code, reason) = match end {
        End::Left => return None,
        End::Violated => (
            CloseCode::Policy,
            "the first message is not {\"debug\": false}",
        ),
        End::Closed => (CloseCode::Normal, ""),
        // Clients then connect again.
        End::Expired => (CloseCode::Away, "the tail has expired"),
    };
    Some(CloseFrame {
        code,
        reason: reason.into(),
    })
}

/// Closes the WebSocket, and waits for the client to do so, too.
async fn close<S>(socket: &mut WebSocketStream<S>, frame: CloseFrame)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if socket.close(Some(frame)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
