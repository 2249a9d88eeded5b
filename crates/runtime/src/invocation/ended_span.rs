//! The end of a span, with its attributes.

use taffrail_trace::{Attribute, EpochUs, MAX_TRACE_BYTES, Outcome, SpanId};

/// The end of a span that is recorded later.
pub(super) struct Ended {
    pub(super) id: SpanId,
    pub(super) attributes: Attributes,
    pub(super) outcome: Outcome,
    pub(super) end: EpochUs,
}

/// The attributes of a span whose end is not recorded yet.
#[derive(Default)]
pub(super) struct Attributes {
    pub(super) attributes: Vec<Attribute>,
    pub(super) bytes: usize,
    pub(super) dropped: u64,
}

/// The most attributes of one span, which is the default of OpenTelemetry.
pub(crate) const MAX_ATTRIBUTES: usize = 128;

impl Attributes {
    /// Sets an attribute in place of an earlier one of that name. If there is no room for it, it
    /// is counted. `held` is what all such spans of the invocation hold.
    pub(super) fn set(&mut self, attribute: Attribute, held: &mut usize) {
        let bytes = attribute.held_bytes();
        if *held + bytes > MAX_TRACE_BYTES {
            self.dropped += 1;
            return;
        }
        let present = (self.attributes.iter()).position(|present| present.name == attribute.name);
        match present {
            Some(index) => self.attributes[index].value = attribute.value,
            None if self.attributes.len() < MAX_ATTRIBUTES => self.attributes.push(attribute),
            None => {
                self.dropped += 1;
                return;
            }
        }
        self.bytes += bytes;
        *held += bytes;
    }
}
