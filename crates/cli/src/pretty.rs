//! Formats a trace item as `wrangler tail` does.

use crate::terminal::{self, line};
use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{self, Display, Formatter};
use taffrail_trace::{EventInfo, Json, LogLevel, Outcome, TraceItem, TraceLog};

const STRONG: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// The indentation of a line that continues an entry of an item. It is deeper than that of the
/// entry.
const INDENT: &str = "    ";

/// Displays an item: a line for the event, and one for each log and each exception. The stream
/// strips the colours if it is not a terminal.
pub(crate) struct Pretty<'a> {
    pub(crate) item: &'a TraceItem,
    pub(crate) zone: &'a TimeZone,
}

impl Display for Pretty<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let item = self.item;
        event(f, item.event.as_ref(), item.script.entrypoint.as_deref())?;
        let (word, style) = outcome(item.outcome);
        writeln!(f, " - {style}{word}{style:#} @ {}", self.date())?;
        item.logs.iter().try_for_each(|entry| log(f, entry))?;
        for exception in &item.exceptions {
            let text = format!("{}: {}", exception.name, exception.message);
            writeln!(f, "  {RED}{}{RED:#}", terminal::lines(&text, INDENT))?;
            for frame in exception.stack.iter().flat_map(|stack| stack.lines()) {
                let frame = line(frame.trim_start());
                writeln!(f, "{INDENT}{DIM}{frame}{DIM:#}")?;
            }
        }
        if item.lost_items > 0 {
            let lost = item.lost_items;
            writeln!(f, "  {YELLOW}{lost} earlier items were lost{YELLOW:#}")?;
        }
        Ok(())
    }
}

impl Pretty<'_> {
    fn date(&self) -> String {
        let millisecond = self.item.event_timestamp.unwrap_or_default();
        i64::try_from(millisecond)
            .ok()
            .and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok())
            .map(|time| time.to_zoned(self.zone.clone()))
            .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    }
}

/// The kinds, and their order, are wrangler's.
fn event(
    f: &mut Formatter<'_>,
    event: Option<&EventInfo>,
    entrypoint: Option<&str>,
) -> fmt::Result {
    match event {
        Some(EventInfo::Fetch { request, .. }) => {
            let request = request.redacted();
            let (method, url) = (line(&request.method), line(&request.url));
            write!(f, "{STRONG}{method}{STRONG:#} {url}")
        }
        Some(EventInfo::Scheduled { cron, .. }) => {
            write!(f, "{STRONG}\"{}\"{STRONG:#}", line(cron))
        }
        Some(EventInfo::Email {
            mail_from,
            rcpt_to,
            raw_size,
        }) => write!(
            f,
            "{STRONG}Email{STRONG:#} from:{} to:{} size:{raw_size}",
            line(mail_from),
            line(rcpt_to)
        ),
        Some(EventInfo::Alarm { .. }) => write!(f, "{STRONG}Alarm{STRONG:#}"),
        Some(EventInfo::Tail { consumed_events }) => {
            let names: Vec<_> = consumed_events
                .iter()
                .map(|consumed| consumed.script_name.as_deref().unwrap_or("unknown"))
                .collect();
            // A streaming tail has no items.
            let of = match &names[..] {
                [] => "a stream".to_owned(),
                names => names.join(","),
            };
            write!(f, "{STRONG}Tailing{STRONG:#} {}", line(&of))
        }
        Some(EventInfo::Queue { queue, batch_size }) => {
            let plural = if *batch_size == 1 { "" } else { "s" };
            write!(
                f,
                "{STRONG}Queue{STRONG:#} {} ({batch_size} message{plural})",
                line(queue)
            )
        }
        Some(EventInfo::Rpc { rpc_method }) => {
            let entrypoint = entrypoint.unwrap_or("default");
            let called = format!("{entrypoint}.{rpc_method}");
            write!(f, "{STRONG}{}{STRONG:#}", line(&called))
        }
        _ => write!(f, "{STRONG}Unknown Event{STRONG:#}"),
    }
}

