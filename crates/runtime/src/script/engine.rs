//! The component that runs scripts.

use crate::component::Names;
use crate::component::linked::{Library, Linked};
use crate::error::Error;
use crate::interfaces::add_common_to_linker;
use crate::script::state::IsolateState;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

pub(super) use generated::Engine as Guest;
pub(super) use generated::taffrail::javascript::host;

mod generated {
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
}

/// A compiled JavaScript engine, which can run any number of [scripts](crate::Script).
pub struct ScriptEngine {
    pub(super) linked: Linked<IsolateState>,
    pub(super) pre: generated::EnginePre<IsolateState>,
}

impl ScriptEngine {
    pub(crate) fn compile(
        names: &Names,
        library: &Library<IsolateState>,
        bytes: &[u8],
    ) -> Result<Self, Error> {
        if !names.is_engine() {
            return Err(Error::component("it is not an engine that runs scripts"));
        }
        let linked = library.load(names, bytes)?;
        let pre = generated::EnginePre::new(linked.pre().clone()).map_err(|error| {
            Error::component(format!(
                "it is not an engine of this version of Taffrail: {error:#}. Build it again"
            ))
        })?;
        Ok(Self { linked, pre })
    }
}

/// Creates a linker with everything that an engine may import: fewer interfaces than a component
/// may import, plus those of the script host.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<IsolateState>> {
    let mut linker = Linker::new(engine);
    add_common_to_linker(&mut linker, |isolate: &mut IsolateState| &mut isolate.state)?;
    host::add_to_linker::<_, HasSelf<IsolateState>>(&mut linker, |isolate| isolate)?;
    Ok(linker)
}
