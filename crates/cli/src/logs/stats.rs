//! `taffrail logs stats`: counts, failures and durations over time.

use crate::args::{StatsFormat, StatsOptions};
use crate::exit;
use crate::logs::{open, time};
use crate::terminal;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, anyhow};
use std::io::Write;
use taffrail_logs::{Quantiles, Slot, Statistics, WorkerStatistics};

const RED: Style = AnsiColor::Red.on_default();
const DIM: Style = Style::new().dimmed();

/// The range if none is given.
const DEFAULT_MS: u64 = 24 * 60 * 60 * 1000;

/// The width of a series.
const SLOTS: usize = 40;

/// Rising bars.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn run(options: &StatsOptions) -> Result<u8> {
    let (since, until) = time::range(&options.kept)?;
    let until = until.unwrap_or_else(time::now);
    let since = since.unwrap_or(until.saturating_sub(DEFAULT_MS));
    let reader = open(&options.kept.dir)?;
    let mut statistics = reader.statistics(since, until, SLOTS)?;
    let workers = &options.kept.workers;
    if !workers.is_empty() {
        statistics.workers.retain(|name, _| workers.contains(name));
    }
    let text = match options.format {
        StatsFormat::Json => format!("{}\n", serde_json::to_string(&statistics)?),
        StatsFormat::Table if statistics.workers.is_empty() => {
            return Err(anyhow!(
                "no invocations began in this range; `--since` sets it"
            ));
        }
        StatsFormat::Table => table(&statistics),
    };
    anstream::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to stdout")?;
    Ok(exit::OK)
}

fn table(statistics: &Statistics) -> String {
    const HEAD: &str = "WORKER";
    let names = statistics.workers.keys().map(|name| terminal::line(name));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let width = width.max(HEAD.len());
    let minutes = statistics.slot_ms / 60_000;
    let mut text = format!(
        "{HEAD:width$}  {:>11}  {:>7}  {:^26}  {:^26}  {DIM}each bar {minutes} min{DIM:#}\n{:width$}  {:>11}  {:>7}  {:>8} {:>8} {:>8}  {:>8} {:>8} {:>8}\n",
        "INVOCATIONS",
        "FAILED",
        "CPU MS",
        "WALL MS",
        "",
        "",
        "",
        "p50",
        "p95",
        "p99",
        "p50",
        "p95",
        "p99"
    );
    for (name, worker) in &statistics.workers {
        text.push_str(&row(&terminal::line(name), width, worker));
    }
    text
}

fn row(name: &str, width: usize, worker: &WorkerStatistics) -> String {
    let WorkerStatistics {
        count,
        failed,
        cpu_ms,
        wall_ms,
        series,
        ..
    } = worker;
    let share = *failed as f64 / (*count).max(1) as f64 * 100.0;
    let style = if *failed > 0 { RED } else { Style::new() };
    let failed = format!("{style}{:>7}{style:#}", format!("{share:.1} %"));
    format!(
        "{name:width$}  {count:>11}  {failed}  {}  {}  {}\n",
        quantiles(cpu_ms),
        quantiles(wall_ms),
        bars(series)
    )
}

fn quantiles(quantiles: &Quantiles) -> String {
    let Quantiles { p50, p95, p99 } = quantiles;
    format!("{p50:>8.1} {p95:>8.1} {p99:>8.1}")
}

/// Draws a series: the height of a bar stands for invocations, and red ones have failures.
fn bars(series: &[Slot]) -> String {
    let highest = series
        .iter()
        .map(|slot| slot.count)
        .max()
        .unwrap_or(0)
        .max(1);
    let bar = |slot: &Slot| {
        if slot.count == 0 {
            return " ".to_owned();
        }
        let height = (slot.count * BARS.len() as u64).div_ceil(highest).max(1);
        let bar = BARS[usize::try_from(height).unwrap_or(1).min(BARS.len()) - 1];
        let style = if slot.failed > 0 { RED } else { Style::new() };
        format!("{style}{bar}{style:#}")
    };
    series.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_rise_with_counts() {
        let slot = |count| Slot { count, failed: 0 };
        let drawn = bars(&[slot(0), slot(1), slot(50), slot(100)]);
        assert_eq!(anstream::adapter::strip_str(&drawn).to_string(), " ▁▄█");
    }
}
