//! The client of the endpoint.

use crate::access::Token;
use crate::address::Address;
use crate::tails::filter::Filter;
use crate::tails::session::PROTOCOL;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// The size of a response.
const RESPONSE_BYTES: usize = 64 << 20;

/// A client of the process that is controlled at an address.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    token: Option<Token>,
}

/// Why a request of a [`Client`] failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens at the address.
    #[error(
        "nothing listens on `{address}`; start `taffrail serve` or `dev` with `--control {address}`"
    )]
    NotListening {
        /// The address.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The process refuses the request, for the reason that it gives.
    #[error("{message}")]
    Refused {
        /// The status of the response.
        status: StatusCode,
        /// Its error message.
        message: String,
    },
    /// The connection broke off, or what listens at the address is not Taffrail.
    #[error("what listens on `{address}` does not answer as Taffrail does: {message}")]
    Broken {
        /// The address.
        address: Address,
        /// What was wrong.
        message: String,
    },
}

/// A live tail that a client receives.
#[derive(Debug)]
pub struct LiveTail {
    socket: WebSocketStream<Connection>,
    address: Address,
}

/// Why a live tail has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ends, or the tail was deleted.
    Closed,
    /// It lasted for as long as a tail may. Another one can follow.
    Expired,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug> Stream for S {}

type Connection = Box<dyn Stream>;

/// The envelope of a response, as far as it matters here.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Reason>,
    #[serde(default)]
    result: Option<Created>,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

impl Client {
    /// Returns a client. A loopback address needs the token of the process.
    #[must_use]
    pub fn new(address: Address, token: Option<Token>) -> Self {
        Self { address, token }
    }

    /// Stops a Worker.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be reached, or has no such Worker.
    pub async fn stop(&self, worker: &str) -> Result<(), ClientError> {
        self.switch(worker, "stop").await
    }

    /// Starts a Worker that was stopped.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be reached, or has no such Worker.
    pub async fn start(&self, worker: &str) -> Result<(), ClientError> {
        self.switch(worker, "start").await
    }

    async fn switch(&self, worker: &str, verb: &str) -> Result<(), ClientError> {
        let path = format!("/workers/{}/{verb}", segment(worker));
        self.request(Method::POST, &path, Bytes::new()).await?;
        Ok(())
    }

    /// Returns the deliveries of the process as a JSON array of
    /// [`Delivery`](taffrail_runtime::Delivery).
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be reached.
    pub async fn status(&self) -> Result<Bytes, ClientError> {
        self.request(Method::GET, "/status", Bytes::new()).await
    }

    /// Opens a live tail of one Worker, or of all.
    ///
    /// # Errors
    ///
    /// Fails if the process cannot be reached, has no such Worker, or has too many live tails.
    pub async fn tail(
        &self,
        worker: Option<&str>,
        filters: &[Filter],
    ) -> Result<LiveTail, ClientError> {
        let path = match worker {
            Some(worker) => format!(
                "/client/v4/accounts/local/workers/scripts/{}/tails",
                segment(worker)
            ),
            None => "/tails".to_owned(),
        };
        let body = json!({ "filters": filters }).to_string();
        let created = self.request(Method::POST, &path, body.into()).await?;
        let created: Envelope =
            serde_json::from_slice(&created).map_err(|error| self.broken(error))?;
        let created = created.result.ok_or_else(|| self.broken("no tail"))?;
        let url = format!("ws://{}/tails/{}", self.host(), created.id);
        let request = url.into_client_request();
        let mut request = request.map_err(|error| self.broken(error))?;
        let protocol = HeaderValue::from_static(PROTOCOL);
        request
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        let connected = client_async(request, self.connect().await?).await;
        let (mut socket, _) = connected.map_err(|error| self.broken(error))?;
        let greeting = Message::text(json!({ "debug": false }).to_string());
        let greeted = futures_util::SinkExt::send(&mut socket, greeting).await;
        greeted.map_err(|error| self.broken(error))?;
        Ok(LiveTail {
            socket,
            address: self.address.clone(),
        })
    }

    /// Makes one request and returns the body of a response that is a success.
    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        let stream = TokioIo::new(self.connect().await?);
        let connected = http1::handshake(stream).await;
        let (mut sender, connection) = connected.map_err(|error| self.broken(error))?;
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.host());
        if let Some(token) = &self.token {
            let token = format!("Bearer {}", token.as_str());
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Full::new(body));
        let request = request.map_err(|error| self.broken(error))?;
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(|error| self.broken(error))?.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES).collect().await;
        let body = body.map_err(|error| self.broken(error))?.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        let envelope: Envelope =
            serde_json::from_slice(&body).map_err(|_| self.broken(head.status))?;
        let messages = envelope.errors.into_iter().map(|reason| reason.message);
        Err(ClientError::Refused {
            status: head.status,
            message: messages.collect::<Vec<_>>().join("; "),
        })
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let connected = match &self.address {
            Address::Socket(path) => {
                (UnixStream::connect(path).await).map(|stream| Box::new(stream) as Connection)
            }
            Address::Loopback(address) => {
                (TcpStream::connect(address).await).map(|stream| Box::new(stream) as Connection)
            }
        };
        connected.map_err(|source| ClientError::NotListening {
            address: self.address.clone(),
            source,
        })
    }

    fn host(&self) -> String {
        match &self.address {
            Address::Socket(_) => "localhost".to_owned(),
            Address::Loopback(address) => address.to_string(),
        }
    }

    fn broken(&self, message: impl ToString) -> ClientError {
        broken(&self.address, message)
    }
}

impl LiveTail {
    /// Waits for the next message: an item as JSON, or an event of the type `overload` that says
    /// how many were missed.
    ///
    /// # Errors
    ///
    /// Fails if the connection breaks off.
    pub async fn next(&mut self) -> Result<Result<String, End>, ClientError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Ok(text.as_str().to_owned())),
                Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Normal => {
                    return Ok(Err(End::Closed));
                }
                Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Away => {
                    return Ok(Err(End::Expired));
                }
                Some(Ok(Message::Close(frame))) => {
                    let reason = frame.map(|frame| frame.to_string()).unwrap_or_default();
                    return Err(broken(
                        &self.address,
                        format!("it closed the tail: {reason}"),
                    ));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&self.address, error)),
                None => {
                    let error = tungstenite::Error::ConnectionClosed;
                    return Err(broken(&self.address, error));
                }
            }
        }
    }
}

fn broken(address: &Address, message: impl ToString) -> ClientError {
    ClientError::Broken {
        address: address.clone(),
        message: message.to_string(),
    }
}

fn segment(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}
