//! The values of attributes.

use serde::{Deserialize, Serialize, Serializer};

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(#[serde(serialize_with = "javascript_number")] f64),
    /// True or false.
    Boolean(bool),
}

/// Writes a whole number without a fraction, as `JSON.stringify` does.
fn javascript_number<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    if number.fract() == 0.0 && number.abs() <= MAX_SAFE_INTEGER {
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}
