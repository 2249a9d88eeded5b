//! Messages on stderr.

use crate::terminal;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use taffrail_project::{Progress, Step, Underway};

/// Steps that take longer than this are reported when they end.
const WORTH_TELLING: Duration = Duration::from_millis(500);

/// Returns the first word of a line, in the colour that cargo gives it.
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

/// Shows the progress of a project on a terminal.
pub(crate) struct Terminal;

impl Progress for Terminal {
    fn begin(&self, step: Step<'_>) -> Box<dyn Underway> {
        const ENGINE: &str = "the JavaScript engine";
        let (doing, done) = match step {
            Step::BuildCommand { worker, command } => {
                status("Building", &format!("{worker} with `{command}`"));
                return Box::new(());
            }
            Step::MakeEngine => {
                let once = format!("{ENGINE}, once for this version of Taffrail");
                status("Making", &once);
                let doing = format!("Fetching and building {ENGINE}");
                (doing, Some(("Made", ENGINE.to_owned())))
            }
            Step::CompileEngine => {
                let doing = format!("Compiling {ENGINE}");
                (doing, Some(("Compiled", ENGINE.to_owned())))
            }
            Step::CompileBundler => ("Compiling the bundler".to_owned(), None),
            Step::FetchTools { language } => {
                let tools = format!("the tools for {language}");
                (format!("Fetching {tools}"), Some(("Fetched", tools)))
            }
            Step::Compile { worker } => {
                let doing = format!("Compiling {worker}");
                (doing, Some(("Compiled", worker.to_owned())))
            }
            Step::Componentize { worker } => (format!("Building {worker}"), None),
            _ => return Box::new(()),
        };
        Box::new(Spinning {
            spinner: Spinner::start(&doing),
            done,
        })
    }

    fn warn(&self, text: &str) {
        warning(text);
    }
}

/// A step that is under way.
struct Spinning {
    spinner: Spinner,
    /// The message for the end of the step, if it took long.
    done: Option<(&'static str, String)>,
}

impl Underway for Spinning {
    fn done(self: Box<Self>) {
        let took = self.spinner.0.elapsed();
        drop(self.spinner);
        if let Some((done, what)) = self.done
            && took > WORTH_TELLING
        {
            status(done, &format!("{what} in {:.1} s", took.as_secs_f32()));
        }
    }
}

/// Shows activity until it is dropped.
pub(crate) struct Spinner(ProgressBar);

impl Spinner {
    pub(crate) fn start(text: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(terminal::line(text));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
