//! Formats a span as a line.

use crate::terminal::line;
use anstyle::{AnsiColor, Style};
use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use taffrail_trace::{AttributeValue, Outcome, Span};

const STRONG: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// The characters of a text in an attribute that are shown.
const SHOWN: usize = 100;

/// Displays a span: its name, how long it took, how it ended unless well, and its attributes.
pub(super) struct PrettySpan<'a>(pub(super) &'a Span);

impl Display for PrettySpan<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let span = self.0;
        let ms = span.end.saturating_sub(span.start) as f64 / 1000.0;
        write!(f, "{STRONG}{}{STRONG:#} {ms:.1} ms", line(&span.name))?;
        if span.outcome != Outcome::Ok {
            write!(f, " - {RED}{}{RED:#}", span.outcome)?;
        }
        for attribute in &span.attributes {
            let (name, value) = (line(&attribute.name), shown(&attribute.value));
            write!(f, " {DIM}{name}={value}{DIM:#}")?;
        }
        writeln!(f)
    }
}

fn shown(value: &AttributeValue) -> String {
    let text = match value {
        AttributeValue::Text(text) => Cow::Borrowed(text.as_str()),
        AttributeValue::Integer(number) => number.to_string().into(),
        AttributeValue::Number(number) => number.to_string().into(),
        AttributeValue::Boolean(boolean) => boolean.to_string().into(),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", line(&text[..end])),
        None => line(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_trace::{Attribute, SpanId};

    #[test]
    fn a_span_is_one_line_without_control_characters() {
        let span = Span {
            span_id: SpanId::new(2),
            parent_span_id: SpanId::new(1),
            name: "fetch\n\u{1b}[2J".into(),
            start: 1_000,
            end: 3_540,
            outcome: Outcome::Exception,
            attributes: vec![
                Attribute::new("n", 404_i64),
                Attribute::new("url", "é\n".repeat(80)),
            ],
        };
        let shown = PrettySpan(&span).to_string();
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let cut = "é\\n".repeat(50);
        assert_eq!(
            shown,
            format!("fetch\\n\\u{{1b}}[2J 2.5 ms - exception n=404 url={cut}…\n")
        );
    }
}
