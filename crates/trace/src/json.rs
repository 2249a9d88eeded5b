//! JSON as it is, unparsed.

use serde_json::value::RawValue;

/// JSON text that is known to be valid.
pub type Json = Box<RawValue>;
