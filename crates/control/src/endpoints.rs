//! What each endpoint does.

use crate::metrics::{self, Metrics};
use crate::reply::{Failure, Response, in_json, success, with_type};
use crate::routes::{Endpoint, Found};
use crate::tails::filter::Filter;
use crate::tails::{LIFETIME, TAILS, Tails, TooMany, session};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use taffrail_runtime::Runtime;
use taffrail_sql::Queries;
use tokio::sync::OwnedSemaphorePermit;

/// The size of a request body.
const BODY_BYTES: usize = 64 << 10;

/// What the endpoints act on.
pub(crate) struct Endpoints {
    pub(crate) runtime: Runtime,
    pub(crate) tails: Arc<Tails>,
    pub(crate) metrics: Arc<Metrics>,
    /// Queries of data points.
    pub(crate) analytics: Queries,
    /// Queries of everything that is kept.
    pub(crate) datasets: Queries,
    /// The authority of the URL of a WebSocket.
    pub(crate) authority: String,
}

/// The body of a request that makes a live tail.
#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    filters: Vec<Filter>,
}

impl Endpoints {
    /// Answers a request from somebody who may make it. `place` is held for as long as the
    /// connection lasts.
    pub(crate) async fn answer(
        &self,
        found: &Found,
        request: Request<Incoming>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Result<Response, Failure> {
        let worker = found.name("worker");
        match found.endpoint {
            Endpoint::Status => Ok(in_json(StatusCode::OK, &self.runtime.deliveries())),
            Endpoint::Metrics => {
                let deliveries = self.runtime.deliveries();
                let instances = self.runtime.instances();
                let connected = self.tails.connected();
                let text = self.metrics.text(&deliveries, instances, connected);
                Ok(with_type(StatusCode::OK, metrics::CONTENT_TYPE, text))
            }
            Endpoint::Stop => self.switch(worker, Runtime::stop),
            Endpoint::Start => self.switch(worker, Runtime::start),
            Endpoint::CreateTail => self.create_tail(worker, request).await,
            Endpoint::DeleteTail => Ok(self.delete_tail(found)),
            Endpoint::ConnectTail => self.connect_tail(found, request, place),
            Endpoint::Analytics => {
                let sql = sql(request).await?;
                let answer = self.analytics.answer_analytics(sql, Timestamp::now());
                Ok(answered(answer.await))
            }
            Endpoint::Sql => {
                let sql = sql(request).await?;
                let answer = self.datasets.answer_sql(sql, Timestamp::now());
                Ok(answered(answer.await))
            }
        }
    }

    fn switch(
        &self,
        worker: Option<&str>,
        switch: impl Fn(&Runtime, &str) -> Result<(), taffrail_runtime::Error>,
    ) -> Result<Response, Failure> {
        let worker = worker.unwrap_or_default();
        self.check_worker(worker)?;
        let failed = |error: taffrail_runtime::Error| {
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        };
        switch(&self.runtime, worker).map_err(failed)?;
        Ok(success(Value::Null))
    }

    fn check_worker(&self, name: &str) -> Result<(), Failure> {
        let mut deployed = self.runtime.workers();
        if deployed.iter().any(|deployed| deployed == name) {
            return Ok(());
        }
        deployed.sort();
        Err(Failure::unknown_worker(name, &deployed))
    }

    async fn create_tail(
        &self,
        worker: Option<&str>,
        request: Request<Incoming>,
    ) -> Result<Response, Failure> {
        if let Some(worker) = worker {
            self.check_worker(worker)?;
        }
        let Wanted { filters } = wanted(request).await?;
        let tail = self.tails.create(worker.map(ToOwned::to_owned), filters);
        let tail = tail.map_err(|TooMany| {
            let of = worker.map_or("of all Workers".to_owned(), |name| {
                format!("of Worker `{name}`")
            });
            let message = format!(
                "there are {TAILS} live tails {of}, and there may be no more; end one of them first"
            );
            Failure::new(StatusCode::TOO_MANY_REQUESTS, message)
        })?;
        let lifetime = LIFETIME.as_secs().cast_signed();
        let expires = Timestamp::from_second(Timestamp::now().as_second() + lifetime);
        Ok(success(json!({
            "id": tail.id,
            "url": format!("ws://{}/tails/{}", self.authority, tail.id),
            "expires_at": expires.unwrap_or(Timestamp::MAX).to_string(),
        })))
    }

    /// Also succeeds if the tail has ended: wrangler deletes it then, too.
    fn delete_tail(&self, found: &Found) -> Response {
        self.tails.delete(found.name("id").unwrap_or_default());
        success(Value::Null)
    }

    fn connect_tail(
        &self,
        found: &Found,
        mut request: Request<Incoming>,
        place: Arc<OwnedSemaphorePermit>,
    ) -> Result<Response, Failure> {
        let headers = session::accepted(request.headers()).ok_or_else(|| {
            let message = format!(
                "connect to a live tail by a WebSocket with the sub-protocol `{}`",
                session::PROTOCOL
            );
            Failure::new(StatusCode::UPGRADE_REQUIRED, message)
        })?;
        let id = found.name("id").unwrap_or_default();
        let connected = self.tails.connect(id).ok_or_else(no_tail)?;
        let upgrade = session::upgrade(&mut request);
        tokio::spawn(async move {
            session::serve(upgrade, connected).await;
            drop(place);
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = session::ACCEPTED;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn answered(answer: taffrail_sql::Response) -> Response {
    let status = StatusCode::from_u16(answer.status);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with_type(status, answer.content_type, answer.body)
}

/// Returns the query of a request: the parameter `query` of a `GET`, or else the body.
async fn sql(request: Request<Incoming>) -> Result<String, Failure> {
    if request.method() != Method::GET {
        let body = body(request).await?;
        return Ok(String::from_utf8_lossy(&body).into_owned());
    }
    let parameters = request.uri().query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(parameters.as_bytes());
    let query = parameters.find(|(name, _)| name == "query");
    query.map(|(_, query)| query.into_owned()).ok_or_else(|| {
        let message = "send SQL as the parameter `query`, or as the body of a POST";
        Failure::new(StatusCode::BAD_REQUEST, message)
    })
}

fn no_tail() -> Failure {
    let message = "there is no such live tail: it has ended or expired, or has its client";
    Failure::new(StatusCode::NOT_FOUND, message)
}

async fn body(request: Request<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(request.into_body(), BODY_BYTES)
        .collect()
        .await;
    match body {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body is longer than {BODY_BYTES} bytes");
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message))
        }
        Err(error) => Err(Failure::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

/// Reads the body of a request for a live tail. Without one, there are no filters.
async fn wanted(request: Request<Incoming>) -> Result<Wanted, Failure> {
    let body = body(request).await?;
    if body.is_empty() {
        return Ok(Wanted::default());
    }
    serde_json::from_slice(&body).map_err(|error| {
        let message = format!("the filters are not valid: {error}");
        Failure::new(StatusCode::BAD_REQUEST, message)
    })
}
