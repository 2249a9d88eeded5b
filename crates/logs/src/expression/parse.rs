//! The syntax of expressions.

use crate::expression::field::{Field, Value};
use crate::expression::{Node, Operator};
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, InTarget, Spanned, UnaryOperator, Value as Literal,
};
use sqlparser::dialect::Dialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};
use std::borrow::Cow;
use std::fmt;

/// The longest expression.
const MAX_BYTES: usize = 10 << 10;

/// An expression cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// What is wrong, as a sentence without a period.
    pub message: String,
    /// The column of the mistake, in characters from 1.
    pub column: usize,
    text: String,
}

/// The message, the expression, and a caret below the column.
impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message,
            column,
            text,
        } = self;
        writeln!(f, "column {column}: {message}")?;
        writeln!(f, "  {}", text.replace(['\n', '\r', '\t'], " "))?;
        write!(f, "  {:>column$}", '^')
    }
}

impl std::error::Error for SyntaxError {}

/// SQL in which text may have double quotes, and names have backquotes.
#[derive(Debug)]
struct Quotes;

impl Dialect for Quotes {
    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '`'
    }

    fn is_identifier_start(&self, character: char) -> bool {
        character.is_alphabetic() || character == '_' || character == '$'
    }

    fn is_identifier_part(&self, character: char) -> bool {
        self.is_identifier_start(character) || character.is_alphanumeric()
    }
}

pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let error = |message: &str, column: usize| SyntaxError {
        message: message.to_owned(),
        column: column.clamp(1, text.chars().count() + 1),
        text: text.to_owned(),
    };
    if text.len() > MAX_BYTES {
        return Err(error("an expression has at most 10 KiB", 1));
    }
    let end = text.chars().count() + 1;
    let failed = |found: ParserError| {
        let (message, column) = located(&found, end);
        error(&message, column)
    };
    let tokens = Tokenizer::new(&Quotes, text)
        .tokenize_with_location()
        .map_err(|found| error(&lower(&found.message), columns(text, found.location)))?;
    let mut parser = Parser::new(&Quotes).with_tokens_with_locations(tokens);
    let expression = parser.parse_expr().map_err(failed)?;
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("expected `and`, `or` or the end, found `{}`", next.token);
        return Err(error(&message, columns(text, next.span.start)));
    }
    node(&expression).map_err(|Unsupported { message, start }| {
        error(&message, start.map_or(1, |start| columns(text, start)))
    })
}

/// Returns the column of a place, counted over all lines.
fn columns(text: &str, place: sqlparser::tokenizer::Location) -> usize {
    let (line, column) = (place.line as usize, place.column as usize);
    let before: usize = text
        .lines()
        .take(line.saturating_sub(1))
        .map(|line| line.chars().count() + 1)
        .sum();
    before + column
}

/// Separates the place from an error of the parser, whose message ends with it.
fn located(error: &ParserError, end: usize) -> (String, usize) {
    let message = match error {
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return ("the expression is nested too deeply".to_owned(), 1);
        }
    };
    let (message, column) = match message.split_once(" at Line: ") {
        Some((message, place)) => {
            let column = place.rsplit(' ').next().and_then(|last| last.parse().ok());
            (message, column.unwrap_or(end))
        }
        None => (message.as_str(), end),
    };
    let message = message
        .replace("Expected: ", "expected ")
        .replace("found: EOF", "found the end")
        .replace("found: ", "found ");
    (message, column)
}

fn lower(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}

/// SQL that is no expression on items.
struct Unsupported {
    message: String,
    start: Option<sqlparser::tokenizer::Location>,
}

fn unsupported(message: impl Into<String>, at: &Expr) -> Unsupported {
    let start = at.span().start;
    Unsupported {
        message: message.into(),
        start: (start.line > 0).then_some(start),
    }
}

type Parsed<T> = Result<T, Unsupported>;

