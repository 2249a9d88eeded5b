//! A request body that the test sends piece by piece.

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use taffrail_runtime::{RequestBody, RequestBodyError};
use tokio::sync::mpsc::{self, Receiver, Sender};

type Piece = Result<Frame<Bytes>, RequestBodyError>;

/// The sending end of a request body. The body ends when this is dropped,
/// so it is also a gate: a guest that reads to the end waits for the test.
pub struct Upload(Sender<Piece>);

struct Pieces(Receiver<Piece>);

impl Upload {
    /// A body, and the way to fill it. It holds one piece that has not been
    /// read.
    #[must_use]
    pub fn new() -> (Self, RequestBody) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Pieces(receiver).boxed_unsync())
    }

    /// Sends a piece once there is room for it.
    ///
    /// # Panics
    ///
    /// When nobody reads the body any more.
    pub async fn send(&self, bytes: impl Into<Bytes>) {
        self.push(Ok(Frame::data(bytes.into()))).await;
    }

    /// Sends a piece if there is room for it.
    ///
    /// # Panics
    ///
    /// When nobody reads the body any more.
    #[must_use]
    pub fn try_send(&self, bytes: impl Into<Bytes>) -> bool {
        match self.0.try_send(Ok(Frame::data(bytes.into()))) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
            Err(mpsc::error::TrySendError::Closed(_)) => panic!("the body is read no more"),
        }
    }

    /// Sends trailers and ends the body.
    ///
    /// # Panics
    ///
    /// When nobody reads the body any more.
    pub async fn finish(self, trailers: HeaderMap) {
        self.push(Ok(Frame::trailers(trailers))).await;
    }

    /// Ends the body as a lost connection does.
    ///
    /// # Panics
    ///
    /// When nobody reads the body any more.
    pub async fn break_off(self) {
        let lost = io::Error::from(io::ErrorKind::ConnectionReset);
        self.push(Err(RequestBodyError::Connect(lost))).await;
    }

    /// Waits until everything that was sent has been read.
    ///
    /// # Panics
    ///
    /// When nobody reads the body any more.
    pub async fn taken(&self) {
        drop(self.0.reserve().await.unwrap());
    }

    /// Waits until nobody can read the body any more.
    pub async fn dropped(&self) {
        self.0.closed().await;
    }

    async fn push(&self, piece: Piece) {
        let sent = self.0.send(piece).await;
        assert!(sent.is_ok(), "the body is read no more");
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        self.0.poll_recv(cx)
    }
}
