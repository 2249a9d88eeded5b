//! Writes items to stdout.

use crate::args::LogFormat;
use crate::items::json_line;
use crate::logs::span::PrettySpan;
use crate::pretty::Pretty;
use anstream::AutoStream;
use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{Stdout, Write, stdout};
use taffrail_logs::{Part, Row, event_type, level_name, status};
use taffrail_trace::{Span, TraceItem};

/// The columns of items in CSV.
const COLUMNS: [&str; 11] = [
    "time",
    "worker",
    "event",
    "type",
    "level",
    "message",
    "outcome",
    "status",
    "cpuTimeMs",
    "wallTimeMs",
    "invocationId",
];

/// Writes items in a format.
pub(super) struct Show {
    format: LogFormat,
    zone: TimeZone,
    out: AutoStream<Stdout>,
}

impl Show {
    pub(super) fn new(format: LogFormat) -> Result<Self> {
        let mut show = Self {
            format,
            zone: TimeZone::system(),
            out: AutoStream::auto(stdout()),
        };
        if format == LogFormat::Csv {
            show.rows([COLUMNS.map(ToOwned::to_owned)])?;
        }
        Ok(show)
    }

    pub(super) fn item(&mut self, item: &TraceItem) -> Result<()> {
        match self.format {
            LogFormat::Pretty => {
                let zone = &self.zone;
                write!(self.out, "{}", Pretty { item, zone })
            }
            LogFormat::Json => json_line(&mut self.out, item),
            LogFormat::Csv => return self.rows(Row::all(item).map(|row| cells(item, &row))),
        }
        .and_then(|()| self.out.flush())
        .context("cannot write to stdout")
    }

    /// Writes an item below what caused it.
    pub(super) fn nested(&mut self, item: &TraceItem, depth: usize) -> Result<()> {
        if self.format != LogFormat::Pretty || depth == 0 {
            return self.item(item);
        }
        let zone = &self.zone;
        let text = Pretty { item, zone }.to_string();
        self.branch(&text, depth)
    }

    /// Writes a span below what it is a part of. Only people are shown it: in other formats it is a
    /// part of its item.
    pub(super) fn span(&mut self, span: &Span, depth: usize) -> Result<()> {
        match self.format {
            LogFormat::Pretty => self.branch(&PrettySpan(span).to_string(), depth),
            LogFormat::Json | LogFormat::Csv => Ok(()),
        }
    }

    fn branch(&mut self, text: &str, depth: usize) -> Result<()> {
        let indent = "  ".repeat(depth.saturating_sub(1));
        for (number, line) in text.lines().enumerate() {
            let branch = if number == 0 { "└ " } else { "  " };
            writeln!(self.out, "{indent}{branch}{line}").context("cannot write to stdout")?;
        }
        Ok(())
    }

    fn rows(&mut self, rows: impl IntoIterator<Item = [String; 11]>) -> Result<()> {
        let mut csv = csv::Writer::from_writer(&mut self.out);
        rows.into_iter()
            .try_for_each(|row| csv.write_record(row))
            .and_then(|()| Ok(csv.flush()?))
            .context("cannot write to stdout")
    }
}

fn cells(item: &TraceItem, row: &Row<'_>) -> [String; 11] {
    let is_invocation = matches!(row.part, Part::Invocation);
    let of_invocation = |text: String| if is_invocation { text } else { String::new() };
    let time = row.timestamp().and_then(|ms| {
        let time = Timestamp::from_millisecond(i64::try_from(ms).ok()?);
        Some(time.ok()?.to_string())
    });
    let kind = match row.part {
        Part::Invocation => "invocation",
        Part::Log(_) => "log",
        Part::Exception(_) => "exception",
    };
    [
        time.unwrap_or_default(),
        item.script.script_name.clone().unwrap_or_default(),
        event_type(item).to_owned(),
        kind.to_owned(),
        level_name(row.level()).to_owned(),
        row.message().into_owned(),
        of_invocation(item.outcome.to_string()),
        of_invocation(
            status(item)
                .map(|status| status.to_string())
                .unwrap_or_default(),
        ),
        of_invocation(milliseconds(item.cpu_time)),
        of_invocation(milliseconds(item.wall_time)),
        item.invocation_id.clone(),
    ]
}

fn milliseconds(time: std::time::Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1000.0)
}
