//! `taffrail:workers/console`.

use crate::instance::state::State;
use crate::interfaces::types::types;
use generated::taffrail::workers::console;
use serde_json::value::{RawValue, to_raw_value};
use taffrail_trace::{ErrorInfo, Json, LogLevel};
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import taffrail:workers/console@0.2.0;",
        path: "../../wit",
        imports: { default: trappable },
        with: {
            "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
        },
    });
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    console::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl console::Host for State {
    fn log(&mut self, level: types::LogLevel, message: Vec<String>) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        if !invocation.refuses_log(&message) {
            invocation.log(log_level(level), arguments(message)?, None);
        }
        Ok(())
    }

    fn log_errors(
        &mut self,
        level: types::LogLevel,
        message: Vec<String>,
        error_info: Vec<Option<types::ErrorInfo>>,
    ) -> wasmtime::Result<()> {
        let invocation = self.invocation();
        if !invocation.refuses_log(&message) {
            let errors = error_info
                .into_iter()
                .map(|slot| slot.map(traced))
                .collect();
            invocation.log(log_level(level), arguments(message)?, Some(errors));
        }
        Ok(())
    }
}

fn arguments(message: Vec<String>) -> serde_json::Result<Vec<Json>> {
    message.into_iter().map(json_or_string).collect()
}

/// Returns `text` if it is JSON, and otherwise as a JSON string.
pub(super) fn json_or_string(text: String) -> serde_json::Result<Json> {
    match RawValue::from_string(text.clone()) {
        Ok(json) if json.get().contains(['\n', '\r']) => {
            // An item must fit on one line. Outside of tokens, JSON permits spaces in place of
            // line breaks.
            RawValue::from_string(text.replace(['\n', '\r'], " "))
        }
        Ok(json) => Ok(json),
        Err(_) => to_raw_value(&text),
    }
}

fn log_level(level: types::LogLevel) -> LogLevel {
    match level {
        types::LogLevel::Debug => LogLevel::Debug,
        types::LogLevel::Info => LogLevel::Info,
        types::LogLevel::Log => LogLevel::Log,
        types::LogLevel::Warn => LogLevel::Warn,
        types::LogLevel::Error => LogLevel::Error,
    }
}

fn traced(error: types::ErrorInfo) -> ErrorInfo {
    ErrorInfo {
        name: error.name,
        message: error.message,
        stack: error.stack,
    }
}
