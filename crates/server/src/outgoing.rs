//! The body of a response, and the end of one that no client receives.

use crate::places::Place;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Either, Full};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use taffrail_runtime::{BodyError, ResponseBody};

/// How long a Worker may continue a body that no client receives: Cloudflare's
/// time after a response.
const UNWANTED: Duration = Duration::from_secs(30);

/// The same once the connection is gone. A client that has its head may well be
/// faster than the Worker, which has begun to end.
const UNWANTED_WITHOUT_CLIENT: Duration = Duration::from_secs(5);

/// The body of a Worker or of the server.
pub(crate) type Made = Either<ResponseBody, Full<Bytes>>;

/// A body that notifies its connection at its end.
pub(crate) struct Outgoing {
    body: Made,
    place: Arc<Place>,
}

impl Outgoing {
    /// The body of the answer to `method`. One that is not sent is read and
    /// discarded, so that the Worker may end it.
    pub(crate) fn new(
        response: http::Response<Made>,
        method: &Method,
        place: &Arc<Place>,
    ) -> http::Response<Self> {
        let (mut head, mut body) = response.into_parts();
        let bodiless = matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
        if bodiless {
            head.headers.remove(http::header::CONTENT_LENGTH);
        }
        if bodiless || method == Method::HEAD {
            body = match body {
                Either::Left(body) if !body.is_end_stream() => {
                    tokio::spawn(discard(body, Arc::clone(place)));
                    Either::Right(Full::default())
                }
                body => body,
            };
        }
        let place = Arc::clone(place);
        http::Response::from_parts(head, Self { body, place })
    }
}

async fn discard(mut body: ResponseBody, place: Arc<Place>) {
    let read = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::select! {
        () = read => {}
        () = without_client(&place) => {}
        () = tokio::time::sleep(UNWANTED) => {}
    }
}

async fn without_client(place: &Place) {
    place.gone().await;
    tokio::time::sleep(UNWANTED_WITHOUT_CLIENT).await;
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.body {
            Either::Left(body) => Pin::new(body).poll_frame(cx),
            Either::Right(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let receipt = match &self.body {
            Either::Left(body) => Some(body.receipt()),
            Either::Right(_) => None,
        };
        self.place.flushing(receipt);
    }
}
