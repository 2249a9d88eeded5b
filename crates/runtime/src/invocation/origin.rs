//! Where an event comes from.

use crate::delivery::ItemBatch;
use crate::invocation::id::InvocationId;
use crate::invocation::session;
use crate::settings::egress::Egress;
use crate::settings::{Limits, ObjectId, Target};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The way by which an event comes to a Worker.
#[derive(Clone, Default)]
pub(crate) struct Origin {
    /// How the caller refers to the Worker, if another Worker is the caller.
    pub(crate) target: Option<Arc<Target>>,
    /// The invocation that called.
    pub(crate) parent: Option<Parent>,
    /// How many calls and tails led here, one after the other.
    pub(crate) depth: u32,
    /// How many of these a client merely says that there were. They do not count
    /// for the tails: a client must not keep its items from them.
    pub(crate) claimed: u32,
    /// Where what is recorded goes as it happens, too.
    pub(crate) live: Option<session::Sender>,
    /// What a dispatcher has decided for it.
    pub(crate) dispatch_options: Option<DispatchOptions>,
    /// What it has in its `env` as an outbound Worker.
    pub(crate) parameters: Option<Arc<Map<String, Value>>>,
}

/// An invocation that called another Worker.
#[derive(Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) invocation: InvocationId,
    /// The invocation with which the request began.
    pub(crate) request: InvocationId,
}

impl Origin {
    pub(crate) fn entrypoint(&self) -> Option<&str> {
        self.target.as_ref()?.entrypoint.as_deref()
    }

    /// The Durable Object that is called, if it is one.
    pub(crate) fn object(&self) -> Option<&ObjectId> {
        self.target.as_ref()?.object.as_ref()
    }
}

/// What a dispatcher decides for one call of a user Worker.
#[derive(Clone)]
pub(crate) struct DispatchOptions {
    pub(crate) limits: Limits,
    pub(crate) egress: Option<Egress>,
    /// What an outbound Worker has in its `env` for it.
    pub(crate) parameters: Arc<Map<String, Value>>,
    /// Where its item goes, beside its own tails.
    pub(crate) batch: Arc<ItemBatch>,
}
