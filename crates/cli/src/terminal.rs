//! Makes untrusted text safe for a terminal.
//!
//! Text from Workers, clients, configuration files and remotes may contain characters that
//! control a terminal: they move the cursor, colour or hide text, and write to the clipboard. All
//! such text goes through [`line()`] or [`lines`].

use anstyle::{AnsiColor, Style};
use std::fmt;
use std::io;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Returns a text as one line. Each character that controls a terminal is replaced with an escape
/// such as `\u{1b}`.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => line.push(character),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            _ if is_active(character) => line.extend(character.escape_unicode()),
            _ => line.push(character),
        }
    }
    line
}

/// Returns a text of several lines. All but the first are indented, so that none looks like a
/// line of Taffrail's own.
pub(crate) fn lines(text: &str, indent: &str) -> String {
    let lines: Vec<_> = text.lines().map(line).collect();
    lines.join(&format!("\n{indent}"))
}

/// Whether it is a control character, or one that reorders or hides the text around it.
fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A writer for a response body on a terminal, which escapes each line as [`line()`] does.
pub(crate) struct Readable<W> {
    out: W,
    /// The beginning of an incomplete character.
    rest: Vec<u8>,
}

impl<W> Readable<W> {
    pub(crate) fn new(out: W) -> Self {
        let rest = Vec::new();
        Self { out, rest }
    }
}

impl<W: io::Write> io::Write for Readable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Ok(_) | Err(_) => self.rest.len(),
        };
        let text: Vec<u8> = self.rest.drain(..whole).collect();
        let text = String::from_utf8_lossy(&text);
        for part in text.split_inclusive('\n') {
            match part.strip_suffix('\n') {
                Some(part) => writeln!(self.out, "{}", line(part))?,
                None => self.out.write_all(line(part).as_bytes())?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Formats Taffrail's own log, one line for each event.
pub(crate) struct LogLine;

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut text = String::new();
        context.format_fields(Writer::new(&mut text), event)?;
        let level = *event.metadata().level();
        let style = style(level);
        writeln!(writer, "{style}{level:>5}{style:#} {}", line(&text))
    }
}

fn style(level: Level) -> Style {
    let color = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    color.on_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_acts_upon_is_escaped() {
        for (text, shown) in [
            ("plain ü 日本 🦀\ttab", "plain ü 日本 🦀\ttab"),
            ("\u{1b}]52;c;aGk=\u{7}", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("a\rb\nc", "a\\rb\\nc"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("a\r\nb\n\u{8}c", "  "), "a\n  b\n  \\u{8}c");
    }

    #[test]
    fn a_body_on_a_terminal_is_text() {
        use io::Write as _;
        let mut out = Vec::new();
        let mut body = Readable::new(&mut out);
        for piece in [&b"a\x1b[2J\n\xc3"[..], b"\xbc b", b"\xff\n\n"] {
            body.write_all(piece).unwrap();
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a\\u{1b}[2J\nü b\u{fffd}\n\n"
        );
    }

    proptest! {
        #[test]
        fn no_text_does_anything_but_be_read(text in any::<String>()) {
            prop_assert!(!line(&text).chars().any(|c| c != '\t' && is_active(c)));
            let shown = lines(&text, "    ");
            for (number, line) in shown.split('\n').enumerate() {
                prop_assert!(number == 0 || line.starts_with("    "));
                prop_assert!(!line.chars().any(|c| c != '\t' && is_active(c)));
            }
        }
    }
}
