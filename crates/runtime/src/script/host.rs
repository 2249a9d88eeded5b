//! What the engine component asks of its host.

use crate::component::execute::send_response;
use crate::instance::state::State;
use crate::interfaces::analytics;
use crate::interfaces::javascript::taffrail::javascript::host;
use crate::invocation::encoding::Encoding;
use crate::invocation::session;
use crate::script::abandoned::Abandonable;
use crate::script::events::Events;
use crate::script::exchange::Idle;
use crate::script::object::Object;
use crate::script::{Source, Token, byte_string, object, storage};
use http::header::CONTENT_LENGTH;
use http::{HeaderName, Response, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use taffrail_store::DataPoint;
use wasmtime::bail;
use wasmtime_wasi_http::WasiBody;

/// What a store has for a script.
pub(crate) struct ScriptHost {
    pub(crate) source: Arc<Source>,
    pub(crate) token: Token,
    pub(crate) idle: Idle,
    pub(crate) abandonable: Abandonable,
    pub(crate) events: Arc<Events>,
    /// The Durable Object that it is, if it is one.
    pub(crate) object: Option<Arc<Object>>,
}

impl ScriptHost {
    /// Whether these are all things that a script waits for: what it has asked
    /// its host to tell. To an object further events may come.
    pub(crate) fn waits_for_nothing_else(&self, things: usize) -> bool {
        let asked = 1 + usize::from(self.events.is_asked());
        things == asked && self.object.is_none()
    }
}

/// A data point as the script writes it.
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

impl State {
    fn script(&self) -> wasmtime::Result<&ScriptHost> {
        match &self.outbound.script {
            Some(script) => Ok(script),
            None => bail!("`taffrail:javascript/host` is for the engine component only"),
        }
    }
}

const ANSWERED: &str = "the event that runs has no response or has it already";

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

impl host::Host for State {
    fn respond(
        &mut self,
        status: u16,
        headers: Vec<(String, String)>,
        encode: bool,
    ) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        let Some((respond, body)) = invocation.exchange.respond() else {
            bail!(ANSWERED);
        };
        let mut response = response(status, headers, body)?;
        if encode && let Some(encoding) = Encoding::of(response.headers()) {
            let (mut head, plain) = response.into_parts();
            head.headers.remove(CONTENT_LENGTH);
            let encoded = encoding.encoded(plain, invocation.host_memory());
            response = Response::from_parts(head, invocation.charged(encoded)?);
        }
        send_response(&invocation, response, respond);
        Ok(())
    }

    fn forward(
        &mut self,
        status: u16,
        headers: Vec<(String, String)>,
        body: u32,
    ) -> wasmtime::Result<bool> {
        let invocation = self.invocation();
        let Some(body) = invocation.exchange.unread(body) else {
            return Ok(false);
        };
        let Some((respond, _)) = invocation.exchange.respond() else {
            bail!(ANSWERED);
        };
        invocation.exchange.end();
        send_response(&invocation, response(status, headers, body)?, respond);
        Ok(true)
    }

    fn abandon(&mut self, number: u32) -> wasmtime::Result<()> {
        self.script()?.abandonable.abandon(number);
        Ok(())
    }

    fn pass_through(&mut self) -> wasmtime::Result<()> {
        self.invocation().passed_through();
        Ok(())
    }

    fn write(&mut self, chunk: Vec<u8>) -> wasmtime::Result<bool> {
        let invocation = self.invocation();
        Ok(invocation.exchange.write(invocation.hold(chunk)?))
    }

    fn end(&mut self) -> wasmtime::Result<()> {
        self.invocation().exchange.end();
        Ok(())
    }

    fn settle(&mut self, wishes: String) -> wasmtime::Result<()> {
        self.invocation().settle(wishes);
        Ok(())
    }

    fn send(&mut self, session: u32, message: String) -> wasmtime::Result<bool> {
        let invocation = self.invocation();
        let line = invocation.hold(session::line(&message))?;
        Ok(invocation.exchange.send(session, line).is_ok())
    }

    fn hang_up(&mut self, session: u32) -> wasmtime::Result<()> {
        self.invocation().exchange.hang_up(session);
        Ok(())
    }

    fn enter(&mut self, number: u32) -> wasmtime::Result<()> {
        self.script()?.events.enter(number);
        Ok(())
    }

    fn finish(&mut self, number: u32, reusable: bool) -> wasmtime::Result<()> {
        let script = self.script()?;
        script.events.finish(number, reusable, &self.memory);
        if let Some(object) = &script.object {
            object.ran(&self.memory);
        }
        Ok(())
    }

    fn next_event(&mut self) -> wasmtime::Result<Option<String>> {
        let script = self.script()?;
        let next = script.events.next();
        if let (Some(object), Some(_)) = (&script.object, &next) {
            object.runs();
        }
        Ok(next)
    }

    fn object_id(&mut self, class: String, name: Option<String>) -> wasmtime::Result<String> {
        Ok(object::id(&class, name.as_deref()))
    }

    async fn storage(&mut self, request: String) -> wasmtime::Result<String> {
        let invocation = self.invocation();
        Ok(match &self.script()?.object {
            Some(object) => {
                storage::answer(&*self.channels, &invocation, object.key(), &request).await
            }
            None => String::new(),
        })
    }

    async fn write_data_point(
        &mut self,
        binding: String,
        point: String,
    ) -> wasmtime::Result<Result<(), String>> {
        Ok(match serde_json::from_str::<PointJson>(&point) {
            Ok(point) => analytics::write(&self.invocation(), &binding, point.into()).await,
            Err(error) => Err(format!("the data point is malformed: {error}")),
        })
    }

    fn frames(&mut self, stack: String, limit: u32) -> wasmtime::Result<String> {
        Ok(self.script()?.source.frames(&stack, limit as usize))
    }

    fn source_text(&mut self, text: String) -> wasmtime::Result<String> {
        Ok(self.script()?.source.original_text(text))
    }
}
