//! From text to a statement.

use crate::answer::Format;
use crate::error::Error;
use crate::rules::Rules;
use sqlparser::ast::{self, Query};
use sqlparser::dialect::ClickHouseDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

/// Parentheses, brackets, `CASE`s and signs that may be inside each other.
const NESTING: usize = 32;

/// Calls of the parser by itself. Each of the above needs a few.
const RECURSION: usize = 200;

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
    let is_space = |token: &Token| matches!(token, Token::Whitespace(_) | Token::SemiColon);
    let mut tokens = tokens;
    let rest = tokens.iter().rposition(|token| !is_space(&token.token));
    tokens.truncate(rest.map_or(0, |last| last + 1));
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    check_nesting(&tokens)?;
    let format = take_format(&mut tokens)?;
    let statement = match show(&tokens)? {
        Some(statement) => statement,
        None => select(tokens)?,
    };
    Ok(Parsed { statement, format })
}

fn select(tokens: Vec<TokenWithSpan>) -> Result<Statement, Error> {
    let end = tokens
        .last()
        .map_or(Location::new(1, 1), |token| token.span.end);
    let mut parser = Parser::new(&ClickHouseDialect {})
        .with_recursion_limit(RECURSION)
        .with_tokens_with_locations(tokens);
    let mut statements = parser
        .parse_statements()
        .map_err(|error| mistake(error, end))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(ast::Statement::Query(query)), true) => Ok(Statement::Select(query)),
        (None, _) => Err(Error::invalid("the query is empty")),
        (Some(_), true) => Err(Error::at(
            "only SELECT, SHOW TABLES, SHOW TIMEZONES and SHOW TIMEZONE are supported",
            Location::new(1, 1),
        )),
        (Some(_), false) => Err(Error::invalid("there may be one statement only")),
    }
}

/// Removes `FORMAT name` from the end. The parser takes it for a name behind a value.
fn take_format(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<Format>, Error> {
    let [.., before, format, name] = &tokens[..] else {
        return Ok(None);
    };
    let is_word = |token: &TokenWithSpan, word: &str| match &token.token {
        Token::Word(found) => found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word),
        _ => false,
    };
    let Token::Word(word) = &name.token else {
        return Ok(None);
    };
    if !is_word(format, "format") || is_word(before, "as") || before.token == Token::Comma {
        return Ok(None);
    }
    let format = Format::named(&word.value).ok_or_else(|| {
        let message = format!(
            "there is no format `{}`; there are JSON, JSONEachRow and TabSeparated",
            word.value
        );
        Error::at(message, name.span.start)
    })?;
    tokens.truncate(tokens.len() - 2);
    Ok(Some(format))
}

/// Refuses what is nested deeper than the parser should go: it says too little about it.
fn check_nesting(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let (mut depth, mut operators) = (0_usize, 0);
    for token in tokens {
        let is = |word: &str| matches!(&token.token, Token::Word(found) if found.value.eq_ignore_ascii_case(word));
        match &token.token {
            Token::Minus | Token::Plus => operators += 1,
            _ if is("not") => operators += 1,
            _ => operators = 0,
        }
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            _ if is("case") => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ if is("end") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth + operators > NESTING {
            let message =
                format!("more than {NESTING} parentheses, CASEs and signs are inside each other");
            return Err(Error::at(message, token.span.start));
        }
    }
    Ok(())
}

/// `SHOW …`, which the parser knows in part.
fn show(tokens: &[TokenWithSpan]) -> Result<Option<Statement>, Error> {
    let word = |index: usize| match tokens.get(index).map(|token| &token.token) {
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
            let at = tokens.get(1).map_or(Span::empty(), |token| token.span);
            let message = "SHOW TABLES, SHOW TIMEZONES and SHOW TIMEZONE are supported";
            return Err(Error::at(message, at.start));
        }
    };
    match tokens.get(2) {
        None => Ok(Some(statement)),
        Some(token) => {
            let message = "FORMAT and its name may follow, and nothing else";
            Err(Error::at(message, token.span.start))
        }
    }
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
