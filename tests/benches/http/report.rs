//! The table and the JSON.

use crate::load::Answers;
use crate::loss::Loss;
use crate::process::Usage;
use crate::servers::Server;
use crate::start::Figure;
use crate::targets::{self, Checked, Verdict};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::{self, Display, Formatter};
use std::io::{Write, stderr, stdout};
use std::path::Path;

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) conditions: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) losses: Vec<Loss>,
}

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
    pub(crate) p50: f64,
    /// Latency that 99 of 100 requests did not exceed, in ms.
    pub(crate) p99: f64,
    /// Resident memory afterwards, in MiB.
    pub(crate) resident: f64,
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
            rate: answers.rate(),
            p50: answers.percentile(0.50).as_secs_f64() * 1e3,
            p99: answers.percentile(0.99).as_secs_f64() * 1e3,
            resident: after.resident_kib as f64 / 1024.0,
            bad: answers.bad,
        })
    }

    pub(crate) fn cpu(&self) -> f64 {
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

    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }

    /// CPU time per request in parts of what the baseline needs.
    fn ratio(&self, rows: &[Self]) -> Option<f64> {
        let baseline = self.server.baseline()?;
        let baseline = rows.iter().find(|row| row.server.name == baseline)?;
        self.compared(baseline, |own, peer| own.cpu() / peer.cpu())
    }

    /// The median of a comparison in each round, because the machine differs from one round to
    /// the next.
    pub(crate) fn compared(
        &self,
        other: &Self,
        compare: impl Fn(&Sample, &Sample) -> f64,
    ) -> Option<f64> {
        let rounds = self.samples.iter().zip(&other.samples);
        let compared: Vec<_> = rounds.map(|(own, other)| compare(own, other)).collect();
        (!compared.is_empty()).then(|| median(compared))
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

impl Report {
    /// The row of this server.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.server.name == name)
    }

    /// The median of a figure that has no load.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let figure = self.figures.iter().find(|figure| figure.name == name)?;
        Some(median(figure.rounds.clone()))
    }

    /// Why rows are worth nothing.
    pub(crate) fn problems(&self) -> Vec<String> {
        let rows = self.rows.iter().flat_map(|row| {
            let problems = row.problems.iter();
            problems.map(|problem| format!("{} FAILED: {problem}", row.server.name))
        });
        let losses = self.losses.iter().flat_map(|loss| {
            let problems = loss.recorded.problems.iter();
            problems.map(|problem| format!("{} connections FAILED: {problem}", loss.connections))
        });
        rows.chain(losses).collect()
    }

    /// Prints the tables, and after them why some rows are worth nothing.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{}", self.conditions)?;
        if !self.rows.is_empty() {
            self.print_rows(&mut out)?;
        }
        if !self.figures.is_empty() {
            writeln!(out, "\n{:34} {:>12}", "without load", "median")?;
        }
        for Figure { name, unit, .. } in &self.figures {
            let value = self.figure(name).unwrap_or(f64::NAN);
            writeln!(out, "{name:34} {value:>9.1} {unit}")?;
        }
        if !self.losses.is_empty() {
            writeln!(
                out,
                "\n{:>11} {:>9} {:>9} {:>9} {:>9} {:>6}",
                "connections", "requests", "refused", "items", "delivered", "lost"
            )?;
        }
        for Loss {
            connections,
            recorded,
        } in &self.losses
        {
            writeln!(
                out,
                "{connections:>11} {:>9} {:>9} {:>9} {:>9} {:>6}",
                recorded.requests,
                recorded.refused,
                recorded.fetches,
                recorded.tailed,
                recorded.fetches.abs_diff(recorded.tailed)
            )?;
        }
        let checked = targets::check(self);
        if !checked.is_empty() {
            writeln!(
                out,
                "\n{:48} {:>9} {:>9} {:>9}",
                "target", "measured", "at most", "stretch"
            )?;
        }
        for target in &checked {
            writeln!(out, "{target}")?;
        }
        for problem in self.problems() {
            writeln!(out, "{problem}")?;
        }
        Ok(())
    }

    fn print_rows(&self, out: &mut impl Write) -> Result<()> {
        writeln!(
            out,
            "{:25} {:>10} {:>7} {:>7} {:>9} {:>8} {:>8} {:>8} {:>5}  vs peer",
            "server", "CPU µs/req", "user", "sys", "req/s", "p50 ms", "p99 ms", "RSS MiB", "bad"
        )?;
        for row in &self.rows {
            let ratio = match row.ratio(&self.rows) {
                Some(ratio) => format!("{ratio:.2}x"),
                None => "-".to_owned(),
            };
            writeln!(
                out,
                "{:25} {:>10.1} {:>7.1} {:>7.1} {:>9.0} {:>8.2} {:>8.2} {:>8.1} {:>5}  {ratio}",
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
        Ok(())
    }

    /// Writes everything that was measured.
    pub(crate) fn write_json(&self, file: &Path) -> Result<()> {
        let rows = self.rows.iter().map(|row| row.json(&self.rows));
        let figures = self.figures.iter().map(
            |Figure { name, unit, rounds }| json!({ "name": name, "unit": unit, "rounds": rounds }),
        );
        let losses = self.losses.iter().map(|loss| {
            json!({
                "connections": loss.connections,
                "requests": loss.recorded.requests,
                "refused": loss.recorded.refused,
                "items": loss.recorded.fetches,
                "delivered": loss.recorded.tailed,
            })
        });
        let targets = targets::check(self);
        let targets = targets.iter().map(Checked::json);
        let report = json!({
            "conditions": self.conditions,
            "servers": rows.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
            "losses": losses.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
            "problems": self.problems(),
        });
        std::fs::write(file, format!("{report:#}\n"))
            .with_context(|| format!("{} cannot be written", file.display()))
    }
}

impl Display for Checked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let stretch = match self.target.stretch {
            Some(stretch) => format!("{stretch:.2}"),
            None => String::new(),
        };
        let verdict = match self.verdict() {
            Verdict::Missed => "MISSED",
            Verdict::Reached => "reached",
            Verdict::Stretched => "reached, with the stretch",
        };
        write!(
            f,
            "{:48} {:>9.2} {:>9.2} {stretch:>9}  {verdict}",
            self.target.name, self.measured, self.target.bound
        )?;
        match self.share {
            Some(share) => write!(f, " ({:.0} % of the row without)", share * 100.0),
            None => Ok(()),
        }
    }
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
