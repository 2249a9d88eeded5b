//! Runs a query in SQL, and prints its answer.

use crate::args::{AnswerFormat, QueryOptions, UsageError};
use crate::exit;
use crate::progress::Spinner;
use crate::terminal::Readable;
use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use std::io::{self, IsTerminal, Read, Write, stdin, stdout};
use std::time::Duration;
use taffrail_sql::{Answer, Cancel, Error, ErrorKind, Format, Limits, Params, Request, Rules};
use tokio::task::JoinHandle;

/// Queries that take longer than this are shown as under way.
const WORTH_SHOWING: Duration = Duration::from_secs(1);

/// Runs the query of these options by `query`, and prints the answer.
pub(crate) async fn run(
    options: &QueryOptions,
    rules: Rules,
    query: impl FnOnce(&Request<'_>, &Cancel) -> Result<Answer, Error> + Send + 'static,
) -> Result<u8> {
    let sql = sql(options, rules)?;
    let cancel = Cancel::default();
    let running = {
        let cancel = cancel.clone();
        tokio::task::spawn_blocking(move || {
            let request = Request {
                sql: &sql,
                params: Params::None,
                now: Timestamp::now(),
                rules,
                limits: Limits::default(),
            };
            query(&request, &cancel)
        })
    };
    match finish(running, &cancel).await? {
        Ok(answer) => {
            print(&answer, options.format).context("cannot write to stdout")?;
            Ok(exit::OK)
        }
        Err(error) if error.kind() == ErrorKind::Invalid => {
            Err(UsageError::new(error.to_string()).into())
        }
        Err(error) => Err(anyhow!("{error}")),
    }
}

fn sql(options: &QueryOptions, rules: Rules) -> Result<String> {
    if options.sql != "-" {
        return Ok(options.sql.clone());
    }
    let mut sql = String::new();
    // One byte more than a query may have, so that it is refused and not cut.
    let most = rules.bytes as u64 + 1;
    let read = stdin().take(most).read_to_string(&mut sql);
    read.context("cannot read the query from stdin")?;
    Ok(sql)
}

/// Waits for the answer. Ctrl-C cancels the query.
async fn finish(
    mut running: JoinHandle<Result<Answer, Error>>,
    cancel: &Cancel,
) -> Result<Result<Answer, Error>> {
    let mut spinner = None;
    loop {
        tokio::select! {
            answer = &mut running => return Ok(answer?),
            () = tokio::time::sleep(WORTH_SHOWING), if spinner.is_none() => {
                spinner = Some(Spinner::start("Querying"));
            }
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.context("cannot wait for Ctrl-C")?;
                cancel.cancel();
            }
        }
    }
}

fn print(answer: &Answer, format: Option<AnswerFormat>) -> io::Result<()> {
    let format = match format {
        Some(AnswerFormat::Table) => Format::Table,
        Some(AnswerFormat::Json) => Format::Json,
        Some(AnswerFormat::Ndjson) => Format::JsonEachRow,
        Some(AnswerFormat::Csv) => Format::Csv,
        Some(AnswerFormat::Tsv) => Format::TabSeparated,
        None => answer.format.unwrap_or(Format::Table),
    };
    let mut out: Box<dyn Write> = match stdout().is_terminal() {
        true => Box::new(Readable::new(stdout())),
        false => Box::new(stdout()),
    };
    let written = out.write_all(answer.write(format).as_bytes());
    match written.and_then(|()| out.flush()) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