fn outcome(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Ok => ("Ok", AnsiColor::Green.on_default()),
        Outcome::Canceled => ("Canceled", YELLOW),
        Outcome::ExceededCpu => ("Exceeded CPU Limit", RED),
        Outcome::ExceededMemory => ("Exceeded Memory Limit", RED),
        Outcome::Exception => ("Exception Thrown", RED),
        // wrangler shows "Unknown" for all of these.
        Outcome::ExceededWallTime => ("Exceeded Wall Time Limit", RED),
        Outcome::ScriptNotFound => ("Script Not Found", RED),
        Outcome::LoadShed => ("Load Shed", RED),
        Outcome::ResponseStreamDisconnected => ("Response Stream Disconnected", RED),
        Outcome::InternalError => ("Internal Error", RED),
        Outcome::KillSwitch => ("Kill Switch", RED),
        Outcome::Aborted => ("Aborted", RED),
        Outcome::DaemonDown | Outcome::Unknown => ("Unknown", RED),
    }
}

fn log(f: &mut Formatter<'_>, log: &TraceLog) -> fmt::Result {
    let (level, style) = match log.level {
        LogLevel::Debug => ("debug", DIM),
        LogLevel::Info => ("info", Style::new()),
        LogLevel::Log => ("log", Style::new()),
        LogLevel::Warn => ("warn", YELLOW),
        LogLevel::Error => ("error", RED),
    };
    write!(f, "  {style}({level}){style:#}")?;
    for argument in &log.message {
        write!(f, " {}", terminal::lines(&shown(argument), INDENT))?;
    }
    writeln!(f)
}

/// Returns a string unquoted, and any other value as JSON.
fn shown(argument: &Json) -> String {
    serde_json::from_str(argument.get()).unwrap_or_else(|_| argument.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_trace::{End, RequestData, Script, TailRequest, TraceBuilder, TraceException};

    fn plain(item: &TraceItem) -> String {
        let zone = &TimeZone::UTC;
        let pretty = Pretty { item, zone }.to_string();
        anstream::adapter::strip_str(&pretty).to_string()
    }

    #[test]
    fn no_worker_and_no_client_forges_lines() {
        let forged = "x\nGET http://localhost/ - Ok @ 2026-11-21 01:43:18\n  (log) \u{1b}[2J";
        let event = EventInfo::Scheduled {
            cron: forged.into(),
            scheduled_time: 1,
        };
        let mut trace = TraceBuilder::new(Script::default(), event, 1, "id".into());
        let argument = serde_json::value::to_raw_value(forged).unwrap();
        trace.log(1, LogLevel::Log, vec![argument], None);
        trace.exception(TraceException {
            timestamp: 1,
            name: "Error".into(),
            message: forged.into(),
            stack: Some(forged.into()),
        });
        let shown = plain(&trace.finish(End::default()));
        let begin = |line: &&str| !line.starts_with(INDENT);
        let begun: Vec<_> = shown.lines().filter(begin).collect();
        assert!(begun[0].starts_with("\"x\\nGET http"), "{shown}");
        assert_eq!(begun[1..], ["  (log) x", "  Error: x"], "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }

    #[test]
    fn an_item_reads_as_in_wrangler_tail() {
        let request = RequestData::new("GET", "http://localhost/a?b=c", [("a", "b")], None);
        let event = EventInfo::Fetch {
            request: TailRequest::new(request),
            response: None,
        };
        let mut trace = TraceBuilder::new(Script::default(), event, 1_795_225_398_123, "id".into());
        let argument = |json: &str| serde_json::from_str(json).unwrap();
        trace.log(
            1,
            LogLevel::Warn,
            vec![argument("\"a \\\"b\\\"\""), argument("{\"c\":[1]}")],
            None,
        );
        trace.exception(TraceException {
            timestamp: 1,
            name: "panic".into(),
            message: "boom".into(),
            stack: Some("    at src/lib.rs:1:2".into()),
        });
        let item = trace.finish(End {
            outcome: Outcome::Exception,
            ..End::default()
        });
        assert_eq!(
            plain(&item),
            "GET http://localhost/a?b=c - Exception Thrown @ 2026-11-21 01:43:18\n  \
             (warn) a \"b\" {\"c\":[1]}\n  \
             panic: boom\n    \
             at src/lib.rs:1:2\n"
        );
    }
}
