//! A trace item as `wrangler tail` prints it.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{self, Display, Formatter};
use taffrail_trace::{EventInfo, Json, LogLevel, Outcome, TraceItem, TraceLog};

const STRONG: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();

/// Displays an item: a line for the event, one for each log and each
/// exception. Colours are for the stream to strip where there is no terminal.
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
            writeln!(f, "  {RED}{}: {}{RED:#}", exception.name, exception.message)?;
            for frame in exception.stack.iter().flat_map(|stack| stack.lines()) {
                writeln!(f, "{DIM}{frame}{DIM:#}")?;
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

/// The kinds and their order are wrangler's.
fn event(
    f: &mut Formatter<'_>,
    event: Option<&EventInfo>,
    entrypoint: Option<&str>,
) -> fmt::Result {
    match event {
        Some(EventInfo::Fetch { request, .. }) => {
            let request = request.redacted();
            write!(f, "{STRONG}{}{STRONG:#} {}", request.method, request.url)
        }
        Some(EventInfo::Scheduled { cron, .. }) => write!(f, "{STRONG}\"{cron}\"{STRONG:#}"),
        Some(EventInfo::Email {
            mail_from,
            rcpt_to,
            raw_size,
        }) => write!(
            f,
            "{STRONG}Email{STRONG:#} from:{mail_from} to:{rcpt_to} size:{raw_size}"
        ),
        Some(EventInfo::Alarm { .. }) => write!(f, "{STRONG}Alarm{STRONG:#}"),
        Some(EventInfo::Tail { consumed_events }) => {
            let names: Vec<_> = consumed_events
                .iter()
                .map(|consumed| consumed.script_name.as_deref().unwrap_or("unknown"))
                .collect();
            write!(f, "{STRONG}Tailing{STRONG:#} {}", names.join(","))
        }
        Some(EventInfo::Queue { queue, batch_size }) => {
            let plural = if *batch_size == 1 { "" } else { "s" };
            write!(
                f,
                "{STRONG}Queue{STRONG:#} {queue} ({batch_size} message{plural})"
            )
        }
        Some(EventInfo::Rpc { rpc_method }) => {
            let entrypoint = entrypoint.unwrap_or("default");
            write!(f, "{STRONG}{entrypoint}.{rpc_method}{STRONG:#}")
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
        // wrangler says "Unknown" to all of these.
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
        write!(f, " {}", shown(argument))?;
    }
    writeln!(f)
}

/// A string as it is, anything else as its JSON.
fn shown(argument: &Json) -> String {
    serde_json::from_str(argument.get()).unwrap_or_else(|_| argument.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use taffrail_trace::{End, RequestData, Script, TailRequest, TraceBuilder, TraceException};

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
        let pretty = Pretty {
            item: &item,
            zone: &TimeZone::UTC,
        };
        let plain = anstream::adapter::strip_str(&pretty.to_string()).to_string();
        assert_eq!(
            plain,
            "GET http://localhost/a?b=c - Exception Thrown @ 2026-11-21 01:43:18\n  \
             (warn) a \"b\" {\"c\":[1]}\n  \
             panic: boom\n    \
             at src/lib.rs:1:2\n"
        );
    }
}
