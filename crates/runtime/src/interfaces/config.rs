//! `wasi:config`: the vars of the Worker.

use crate::instance::state::State;
use generated::wasi::config::store;
use generated::wasi::config::store::Error;
use wasmtime::component::{HasSelf, Linker};

mod generated {
    wasmtime::component::bindgen!({
        interfaces: "import wasi:config/store@0.2.0-rc.1;",
        path: "../../wit",
        imports: { default: trappable },
    });
}

pub(super) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    store::add_to_linker::<_, HasSelf<State>>(linker, state)
}

impl store::Host for State {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let invocation = self.invocation();
        let mut vars = invocation.worker.settings.text_vars();
        let found = vars.find(|(name, _)| **name == key);
        Ok(Ok(found.map(|(_, value)| value.into_owned())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let invocation = self.invocation();
        let vars = invocation.worker.settings.text_vars();
        Ok(Ok(vars
            .map(|(name, value)| (name.clone(), value.into_owned()))
            .collect()))
    }
}
