//! A double of the network.

use crate::recorded::{self, BadRecording};
use crate::reply::Reply;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use taffrail_runtime::{BoxFuture, Network, RequestBody, RequestBodyError, SendError, WorkerId};

/// The most bytes of the body of one request.
const BODY_BYTES: usize = 64 << 20;

/// Answers the requests that Workers send, and refuses those for which it has no
/// reply. Clones share everything.
#[derive(Clone, Default)]
pub struct Outbound(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    replies: Vec<Reply>,
    received: Vec<Request<Bytes>>,
}

impl Outbound {
    /// Refuses everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers as it was recorded in a file: a JSON array with an object for each
    /// reply.
    ///
    /// | key | value |
    /// |---|---|
    /// | `method` | the method of the request; `GET` by default |
    /// | `url` | its absolute URL |
    /// | `status` | the status of the response; 200 by default |
    /// | `headers` | its headers, an object of strings |
    /// | `body` | its body: a string, or other JSON that is sent as its text |
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or is something else.
    pub fn from_file(path: &Path) -> Result<Self, BadRecording> {
        Ok(Self(Arc::new(Mutex::new(State {
            replies: recorded::read(path)?,
            received: Vec::new(),
        }))))
    }

    /// Answers requests of this method and URL. Of several replies to the same
    /// request each is used once, in this order, and the last one from then on.
    ///
    /// # Panics
    ///
    /// Panics if the method is not one of HTTP, or the URL is not an absolute one.
    #[must_use]
    #[track_caller]
    pub fn reply(self, method: &str, url: &str, response: Response<impl Into<Bytes>>) -> Self {
        let reply = Reply::new(method, url, response.map(Into::into));
        self.state()
            .replies
            .push(reply.unwrap_or_else(|wrong| panic!("{wrong}")));
        self
    }

    /// The requests that came, whether they were answered or refused.
    #[must_use]
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.state().received.clone()
    }

    /// As a runtime has it.
    #[must_use]
    pub fn network(&self) -> Arc<dyn Network> {
        Arc::new(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(
        &mut self,
        worker: &WorkerId,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, String> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        self.received.push(request);
        let mut fitting = self.replies.iter().enumerate();
        let mut next = || Some(fitting.find(|(_, reply)| reply.is_for(&method, &uri))?.0);
        match (next(), next()) {
            (Some(index), Some(_)) => Ok(self.replies.remove(index).response),
            (Some(index), None) => Ok(self.replies[index].response.clone()),
            (None, _) => Err(self.refusal(worker, &method, &uri)),
        }
    }

    fn refusal(&self, worker: &WorkerId, method: &Method, uri: &Uri) -> String {
        let known: Vec<_> = self
            .replies
            .iter()
            .map(|reply| format!("{} {}", reply.method, reply.uri))
            .collect();
        let known = match &*known {
            [] => "there is none at all".to_owned(),
            known => format!("there are replies to {}", known.join(", ")),
        };
        format!("Worker `{worker}` requests {method} {uri}, to which no reply is given; {known}")
    }
}

impl Network for Outbound {
    fn send<'a>(
        &'a self,
        worker: &'a WorkerId,
        request: Request<RequestBody>,
    ) -> BoxFuture<'a, Result<Response<RequestBody>, SendError>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = Limited::new(body, BODY_BYTES).collect().await;
            let body = body
                .map_err(|error| match error.downcast::<RequestBodyError>() {
                    Ok(error) => SendError::Failed(*error),
                    Err(error) => SendError::Refused(error.to_string()),
                })?
                .to_bytes();
            let request = Request::from_parts(head, body);
            let answer = self.state().answer(worker, request);
            let response = answer.map_err(SendError::Refused)?;
            Ok(response.map(|body| {
                Full::new(body)
                    .map_err(|never| match never {})
                    .boxed_unsync()
            }))
        })
    }
}
