//! From text to a statement.

use crate::error::Error;
use crate::format::Format;
use crate::rules::Rules;
use sqlparser::ast::{self, FormatClause, Query};
use sqlparser::dialect::ClickHouseDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// Parentheses, brackets and `CASE`s that may be inside each other. The parser has a limit
/// of its own, which depends on what is inside what.
const NESTING: usize = 32;

/// What is asked for.
pub(crate) enum Statement {
    Select(Box<Query>),
    ShowTables,
    ShowTimeZones,
    ShowTimeZone,
}

/// A statement, and the format that its `FORMAT` names.
pub(crate) struct Parsed {
    pub(crate) statement: Statement,
    pub(crate) format: Option<Format>,
}

/// Parses a text of one statement.
pub(crate) fn parse(text: &str, rules: &Rules) -> Result<Parsed, Error> {
    if text.len() > rules.bytes {
        return Err(Error::invalid(format!(
            "the query has {} bytes; it may have {}",
            text.len(),
            rules.bytes
        )));
    }
    let tokens = Tokenizer::new(&ClickHouseDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| Error::at(error.message, error.location))?;
    let tokens: Vec<_> = tokens.into_iter().filter(|token| !is_space(token)).collect();
    check_nesting(&tokens)?;
    if let Some(statement) = show(&tokens)? {
        return Ok(statement);
    }
    let end = tokens.last().map_or(Location::new(1, 1), |token| token.span.end);
    let mut parser = Parser::new(&ClickHouseDialect {}).with_tokens_with_locations(tokens);
    let mut statements = parser
        .parse_statements()
        .map_err(|error| mistake(error, end))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(ast::Statement::Query(mut query)), true) => {
            let format = query.format_clause.take();
            Ok(Parsed {
                statement: Statement::Select(query),
                format: format.map(|clause| format_of(&clause)).transpose()?,
            })
        }
        (None, _) => Err(Error::invalid("the query is empty")),
        (Some(_), true) => Err(Error::at(
            "only SELECT, SHOW TABLES, SHOW TIMEZONES and SHOW TIMEZONE are supported",
            Location::new(1, 1),
        )),
        (Some(_), false) => Err(Error::invalid("there may be one statement only")),
    }
}

fn is_space(token: &TokenWithSpan) -> bool {
    matches!(token.token, Token::Whitespace(_))
}

/// Refuses what is nested deeper than the parser should go.
fn check_nesting(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let mut depth = 0_usize;
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING {
            let message = format!("more than {NESTING} parentheses are inside each other");
            return Err(Error::at(message, token.span.start));
        }
    }
    Ok(())
}

/// `SHOW …`, which the parser knows without `FORMAT` at best.
fn show(tokens: &[TokenWithSpan]) -> Result<Option<Parsed>, Error> {
    let words: Vec<_> = tokens
        .iter()
        .filter(|token| !matches!(token.token, Token::SemiColon | Token::EOF))
        .collect();
    let word = |index: usize| match words.get(index).map(|token| &token.token) {
        Some(Token::Word(word)) => word.value.to_ascii_lowercase(),
        _ => String::new(),
    };
    if word(0) != "show" {
        return Ok(None);
    }
    let statement = match word(1).as_str() {
        "tables" => Statement::ShowTables,
        "timezones" => Statement::ShowTimeZones,
        "timezone" => Statement::ShowTimeZone,
        _ => {
            let at = words.get(1).map_or(Span::empty(), |token| token.span);
            let message = "SHOW TABLES, SHOW TIMEZONES and SHOW TIMEZONE are supported";
            return Err(Error::at(message, at.start));
        }
    };
    let format = match (word(2).as_str(), words.get(3), words.len()) {
        (_, _, 2) => None,
        ("format", Some(name), 4) => match &name.token {
            Token::Word(word) => Some(named(&word.value, name.span.start)?),
            _ => return Err(Error::at("a format has a name", name.span.start)),
        },
        _ => {
            let message = "FORMAT and its name may follow, and nothing else";
            return Err(Error::at(message, words[2].span.start));
        }
    };
    Ok(Some(Parsed { statement, format }))
}

fn format_of(clause: &FormatClause) -> Result<Format, Error> {
    match clause {
        FormatClause::Identifier(name) => named(&name.value, name.span.start),
        FormatClause::Null => Err(Error::invalid(unknown_format(&Keyword::NULL))),
    }
}

fn named(name: &str, at: Location) -> Result<Format, Error> {
    Format::named(name).ok_or_else(|| Error::at(unknown_format(&name), at))
}

fn unknown_format(name: &dyn std::fmt::Debug) -> String {
    format!("there is no format {name:?}; there are JSON, JSONEachRow and TabSeparated")
}

/// Says what the parser says, with the place, which it has only in its text.
fn mistake(error: ParserError, end: Location) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::invalid("the query is nested too deeply");
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let place = |text: &str| -> Option<(String, Location)> {
        let (message, place) = text.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let at = Location::new(line.parse().ok()?, column.parse().ok()?);
        Some((message.to_owned(), at))
    };
    let (message, at) = place(&text).unwrap_or((text.replace("EOF", "the end"), end));
    let message = match message.split_once(", found: ") {
        Some((expected, found)) => {
            let expected = expected.trim_start_matches("Expected: ");
            format!("{expected} is expected here, not `{found}`")
        }
        None => message,
    };
    Error::at(message, at)
}
