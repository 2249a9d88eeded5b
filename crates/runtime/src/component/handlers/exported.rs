//! The types of a component's exports.

use crate::instance::state::State;
use wasmtime::component::types::{self, ComponentItem};
use wasmtime::component::{ComponentNamedList, InstancePre, Lift, Linker, Lower};

/// The exports of a component whose imports are resolved.
pub(in crate::component) struct Exported<'a> {
    pub(super) pre: &'a InstancePre<State>,
    /// With the resources that the linker provides.
    ty: types::Component,
}

impl<'a> Exported<'a> {
    /// `linker` is the one that resolved the imports.
    pub(in crate::component) fn new(
        linker: &Linker<State>,
        pre: &'a InstancePre<State>,
    ) -> wasmtime::Result<Self> {
        let ty = linker.substituted_component_type(pre.component())?;
        Ok(Self { pre, ty })
    }

    /// Fails if the function `name` of the interface `export` has other types. Otherwise that
    /// would be found only when it is called.
    pub(super) fn check<Params, Results>(&self, export: &str, name: &str) -> wasmtime::Result<()>
    where
        Params: ComponentNamedList + Lower,
        Results: ComponentNamedList + Lift,
    {
        let engine = self.pre.engine();
        let interface = self.ty.get_export(engine, export).map(|export| export.ty);
        let Some(ComponentItem::ComponentInstance(interface)) = interface else {
            return Ok(());
        };
        let function = interface.get_export(engine, name).map(|export| export.ty);
        let Some(ComponentItem::ComponentFunc(function)) = function else {
            return Ok(());
        };
        let checked = function.typecheck::<Params, Results>(&self.ty.instance_type());
        checked.map_err(|error| error.context(format!("`{export}` has another `{name}`")))
    }
}
