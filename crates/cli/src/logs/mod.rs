//! `taffrail logs`: shows items that were kept.

mod show;
mod span;
mod stats;
pub(crate) mod time;
mod tree;

use crate::args::{LogsCommand, LogsOptions, SearchOptions, UsageError};
use crate::{exit, query};
use anyhow::{Context, Result, anyhow};
use show::Show;
use std::io::{Write, stdout};
use std::path::Path;
use std::time::Duration;
use taffrail_logs::{Expression, Filter, Found, ReadError, Reader};
use taffrail_sql::Rules;
use taffrail_trace::Outcome;

/// How often `--follow` looks for new items.
const FOLLOW: Duration = Duration::from_millis(200);

pub(crate) async fn run(options: LogsOptions) -> Result<u8> {
    match options.command {
        Some(LogsCommand::Stats(options)) => stats::run(&options),
        Some(LogsCommand::Query(options)) => {
            let reader = open(&options.dir)?;
            query::run(&options, Rules::GENERAL, move |request, cancel| {
                reader.query(request, cancel)
            })
            .await
        }
        None => search(&options.search).await,
    }
}

/// Opens the logs of a directory.
pub(crate) fn open(directory: &Path) -> Result<Reader> {
    match Reader::open(directory.join(".taffrail/logs")) {
        Err(error @ ReadError::Nothing(_)) => Err(anyhow!(
            "{error}; set `observability.enabled = true` in the configuration of a Worker and run it, or name the directory of the first Worker with `--dir`"
        )),
        opened => Ok(opened?),
    }
}

async fn search(options: &SearchOptions) -> Result<u8> {
    let filter = filter(options)?;
    let id = options.invocation.as_deref().map(tree::id).transpose()?;
    let reader = open(&options.kept.dir)?;
    if options.count {
        writeln!(stdout(), "{}", reader.count(&filter)?).context("cannot write to stdout")?;
        return Ok(exit::OK);
    }
    if let Some(id) = id {
        return tree::run(&reader, &id, options.format);
    }
    let mut show = Show::new(options.format)?;
    // Before the search, so that nothing is missed between both.
    let last = reader.last()?;
    let mut latest = Vec::new();
    reader.latest(&filter, |found| {
        if found.number <= last && is_shown(&found) {
            latest.push(found);
        }
        latest.len() < options.limit
    })?;
    for found in latest.iter().rev() {
        show.item(&found.item)?;
    }
    if !options.follow {
        return Ok(exit::OK);
    }
    tokio::select! {
        followed = follow(&reader, &filter, last, &mut show) => followed?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(exit::OK)
}

async fn follow(reader: &Reader, filter: &Filter, mut last: u64, show: &mut Show) -> Result<()> {
    loop {
        let mut new = Vec::new();
        last = reader.after(last, filter, |found| new.push(found))?;
        for found in new.iter().filter(|found| is_shown(found)) {
            show.item(&found.item)?;
        }
        tokio::time::sleep(FOLLOW).await;
    }
}

/// Whether an item has something to show: with `observability.logs.invocation_logs = false`, its
/// logs and exceptions only.
fn is_shown(found: &Found) -> bool {
    found.shows_invocation || !found.item.logs.is_empty() || !found.item.exceptions.is_empty()
}

fn filter(options: &SearchOptions) -> Result<Filter> {
    let SearchOptions {
        kept,
        outcomes,
        statuses,
        levels,
        search,
        condition,
        ..
    } = options;
    let expression = condition.as_ref().map(|text| text.parse::<Expression>());
    let outcomes = outcomes.iter().map(|name| outcome(name));
    let statuses = statuses.iter().map(|text| status(text));
    let (since, until) = time::range(kept)?;
    Ok(Filter {
        since,
        until,
        workers: kept.workers.clone(),
        outcomes: outcomes.collect::<Result<_>>()?,
        statuses: statuses.collect::<Result<_>>()?,
        levels: levels.iter().copied().map(Into::into).collect(),
        search: search.clone(),
        expression: expression
            .transpose()
            .map_err(|error| UsageError::new(format!("--where: {error}")))?,
        id: None,
    })
}

fn outcome(name: &str) -> Result<Outcome> {
    let quoted = serde_json::Value::from(name);
    serde_json::from_value(quoted).map_err(|_| {
        let known = "ok, exception, exceededCpu, exceededMemory, exceededWallTime, canceled, responseStreamDisconnected, scriptNotFound, loadShed, killSwitch, aborted, internalError or unknown";
        UsageError::new(format!("--outcome {name}: expected {known}")).into()
    })
}

/// Reads `404`, `5xx` or `400-403`.
fn status(text: &str) -> Result<(u16, u16)> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|n| (100..600).contains(n));
    let range = match text.split_once('-') {
        Some((from, to)) => number(from).zip(number(to)),
        None => match text
            .strip_suffix("xx")
            .and_then(|class| class.parse::<u16>().ok())
        {
            Some(class) if (1..=5).contains(&class) => Some((class * 100, class * 100 + 99)),
            _ => number(text).map(|status| (status, status)),
        },
    };
    range.ok_or_else(|| {
        UsageError::new(format!(
            "--status {text}: expected a status such as 404, 5xx or 400-403"
        ))
        .into()
    })
}
