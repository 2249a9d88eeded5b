//! The engine component that runs scripts, and what it asks of its host.

use crate::instance::state::State;
use wasmtime::component::{HasSelf, Linker};

wasmtime::component::bindgen!({
    inline: "
        package taffrail:host;
        world engine {
            import taffrail:javascript/host@0.1.0;
            export taffrail:javascript/script@0.1.0;
        }
    ",
    path: ["../../wit", "../javascript/engine/wit"],
    imports: {
        "taffrail:javascript/host.storage": async | trappable,
        "taffrail:javascript/host.write-data-point": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "taffrail:workers/types": crate::interfaces::types::generated::taffrail::workers::types,
    },
});

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    taffrail::javascript::host::add_to_linker::<_, HasSelf<State>>(linker, state)
}
