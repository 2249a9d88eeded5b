//! How many instructions a piece of work takes, which hardly differs from run to run, and
//! whether it takes more than it took when that was recorded. See ../README.md.
//!
//! - [`subjects`] are the pieces of work;
//! - [`count`] runs one in a process of its own and counts its instructions;
//! - [`record`] is what they took when they were recorded.

mod count;
mod record;
mod subjects;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use count::count;
use record::Record;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use subjects::Subject;

/// Counts the instructions of pieces of work, and compares them with those that are recorded for
/// the same profile
#[derive(Parser)]
#[command(bin_name = "cargo bench --workspace --bench instructions --")]
struct Options {
    /// Only pieces of work with this in their name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How often each is counted; the median is taken
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Record what is counted
    #[arg(long)]
    record: bool,
    /// Do this piece of work, for the process that counts
    #[arg(long, hide = true, value_name = "NAME")]
    subject: Option<String>,
    /// Given by `cargo bench` to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stderr, reason = "it is a command")]
fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.subject {
        Some(name) => subjects::run(name),
        None => compare(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Counts what was chosen, and records it or compares it.
#[expect(clippy::print_stdout, reason = "it is what the command is for")]
fn compare(options: &Options) -> Result<()> {
    let chosen = subjects::ALL.iter().filter(|subject| {
        let mut parts = options.only.iter();
        options.only.is_empty() || parts.any(|part| subject.name.contains(part))
    });
    subjects::make_ready();
    let counted = count_all(chosen.collect(), options.rounds)?;
    ensure!(!counted.is_empty(), "`--only` leaves nothing");
    let mut record = Record::read()?;
    if options.record {
        for (subject, counts) in &counted {
            record.set(subject.name, median(counts));
        }
        return record.write();
    }
    let unlike = record.unlike();
    if let Some(unlike) = &unlike {
        println!("not compared: {unlike}");
    }
    let mut problems = Vec::new();
    for (subject, counts) in &counted {
        let count = median(counts);
        let spread = counts.iter().max().zip(counts.iter().min());
        let spread = spread.map_or(0, |(most, least)| most - least);
        print!("{:24} {count:>9} ± {spread}", subject.name);
        match record.get(subject.name).filter(|_| unlike.is_none()) {
            None => println!(),
            Some(recorded) => {
                let change = count as f64 / recorded as f64 - 1.0;
                println!(", recorded {recorded:>9} ({:+.1} %)", change * 100.0);
                problems.extend(subject.judge(change));
            }
        }
    }
    ensure!(
        problems.is_empty(),
        "{}\nIf that is meant to be: cargo bench --profile dev --workspace --bench instructions -- --record",
        problems.join("\n")
    );
    Ok(())
}

/// Counts them in as many threads as there are processors, each of which keeps to one.
fn count_all(
    subjects: Vec<&'static Subject>,
    rounds: u32,
) -> Result<Vec<(&'static Subject, Vec<u64>)>> {
    let waiting = Mutex::new(
        (0..rounds)
            .flat_map(|_| subjects.clone())
            .collect::<Vec<_>>(),
    );
    let next = || waiting.lock().ok()?.pop();
    let counted = Mutex::new(BTreeMap::<&str, Vec<u64>>::new());
    let work = |processor| -> Result<()> {
        count::keep_to(processor)?;
        while let Some(subject) = next() {
            let count = count(subject.name).with_context(|| subject.name.to_owned())?;
            if let Ok(mut counted) = counted.lock() {
                counted.entry(subject.name).or_default().push(count);
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let processors = 0..thread::available_parallelism()?.get();
        let threads: Vec<_> = processors
            .map(|processor| scope.spawn(move || work(processor)))
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a thread has failed"))??;
        }
        anyhow::Ok(())
    })?;
    let mut counted = counted.into_inner().unwrap_or_default();
    let subjects = subjects.into_iter();
    Ok(subjects
        .filter_map(|subject| Some((subject, counted.remove(subject.name)?)))
        .collect())
}

fn median(counts: &[u64]) -> u64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
