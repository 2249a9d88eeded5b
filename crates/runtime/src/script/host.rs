//! The host functions that the engine component imports.

use crate::component::run::send_response;
use crate::interfaces::analytics;
use crate::invocation::encoding::Encoding;
use crate::invocation::session;
use crate::script::engine::host;
use crate::script::engine::host::SpanOutcome;
use crate::script::state::IsolateState;
use crate::script::{byte_string, object, storage, user_spans};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, Response, StatusCode};
use serde::Deserialize;
use taffrail_store::DataPoint;
use taffrail_trace::Outcome;
use wasmtime::bail;
use wasmtime_wasi_http::WasiBody;

/// A data point, as sent by the script.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PointJson {
    blobs: Vec<Option<String>>,
    doubles: Vec<f64>,
    indexes: Vec<Option<String>>,
}

impl From<PointJson> for DataPoint {
    fn from(json: PointJson) -> Self {
        Self {
            blobs: json.blobs,
            doubles: json.doubles,
            indexes: json.indexes,
        }
    }
}

const ANSWERED: &str = "the current event takes no response, or already has one";

fn response(
    status: u16,
    headers: Vec<(String, String)>,
    body: WasiBody,
) -> wasmtime::Result<Response<WasiBody>> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status)?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name)?;
        let Some(value) = byte_string::value(&value) else {
            bail!("the value of the header `{name}` is malformed");
        };
        response.headers_mut().try_append(name, value)?;
    }
    Ok(response)
}

impl host::Host for IsolateState {
    fn respond(
        &mut self,
        status: u16,
        headers: Vec<(String, String)>,
        encode: bool,
    ) -> wasmtime::Result<()> {
        let run = self.host.events.run();
        let Some((respond, body)) = run.exchange.respond() else {
            bail!(ANSWERED);
        };
        let invocation = &run.invocation;
        let mut response = response(status, headers, body)?;
        if encode && let Some(encoding) = Encoding::of(response.headers()) {
            let (mut head, plain) = response.into_parts();
            head.headers.remove(CONTENT_LENGTH);
            let encoded = encoding.encoded(plain, invocation.host_memory());
            response = Response::from_parts(head, invocation.charged(encoded)?);
        }
        send_response(invocation, response, respond);
        Ok(())
    }

    fn forward(
        &mut self,
        status: u16,
        headers: Vec<(String, String)>,
        body: u32,
    ) -> wasmtime::Result<bool> {
        let run = self.host.events.run();
        let Some(body) = run.exchange.unread(body) else {
            return Ok(false);
        };
        let Some((respond, _)) = run.exchange.respond() else {
            bail!(ANSWERED);
        };
        run.exchange.end();
        send_response(&run.invocation, response(status, headers, body)?, respond);
        Ok(true)
    }

    fn abandon(&mut self, number: u32) -> wasmtime::Result<()> {
        self.host.abandonable.abandon(number);
        Ok(())
    }

    fn pass_through(&mut self) -> wasmtime::Result<()> {
        self.state.invocation().passed_through();
        Ok(())
    }

    fn write(&mut self, chunk: Vec<u8>) -> wasmtime::Result<bool> {
        let run = self.host.events.run();
        Ok(run.exchange.write(run.invocation.hold(chunk)?))
    }

    fn end(&mut self) -> wasmtime::Result<()> {
        self.host.events.run().exchange.end();
        Ok(())
    }

    fn set_result(&mut self, value: String) -> wasmtime::Result<()> {
        self.state.invocation().set_result(value);
        Ok(())
    }

    fn send(&mut self, session: u32, message: String) -> wasmtime::Result<bool> {
        let run = self.host.events.run();
        let line = run.invocation.hold(session::line(&message))?;
        Ok(run.exchange.send(session, line).is_ok())
    }

    fn hang_up(&mut self, session: u32) -> wasmtime::Result<()> {
        self.host.events.run().exchange.hang_up(session);
        Ok(())
    }

    fn enter(&mut self, number: u32) -> wasmtime::Result<()> {
        self.host.events.enter(number);
        Ok(())
    }

    fn finish(&mut self, number: u32, reusable: bool) -> wasmtime::Result<()> {
        let host = &self.host;
        host.events.finish(number, reusable, &self.state.memory);
        if let Some(object) = &host.object {
            object.ran(&self.state.memory);
        }
        Ok(())
    }

    fn next_event(&mut self) -> wasmtime::Result<Option<String>> {
        let host = &self.host;
        let next = host.events.next();
        if let (Some(object), Some(_)) = (&host.object, &next) {
            object.runs();
        }
        Ok(next)
    }

    fn object_id(&mut self, class: String, name: Option<String>) -> wasmtime::Result<String> {
        Ok(object::id(&class, name.as_deref()))
    }

    async fn storage(&mut self, request: String) -> wasmtime::Result<String> {
        let IsolateState { state, host } = self;
        Ok(match &host.object {
            Some(object) => {
                let caller = state.invocation();
                storage::answer(&*state.channels, &caller, object.key(), &request).await
            }
            None => String::new(),
        })
    }

    async fn write_data_point(
        &mut self,
        binding: String,
        point: String,
    ) -> wasmtime::Result<Result<(), String>> {
        let invocation = self.state.invocation();
        Ok(match serde_json::from_str::<PointJson>(&point) {
            Ok(point) => {
                analytics::write(&*self.state.channels, &invocation, &binding, point.into()).await
            }
            Err(error) => Err(format!("the data point is malformed: {error}")),
        })
    }

    fn open_span(&mut self, parent: Option<String>, name: String) -> wasmtime::Result<String> {
        let invocation = self.state.invocation();
        let parent = match parent {
            Some(parent) => parent.parse()?,
            None => invocation.span.span_id,
        };
        Ok(invocation.open_span(parent, name).to_string())
    }

    fn span_attributes(
        &mut self,
        span: String,
        attributes: String,
        dropped: u32,
    ) -> wasmtime::Result<()> {
        let attributes = user_spans::attributes(&attributes)?;
        let invocation = self.state.invocation();
        invocation.span_attributes(span.parse()?, attributes, u64::from(dropped));
        Ok(())
    }

    fn close_span(&mut self, span: String, outcome: SpanOutcome) -> wasmtime::Result<()> {
        let outcome = match outcome {
            SpanOutcome::Ok => Outcome::Ok,
            SpanOutcome::Exception => Outcome::Exception,
            SpanOutcome::Canceled => Outcome::Canceled,
        };
        self.state.invocation().close_span(span.parse()?, outcome);
        Ok(())
    }

    fn enter_span(&mut self, span: Option<String>) -> wasmtime::Result<()> {
        let span = span.map(|span| span.parse()).transpose()?;
        self.state.invocation().enter_span(span);
        Ok(())
    }

    fn frames(&mut self, stack: String, limit: u32) -> wasmtime::Result<String> {
        Ok(self.host.source.frames(&stack, limit as usize))
    }

    fn source_text(&mut self, text: String) -> wasmtime::Result<String> {
        Ok(self.host.source.original_text(text))
    }
}
