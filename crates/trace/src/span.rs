//! Spans: the operations of an invocation, and their places in a trace.

use crate::attribute::AttributeValue;
use crate::outcome::Outcome;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Microseconds since 1970-01-01T00:00:00Z.
pub type EpochUs = u64;

/// The longest text of an attribute, in bytes. A longer one is cut.
pub const MAX_ATTRIBUTE_BYTES: usize = 4096;

/// The longest name of a span or of an attribute, in bytes. A longer one is cut.
pub const MAX_SPAN_NAME_BYTES: usize = 1024;

/// The id of a trace, which all invocations of a request share. Not zero, as in W3C's Trace
/// Context. It is written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// The id of a span within a trace. Not zero, as in W3C's Trace Context. It is written as 16
/// hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl TraceId {
    /// Returns the id of these bits. Zero is no id, and becomes one.
    #[must_use]
    pub fn new(bits: u128) -> Self {
        Self(bits.max(1))
    }

    /// The 16 bytes of the id, the most significant one first.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Whether a trace is kept if this share of all traces is, from 0 to 1. The same for every
    /// process that decides by the id.
    #[must_use]
    pub fn is_sampled(self, share: f64) -> bool {
        // The rightmost 56 bits are random, by W3C's Trace Context. A float holds 53 of them.
        const BITS: u32 = 53;
        let random = (self.0 as u64) & ((1 << BITS) - 1);
        (random as f64) < share * (1_u64 << BITS) as f64
    }
}

impl SpanId {
    /// Returns the id of these bits. Zero is no id, and becomes one.
    #[must_use]
    pub fn new(bits: u64) -> Self {
        Self(bits.max(1))
    }

    /// The 8 bytes of the id, the most significant one first.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// The text is not an id: not hexadecimal digits of the right number, in lower case, or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoId;

impl fmt::Display for NoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not an id of a trace or a span")
    }
}

impl std::error::Error for NoId {}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl FromStr for TraceId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let bits = is_hexadecimal(text, 32).then(|| u128::from_str_radix(text, 16));
        match bits {
            Some(Ok(bits)) if bits != 0 => Ok(Self(bits)),
            _ => Err(NoId),
        }
    }
}

impl FromStr for SpanId {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let bits = is_hexadecimal(text, 16).then(|| u64::from_str_radix(text, 16));
        match bits {
            Some(Ok(bits)) if bits != 0 => Ok(Self(bits)),
            _ => Err(NoId),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for SpanId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TraceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for SpanId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A span as others refer to it. It is written as the value of W3C's header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace that it is part of.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// The bit of the flags of a `traceparent` that says that the trace is recorded.
const SAMPLED: u8 = 1;

impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trace_id,
            span_id,
            sampled,
        } = self;
        write!(f, "00-{trace_id}-{span_id}-{:02x}", u8::from(*sampled))
    }
}

/// Reads a `traceparent`. Later versions than 00 may have further fields, which are ignored.
impl FromStr for SpanContext {
    type Err = NoId;

    fn from_str(text: &str) -> Result<Self, NoId> {
        let mut fields = text.split('-');
        let mut field = || fields.next().ok_or(NoId);
        let (version, trace_id, span_id, flags) = (field()?, field()?, field()?, field()?);
        let has_more = fields.next().is_some();
        if !is_hexadecimal(version, 2) || version == "ff" || (version == "00" && has_more) {
            return Err(NoId);
        }
        if !is_hexadecimal(flags, 2) {
            return Err(NoId);
        }
        let flags = u8::from_str_radix(flags, 16).map_err(|_| NoId)?;
        Ok(Self {
            trace_id: trace_id.parse()?,
            span_id: span_id.parse()?,
            sampled: flags & SAMPLED != 0,
        })
    }
}

/// A name that is usually a constant.
pub type SpanName = Cow<'static, str>;

