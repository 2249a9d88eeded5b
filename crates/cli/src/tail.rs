//! `taffrail tail`: shows the items of a running process as they come.

mod kept;

use crate::args::{Status, TailFilters, TailFormat, TailOptions};
use crate::pretty::Pretty;
use crate::{control, exit, logs, progress, terminal};
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use jiff::tz::TimeZone;
use kept::Shown;
use serde_json::Value;
use std::io::{self, ErrorKind, IsTerminal, Write, stdout};
use taffrail_control::{End, Filter};
use taffrail_trace::{Outcome, TraceItem};
use tokio::signal::ctrl_c;

pub(crate) async fn run(options: TailOptions) -> Result<u8> {
    let default = match stdout().is_terminal() {
        true => TailFormat::Pretty,
        false => TailFormat::Json,
    };
    let format = options.format.unwrap_or(default);
    let since = options
        .since
        .as_deref()
        .map(logs::time::since)
        .transpose()?;
    let client = control::client(&options.at)?;
    let filters = filters(options.filters);
    let show = async {
        let mut since = since;
        loop {
            let mut tail = client.tail(options.worker.as_deref(), &filters).await?;
            let of = options.worker.as_deref().unwrap_or("all Workers");
            progress::status("Tailing", &format!("{of}; Ctrl-C ends it"));
            let mut shown = match since.take() {
                Some(since) => {
                    let worker = options.worker.as_deref();
                    let show = |item: &TraceItem| {
                        let message = serde_json::to_string(item)?;
                        print(&message, format).context("cannot write to stdout")
                    };
                    kept::show(&client, &options.dir, since, worker, &filters, show).await?
                }
                None => Shown::default(),
            };
            let end = loop {
                match tail.next().await? {
                    Ok(message) if shown.remove(&message) => {}
                    Ok(message) => match print(&message, format) {
                        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(exit::OK),
                        printed => printed.context("cannot write to stdout")?,
                    },
                    Err(end) => break end,
                }
            };
            match end {
                End::Closed => return Ok(exit::OK),
                End::Expired => {}
            }
        }
    };
    tokio::select! {
        ended = show => ended,
        interrupted = ctrl_c() => {
            interrupted?;
            Ok(exit::OK)
        }
    }
}

fn print(message: &str, format: TailFormat) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    match format {
        TailFormat::Json => writeln!(out, "{message}")?,
        TailFormat::Pretty => print_pretty(&mut out, message)?,
    }
    out.flush()
}

fn print_pretty(mut out: impl Write, message: &str) -> io::Result<()> {
    const LOUD: Style = AnsiColor::Red.on_default().bold();
    let parsed: Value = serde_json::from_str(message)?;
    if let (Some(_), Some(notice)) = (
        parsed["event"]["type"].as_str(),
        parsed["event"]["message"].as_str(),
    ) {
        return writeln!(out, "{LOUD}{}{LOUD:#}", terminal::line(notice));
    }
    let item: TraceItem = serde_json::from_str(message)?;
    let zone = TimeZone::system();
    let (item, zone) = (&item, &zone);
    write!(out, "{}", Pretty { item, zone })
}

fn filters(options: TailFilters) -> Vec<Filter> {
    let TailFilters {
        status,
        method,
        header,
        sampling_rate,
        search,
        ip,
        version_id,
        levels,
        condition,
    } = options;
    let outcomes = status.into_iter().flat_map(outcomes).copied().collect();
    let lists = [
        some(outcomes).map(Filter::Outcome),
        some(method).map(Filter::Method),
        some(ip).map(Filter::ClientIp),
        header.map(Filter::Header),
        search.map(Filter::Query),
        version_id.map(Filter::ScriptVersion),
        some(levels.into_iter().map(Into::into).collect()).map(Filter::Level),
        condition.map(Filter::Where),
        sampling_rate.map(Filter::SamplingRate),
    ];
    lists.into_iter().flatten().collect()
}

/// Without values, an option does not filter.
fn some<T>(values: Vec<T>) -> Option<Vec<T>> {
    (!values.is_empty()).then_some(values)
}

/// The outcomes that a status stands for. wrangler leaves some failures without a status; here
/// every outcome has one.
fn outcomes(status: Status) -> &'static [Outcome] {
    match status {
        Status::Ok => &[Outcome::Ok],
        Status::Canceled => &[Outcome::Canceled],
        Status::Error => &[
            Outcome::Exception,
            Outcome::ExceededCpu,
            Outcome::ExceededMemory,
            Outcome::ExceededWallTime,
            Outcome::ScriptNotFound,
            Outcome::LoadShed,
            Outcome::ResponseStreamDisconnected,
            Outcome::InternalError,
            Outcome::KillSwitch,
            Outcome::DaemonDown,
            Outcome::Aborted,
            Outcome::Unknown,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_a_line_of_its_own() {
        let notice = r#"{"outcome":"unknown","logs":[],"exceptions":[],"event":{"message":"3 item(s)\u001b are not shown","type":"overload","missed":3}}"#;
        let mut out = Vec::new();
        print_pretty(&mut out, notice).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert_eq!(shown, "3 item(s)\\u{1b} are not shown\n");
    }

    #[test]
    fn every_outcome_has_one_status() {
        let all = [Status::Ok, Status::Error, Status::Canceled];
        let all: Vec<_> = all.into_iter().flat_map(outcomes).collect();
        // What serde knows of the outcomes is in the error.
        let error = serde_json::from_str::<Outcome>("\"none\"").unwrap_err();
        let known = error.to_string().matches('`').count() / 2 - 1;
        assert_eq!(all.len(), known, "{error}");
        for (place, outcome) in all.iter().enumerate() {
            assert!(!all[..place].contains(outcome), "{outcome} has two");
        }
    }
}
