//! What goes to stderr while the user waits.

use crate::terminal;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// What takes longer than this is worth a line.
pub(crate) const WORTH_TELLING: Duration = Duration::from_millis(500);

/// A word at the beginning of a line, in the colour it has in cargo.
fn label(word: &str) -> String {
    let color = match word {
        "error" => AnsiColor::Red,
        "warning" => AnsiColor::Yellow,
        _ => AnsiColor::Green,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let colon = if matches!(word, "error" | "warning") {
        ":"
    } else {
        ""
    };
    format!("{style}{word}{colon}{style:#}")
}

pub(crate) fn error(error: &anyhow::Error) {
    say("error", &format!("{error:#}"));
}

pub(crate) fn warning(text: &str) {
    say("warning", text);
}

pub(crate) fn status(word: &str, text: &str) {
    say(word, text);
}

fn say(word: &str, text: &str) {
    let text = terminal::lines(text, "  ");
    anstream::eprintln!("{} {text}", label(word));
}

/// Shows, on a terminal, that something goes on, until it is dropped.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn start(text: String) -> Self {
        let bar = ProgressBar::new_spinner().with_message(terminal::line(&text));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Ends it and tells how long it went on.
    pub(crate) fn stop(self) -> Duration {
        self.0.elapsed()
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