/// One operation of an invocation: a request, a call of another Worker, an access to a store, or
/// what the Worker itself calls a span.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Names the span within its trace.
    pub span_id: SpanId,
    /// The span that it is a part of, be it that of the invocation.
    pub parent_span_id: SpanId,
    /// What it does, such as `fetch` or `kv_get`.
    pub name: SpanName,
    /// When it began. In JSON it is in milliseconds since 1970, with a fraction.
    #[serde(with = "milliseconds", rename = "startTime")]
    pub start: EpochUs,
    /// When it ended, in JSON like the start.
    #[serde(with = "milliseconds", rename = "endTime")]
    pub end: EpochUs,
    /// How it ended: `ok`, `exception`, or `canceled` if the invocation ended first.
    pub outcome: Outcome,
    /// Facts about it, in the order in which they were set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// A fact about a span.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Attribute {
    /// Its name, such as `http.request.method`.
    pub name: SpanName,
    /// Its value.
    pub value: AttributeValue,
}

impl Attribute {
    /// A name that is longer than [`MAX_SPAN_NAME_BYTES`] is cut, and so is a text that is longer
    /// than [`MAX_ATTRIBUTE_BYTES`].
    #[must_use]
    pub fn new(name: impl Into<SpanName>, value: impl Into<AttributeValue>) -> Self {
        let mut value = value.into();
        if let AttributeValue::Text(text) = &mut value {
            cut(text, MAX_ATTRIBUTE_BYTES);
        }
        Self {
            name: span_name(name.into()),
            value,
        }
    }

    /// The approximate size in memory.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let text = match &self.value {
            AttributeValue::Text(text) => text.len(),
            AttributeValue::Integer(_) | AttributeValue::Number(_) | AttributeValue::Boolean(_) => {
                0
            }
        };
        size_of::<Self>() + self.name.len() + text
    }
}

/// Cuts a name that is longer than [`MAX_SPAN_NAME_BYTES`].
#[must_use]
pub fn span_name(mut name: SpanName) -> SpanName {
    if name.len() > MAX_SPAN_NAME_BYTES {
        cut(name.to_mut(), MAX_SPAN_NAME_BYTES);
    }
    name
}

/// Cuts a text between characters, and returns whether it was too long.
pub(crate) fn cut(text: &mut String, bytes: usize) -> bool {
    let is_longer = text.len() > bytes;
    if is_longer {
        text.truncate(text.floor_char_boundary(bytes));
        text.shrink_to_fit();
    }
    is_longer
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Cow<'_, str>> for AttributeValue {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(text.into_owned())
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// A number that is too large becomes the largest one.
impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<f64> for AttributeValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

mod milliseconds {
    use super::{Deserialize, Deserializer, EpochUs, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &EpochUs,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(*time as f64 / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<EpochUs, D::Error> {
        Ok((f64::deserialize(deserializer)? * 1000.0).round() as EpochUs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context: SpanContext = PARENT.parse().unwrap();
        assert!(context.sampled);
        assert_eq!(context.to_string(), PARENT);
        let later = "42-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-follows";
        assert!(!later.parse::<SpanContext>().unwrap().sampled);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-+1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bé-01",
        ] {
            assert_eq!(text.parse::<SpanContext>(), Err(NoId), "{text}");
        }
    }

    #[test]
    fn the_share_of_sampled_traces_is_decided_by_their_ids() {
        let first = TraceId::new(u128::from(u64::MAX));
        let last = TraceId::new(1);
        assert!(first.is_sampled(1.0) && last.is_sampled(1.0));
        assert!(!first.is_sampled(0.0) && !last.is_sampled(0.0));
        assert!(!first.is_sampled(0.5) && last.is_sampled(0.5));
    }

    #[test]
    fn long_names_and_texts_are_cut_between_characters() {
        let attribute = Attribute::new("n".repeat(2000), "é".repeat(1 << 20));
        assert_eq!(attribute.name.len(), MAX_SPAN_NAME_BYTES);
        assert_eq!(
            attribute.value,
            AttributeValue::Text("é".repeat(MAX_ATTRIBUTE_BYTES / 2))
        );
    }
}
