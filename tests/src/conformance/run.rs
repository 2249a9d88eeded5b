//! Runs scenarios.

use super::answer::Answer;
use super::observed::Observed;
use super::recorder::Recorder;
use super::recording::Recording;
use super::report::{Report, Scenario, Verdict};
use super::{replay, requests, unsupported, verdict, workers};
use crate::process::{Finished, Folder, Server};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Scenarios at a time. Most of their time is that of starting a process.
const AT_A_TIME: usize = 2;

/// How long tail calls may be late, beyond what they took in the recording.
/// The end of the server delivers what is still under way.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the scenarios in a folder, or only one of them, and shows each as soon
/// as those before it are done.
///
/// # Errors
///
/// When a file is not a recording, and when there are none.
pub async fn run(folder: &Path, only: Option<&str>, show: impl Fn(&Scenario)) -> Result<Report> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = Vec::new();
    for recording in recordings(folder, only)? {
        let places = Arc::clone(&places);
        let name = recording.name.clone();
        let task = tokio::spawn(async move {
            let _place = places.acquire_owned().await;
            judge(recording).await
        });
        running.push((name, task));
    }
    let mut report = Report::default();
    for (name, task) in running {
        let verdict = task.await.map_err(anyhow::Error::from).flatten();
        let verdict = verdict.unwrap_or_else(|error| Verdict::Differ {
            differences: vec![format!("it could not be run: {error:#}")],
            stderr: String::new(),
        });
        let scenario = Scenario { name, verdict };
        show(&scenario);
        report.scenarios.push(scenario);
    }
    Ok(report)
}

fn recordings(folder: &Path, only: Option<&str>) -> Result<Vec<Recording>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path: PathBuf = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut recordings = Vec::new();
    for path in paths {
        let recording = Recording::read(&path)?;
        if only.is_none_or(|only| only == recording.name) {
            recordings.push(recording);
        }
    }
    anyhow::ensure!(
        !recordings.is_empty(),
        "no scenario in {}{}",
        folder.display(),
        only.map(|only| format!(" has the name `{only}`"))
            .unwrap_or_default()
    );
    Ok(recordings)
}

async fn judge(recording: Recording) -> Result<Verdict> {
    if let Some(reason) = unsupported::reason(&recording)? {
        return Ok(Verdict::Unsupported(reason));
    }
    let (got, finished) = observe(&recording).await?;
    let findings = verdict::compare(&recording, &got)?;
    if findings.wrong.is_empty() {
        return Ok(Verdict::Agree {
            allowed: findings.allowed,
        });
    }
    Ok(Verdict::Differ {
        differences: findings.wrong.iter().map(ToString::to_string).collect(),
        stderr: finished.stderr,
    })
}

/// What the Workers of a recording do on Taffrail.
async fn observe(recording: &Recording) -> Result<(Observed, Finished)> {
    let recorder = Arc::new(Recorder::start().await?);
    let folder = Arc::new(Folder::new());
    let names = workers::write(recording, recorder.address, &folder)?;
    let place = Arc::clone(&folder);
    let started = spawn_blocking(move || {
        let mut arguments = vec!["serve"];
        arguments.extend(names.iter().map(String::as_str));
        arguments.extend(["--port", "0", "--format", "none", "--grace", "60"]);
        Server::try_spawn(place.taffrail(&arguments))
    });
    let (answers, finished) = match started.await? {
        Ok(server) => {
            let requests = requests::of(recording)?;
            let answers = replay::replay(&requests, server.address, &recorder).await;
            let calls = recording.tail_meta.len();
            recorder
                .wait_for(
                    calls,
                    recording.stream_events.len(),
                    recording.duration() + PATIENCE,
                )
                .await;
            (answers, spawn_blocking(|| server.terminate()).await?)
        }
        Err(finished) => {
            let failed = Answer {
                startup_failed: true,
                ..Answer::default()
            };
            (Ok(vec![failed]), finished)
        }
    };
    let reported = recorder.reported();
    let answers = answers.with_context(|| finished.stderr.clone())?;
    let got = Observed {
        answers,
        tail_calls: reported.tail_calls,
        stream_events: reported.stream_events,
        marks: reported.marks,
    };
    Ok((got, finished))
}
