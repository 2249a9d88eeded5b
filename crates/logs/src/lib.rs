//! Keeps trace items in files, and finds them.

mod expression;
mod row;

pub use expression::{Expression, SyntaxError};
