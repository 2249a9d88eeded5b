//! From errors to exceptions.

use crate::bindings::taffrail::workers::exceptions::Failure;
use std::any::type_name;
use std::error::Error;

/// Returns an error as the exception that stands for it: with the name of its type, and its sources
/// in the message.
pub(crate) fn failure<E: Into<Box<dyn Error>>>(error: E) -> Failure {
    Failure {
        name: name::<E>().to_owned(),
        message: message(&*error.into()),
        stack: None,
    }
}

/// Returns the name of a type of errors, or `Error` for a box or a text.
fn name<E>() -> &'static str {
    let path = type_name::<E>();
    let name = path.rsplit("::").next().unwrap_or(path);
    let is_plain = name.chars().all(char::is_alphanumeric) && name != "String";
    if is_plain { name } else { "Error" }
}

/// Returns the messages of an error and of its sources.
pub(crate) fn message(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_has_the_name_of_the_type_and_the_messages_of_the_sources() {
        let parsed = "x".parse::<u8>().unwrap_err();
        let told = |failure: Failure| (failure.name, failure.message);
        let invalid = "invalid digit found in string";
        assert_eq!(
            told(failure(parsed.clone())),
            ("ParseIntError".to_owned(), invalid.to_owned())
        );
        let in_context = Err::<(), _>(parsed).context("the order").unwrap_err();
        let expected = ("Error".to_owned(), format!("the order: {invalid}"));
        assert_eq!(told(failure(in_context)), expected);
        let boxed: Box<dyn Error> = "no".into();
        assert_eq!(told(failure(boxed)), ("Error".to_owned(), "no".to_owned()));
        assert_eq!(told(failure("no")), ("Error".to_owned(), "no".to_owned()));
    }
}
