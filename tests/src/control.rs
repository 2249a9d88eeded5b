//! The control endpoint of a server, as a client of the raw protocol sees it.

use crate::client::{Answer, Client};
use crate::folder::Folder;
use crate::process::{PATIENCE, Server};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A control endpoint on a loopback address.
pub struct Control {
    /// The address.
    pub address: SocketAddr,
    /// The token of its clients.
    pub token: String,
    /// The file that has the token.
    pub file: String,
}

impl Control {
    /// The endpoint of a server that was started with `--control 127.0.0.1:0`.
    ///
    /// # Panics
    ///
    /// When it has none.
    #[must_use]
    pub fn of(server: &Server) -> Self {
        let line = server.until_stderr("Controlled on http://");
        let (_, line) = line.split_once("http://").unwrap();
        let (address, file) = line.split_once(" with the token in ").unwrap();
        Self {
            address: address.parse().unwrap(),
            token: fs::read_to_string(file).unwrap().trim().to_owned(),
            file: file.to_owned(),
        }
    }

    /// Serves the script `w`, and the guest `hello` as `other`, with an endpoint.
    ///
    /// # Panics
    ///
    /// When they cannot be served.
    #[must_use]
    pub fn serve(source: &str) -> (Folder, Server, Self) {
        let folder = Folder::new();
        folder.script("w", source, "").worker("other", "hello", "");
        let server = folder.start(&[
            "serve",
            "w",
            "other",
            "--control",
            "127.0.0.1:0",
            "--format",
            "none",
        ]);
        let control = Self::of(&server);
        (folder, server, control)
    }

    /// Makes a request with these headers and no others, but for the length of the body.
    #[must_use]
    pub fn raw(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut client = Client::connect(self.address);
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let length = body.len();
        client.send(format!(
            "{line} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ));
        client.answer()
    }

    /// Makes a request as clients do.
    #[must_use]
    pub fn request(&self, line: &str, body: &str) -> Answer {
        let token = format!("authorization: Bearer {}", self.token);
        self.raw(line, &["host: localhost", &token], body)
    }

    /// Asks for a live tail of a Worker.
    #[must_use]
    pub fn create(&self, worker: &str, filters: &Value) -> Answer {
        let line = format!("POST /client/v4/accounts/local/workers/scripts/{worker}/tails");
        self.request(&line, &json!({ "filters": filters }).to_string())
    }

    /// Opens a live tail, and sends this first message.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub async fn tail(&self, worker: &str, filters: &Value, first: Message) -> Tail {
        let created = self.create(worker, filters);
        let created: Value = serde_json::from_str(&created.body).unwrap();
        let url = created["result"]["url"].as_str().unwrap();
        let mut request = url.into_client_request().unwrap();
        let protocol = "trace-v1".parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocol);
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut socket, response) = client_async(request, stream).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "trace-v1");
        socket.send(first).await.unwrap();
        Tail(socket)
    }

    /// The value of a measure.
    ///
    /// # Panics
    ///
    /// When there is no such measure.
    #[must_use]
    pub fn measure(&self, name: &str) -> u64 {
        let text = self.request("GET /metrics", "").body;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }
}

/// The first message of a client that wants what the filters let pass.
#[must_use]
pub fn greeting() -> Message {
    Message::text(r#"{"debug":false}"#)
}

/// The client of a live tail.
pub struct Tail(pub WebSocketStream<TcpStream>);

impl Tail {
    /// The next message but for pings, which may be its end.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub async fn message(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.0.next()).await;
        next.unwrap().and_then(Result::ok)
    }

    /// The next item or notice.
    ///
    /// # Panics
    ///
    /// When the tail ends, or nothing comes in time.
    pub async fn item(&mut self) -> Value {
        match self.message().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no item, but {other:?}"),
        }
    }

    /// The code with which the server closes.
    ///
    /// # Panics
    ///
    /// When it sends something else.
    pub async fn closed(&mut self) -> u16 {
        match self.message().await {
            Some(Message::Close(Some(frame))) => frame.code.into(),
            other => panic!("no end, but {other:?}"),
        }
    }
}
