//! What is asked.

use crate::rules::{Limits, Rules};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// A query.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The text.
    pub sql: &'a str,
    /// The values of `$1`, `$2` and of `$name`.
    pub params: Params,
    /// What `now()` is.
    pub now: Timestamp,
    /// What the text may consist of.
    pub rules: Rules,
    /// What it may use.
    pub limits: Limits,
}

/// The values of parameters: strings, numbers, Booleans and null. In JSON they are null, a list or
/// an object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Params {
    /// There are none.
    #[default]
    None,
    /// Those of `$1`, `$2` and so on.
    Numbered(Vec<Json>),
    /// Those of `$name`.
    Named(Map<String, Json>),
}
