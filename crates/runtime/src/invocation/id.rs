//! Identities of invocations.

use std::fmt;

/// The unique identity of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvocationId(u128);

impl InvocationId {
    pub(crate) fn new() -> Self {
        Self(rand::random())
    }
}

/// Formats as 32 hexadecimal digits.
impl fmt::Display for InvocationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