fn node(expression: &Expr) -> Parsed<Node> {
    match expression {
        Expr::Nested(inner) => node(inner),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => Ok(Node::Is(field(expression)?)),
        Expr::UnaryOp {
            op: UnaryOperator::Not,
            expr,
        } => Ok(Node::Not(Box::new(node(expr)?))),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::And => Ok(Node::And(Box::new(node(left)?), Box::new(node(right)?))),
            BinaryOperator::Or => Ok(Node::Or(Box::new(node(left)?), Box::new(node(right)?))),
            _ => comparison(left, operator(op, expression)?, right),
        },
        Expr::IsNull(expr) => Ok(Node::IsNull(field(expr)?)),
        Expr::IsNotNull(expr) => Ok(Node::Not(Box::new(Node::IsNull(field(expr)?)))),
        Expr::In {
            expr,
            target: InTarget::List(list),
            negated,
            ..
        } => {
            let field = field(expr)?;
            let equals = list
                .iter()
                .map(|item| Ok(Node::Compare(field.clone(), Operator::Equal, value(item)?)));
            let any = equals
                .reduce(|a, b| Ok(Node::Or(Box::new(a?), Box::new(b?))))
                .unwrap_or_else(|| Err(unsupported("`in` needs a value", expr)))?;
            Ok(negate(any, *negated))
        }
        Expr::Between {
            expr,
            negated,
            low,
            high,
        } => {
            let from = Node::Compare(field(expr)?, Operator::GreaterOrEqual, value(low)?);
            let to = Node::Compare(field(expr)?, Operator::LessOrEqual, value(high)?);
            Ok(negate(Node::And(Box::new(from), Box::new(to)), *negated))
        }
        Expr::Like {
            negated,
            expr,
            pattern,
            ..
        } => like(expr, pattern, false).map(|node| negate(node, *negated)),
        Expr::ILike {
            negated,
            expr,
            pattern,
            ..
        } => like(expr, pattern, true).map(|node| negate(node, *negated)),
        other => Err(unsupported(
            format!("expected a comparison such as `outcome != \"ok\"`, found `{other}`"),
            other,
        )),
    }
}

fn negate(node: Node, negated: bool) -> Node {
    if negated {
        Node::Not(Box::new(node))
    } else {
        node
    }
}

fn operator(operator: &BinaryOperator, at: &Expr) -> Parsed<Operator> {
    Ok(match operator {
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessOrEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterOrEqual,
        other => {
            let message = format!("`{other}` is not supported; compare with = != < <= > >=");
            return Err(unsupported(message, at));
        }
    })
}

/// One side is a field, and the other one a value.
fn comparison(left: &Expr, operator: Operator, right: &Expr) -> Parsed<Node> {
    if value(left).is_ok() {
        let field = field(right)?;
        return Ok(Node::Compare(field, operator.mirrored(), value(left)?));
    }
    Ok(Node::Compare(field(left)?, operator, value(right)?))
}

fn like(field_of: &Expr, pattern: &Expr, ignore_case: bool) -> Parsed<Node> {
    let Value::Text(text) = value(pattern)? else {
        return Err(unsupported("the pattern has to be text", pattern));
    };
    Ok(Node::Like {
        field: field(field_of)?,
        pattern: text.into_owned(),
        ignore_case,
    })
}

fn field(expression: &Expr) -> Parsed<Field> {
    let path: Vec<&Ident> = match expression {
        Expr::Identifier(name) => vec![name],
        Expr::CompoundIdentifier(names) => names.iter().collect(),
        Expr::Nested(inner) => return field(inner),
        other => {
            let message = format!("expected the name of a field, found `{other}`");
            return Err(unsupported(message, other));
        }
    };
    Ok(Field::new(
        path.into_iter().map(|name| name.value.clone()).collect(),
    ))
}

fn value(expression: &Expr) -> Parsed<Value<'static>> {
    let text = |text: &String| Value::Text(Cow::Owned(text.clone()));
    match expression {
        Expr::Nested(inner) => value(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => match value(expr)? {
            Value::Number(number) => Ok(Value::Number(-number)),
            _ => Err(unsupported("`-` needs a number", expr)),
        },
        Expr::Value(literal) => match &literal.value {
            Literal::Number(number, _) => number
                .parse()
                .map(Value::Number)
                .map_err(|_| unsupported(format!("`{number}` is not a number"), expression)),
            Literal::SingleQuotedString(string) | Literal::DoubleQuotedString(string) => {
                Ok(text(string))
            }
            Literal::Boolean(value) => Ok(Value::Boolean(*value)),
            other => Err(unsupported(
                format!("expected text, a number, true or false, found `{other}`"),
                expression,
            )),
        },
        other => Err(unsupported(
            format!("expected text, a number, true or false, found `{other}`; text is in quotes"),
            other,
        )),
    }
}
