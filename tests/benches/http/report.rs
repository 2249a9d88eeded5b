//! The table and the JSON.

use crate::load::Answers;
use crate::process::Usage;
use crate::servers::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};
use std::io::{Write as _, stderr, stdout};
use std::path::Path;

/// One server in one round.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time per request in its own code and in guests, in µs.
    user: f64,
    /// CPU time per request in the kernel, in µs.
    system: f64,
    /// Requests per second.
    rate: f64,
    /// Median latency, in ms.
    p50: f64,
    /// Latency that 99 of 100 requests did not exceed, in ms.
    p99: f64,
    /// Resident memory afterwards, in MiB.
    resident: f64,
    bad: usize,
}

/// One server in all rounds.
pub(crate) struct Row {
    pub(crate) server: &'static Server,
    /// One a round.
    pub(crate) samples: Vec<Sample>,
    /// Why its figures are worth nothing.
    pub(crate) problems: Vec<String>,
}

impl Sample {
    pub(crate) fn new(before: &Usage, after: &Usage, answers: Answers) -> Result<Self> {
        ensure!(answers.requests() > 0, "no request was answered in time");
        let requests = answers.requests() as f64;
        Ok(Self {
            user: (after.user - before.user).as_secs_f64() / requests * 1e6,
            system: (after.system - before.system).as_secs_f64() / requests * 1e6,
            rate: requests / answers.took.as_secs_f64(),
            p50: answers.percentile(0.50).as_secs_f64() * 1e3,
            p99: answers.percentile(0.99).as_secs_f64() * 1e3,
            resident: after.resident_kib as f64 / 1024.0,
            bad: answers.bad,
        })
    }

    fn cpu(&self) -> f64 {
        self.user + self.system
    }

    fn json(&self) -> Value {
        json!({
            "cpu_us": self.cpu(),
            "user_us": self.user,
            "system_us": self.system,
            "requests_per_second": self.rate,
            "p50_ms": self.p50,
            "p99_ms": self.p99,
            "resident_mib": self.resident,
            "bad": self.bad,
        })
    }
}

impl Row {
    pub(crate) fn new(server: &'static Server) -> Self {
        Self {
            server,
            samples: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }

    /// CPU time per request in parts of what the baseline needs: the median of
    /// the ratios of each round, because the machine differs from one round to
    /// the next.
    fn ratio(&self, rows: &[Self]) -> Option<f64> {
        let baseline = self.server.baseline()?;
        let baseline = rows.iter().find(|row| row.server.name == baseline)?;
        let rounds = self.samples.iter().zip(&baseline.samples);
        Some(median(
            rounds.map(|(own, peer)| own.cpu() / peer.cpu()).collect(),
        ))
    }

    fn json(&self, rows: &[Self]) -> Value {
        json!({
            "name": self.server.name,
            "baseline": self.server.baseline(),
            "cpu_us": self.median(Sample::cpu),
            "cpu_ratio": self.ratio(rows),
            "rounds": self.samples.iter().map(Sample::json).collect::<Vec<_>>(),
            "problems": self.problems,
        })
    }
}

/// The figures of the last round, for who watches.
impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = self.server.name;
        match self.samples.last() {
            Some(last) => write!(
                f,
                "{name} {:.1} µs, {:.0} requests/s",
                last.cpu(),
                last.rate
            ),
            None => write!(f, "{name}"),
        }
    }
}

/// Says on stderr what goes on.
pub(crate) fn progress(text: &str) {
    // Whether somebody reads it makes no difference to the figures.
    _ = writeln!(stderr(), "{text}");
}

/// Prints the table, and after it why some rows are worth nothing.
pub(crate) fn print(rows: &[Row], conditions: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{conditions}")?;
    writeln!(
        out,
        "{:18} {:>10} {:>7} {:>7} {:>9} {:>8} {:>8} {:>8} {:>5}  vs peer",
        "server", "CPU µs/req", "user", "sys", "req/s", "p50 ms", "p99 ms", "RSS MiB", "bad"
    )?;
    for row in rows {
        let ratio = match row.ratio(rows) {
            Some(ratio) => format!("{ratio:.2}x"),
            None => "-".to_owned(),
        };
        writeln!(
            out,
            "{:18} {:>10.1} {:>7.1} {:>7.1} {:>9.0} {:>8.2} {:>8.2} {:>8.1} {:>5}  {ratio}",
            row.server.name,
            row.median(Sample::cpu),
            row.median(|sample| sample.user),
            row.median(|sample| sample.system),
            row.median(|sample| sample.rate),
            row.median(|sample| sample.p50),
            row.median(|sample| sample.p99),
            row.median(|sample| sample.resident),
            row.samples.iter().map(|sample| sample.bad).sum::<usize>(),
        )?;
    }
    for row in rows {
        for problem in &row.problems {
            writeln!(out, "{} FAILED: {problem}", row.server.name)?;
        }
    }
    Ok(())
}

/// Writes everything that was measured.
pub(crate) fn write_json(file: &Path, rows: &[Row], conditions: &str) -> Result<()> {
    let report = json!({
        "conditions": conditions,
        "servers": rows.iter().map(|row| row.json(rows)).collect::<Vec<_>>(),
    });
    std::fs::write(file, format!("{report:#}\n"))
        .with_context(|| format!("{} cannot be written", file.display()))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.get(middle) {
        None => f64::NAN,
        Some(upper) if figures.len() % 2 == 1 => *upper,
        Some(upper) => f64::midpoint(figures[middle - 1], *upper),
    }
}
