//! The interfaces that a guest may import. Only modules in here know the WIT.

pub(crate) mod analytics;
pub(crate) mod bindings;
pub(crate) mod convert;
pub(crate) mod dynamic;
pub(crate) mod host;
pub(crate) mod keyvalue;
