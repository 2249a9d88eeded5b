//! `wasi:logging`.

use crate::instance::state::State;
use generated::wasi::logging::logging;
use serde_json::value::to_raw_value;
use taffrail_trace::LogLevel;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import wasi:logging/logging@0.1.0-draft;",
        path: "../../wit",
        imports: { default: trappable },
    });
}

/// The name that guests import which were built before the interface had a version.
const UNVERSIONED: &str = "wasi:logging/logging";

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    logging::add_to_linker::<_, HasSelf<State>>(linker, state)?;
    let mut unversioned = linker.instance(UNVERSIONED)?;
    unversioned.func_wrap("log", move |mut store, (level, context, message)| {
        logging::Host::log(state(store.data_mut()), level, context, message)
    })
}

impl logging::Host for State {
    fn log(
        &mut self,
        level: logging::Level,
        context: String,
        message: String,
    ) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Trace | logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error | logging::Level::Critical => LogLevel::Error,
        };
        let texts = if context.is_empty() {
            vec![message]
        } else {
            vec![context, message]
        };
        let invocation = self.invocation();
        if !invocation.refuses_log(&texts) {
            let arguments = texts.iter().map(to_raw_value).collect::<Result<_, _>>()?;
            invocation.log(level, arguments, None);
        }
        Ok(())
    }
}
