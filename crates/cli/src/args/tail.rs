//! The command line of `taffrail tail`.

use crate::args::{At, Level};
use clap::{Args as ArgGroup, ValueEnum};
use std::path::PathBuf;
use taffrail_control::{ClientIp, Condition, HeaderFilter, SamplingRate};

#[derive(ArgGroup, Debug)]
pub(crate) struct TailOptions {
    /// The name of the Worker [default: all Workers]
    pub(crate) worker: Option<String>,
    /// The format [default: pretty; json if stdout is not a terminal]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<TailFormat>,
    #[command(flatten)]
    pub(crate) filters: TailFilters,
    /// First show kept invocations that began after this: a time, or a duration before
    /// now such as 10m. The Worker needs `observability.enabled = true`
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// The directory of the first Worker, which has the logs for --since
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) at: At,
}

/// Which invocations a live tail shows.
#[derive(ArgGroup, Debug)]
pub(crate) struct TailFilters {
    /// Those with this outcome. Can be repeated
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Vec<Status>,
    /// Requests with this method. Can be repeated
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Vec<String>,
    /// Requests with this header, and with this value if there is one
    #[arg(long, value_name = "NAME[:VALUE]", value_parser = header)]
    pub(crate) header: Option<HeaderFilter>,
    /// A share of the requests, between 0 and 1
    #[arg(long, value_name = "RATE")]
    pub(crate) sampling_rate: Option<SamplingRate>,
    /// Those with this text in a console message
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// Requests from this IP address, or from this machine (`self`). Can be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Vec<ClientIp>,
    /// Those of this version of the Worker
    #[arg(long, value_name = "ID")]
    pub(crate) version_id: Option<String>,
    /// Those that logged at this level. Can be repeated
    #[arg(long = "level", value_name = "LEVEL")]
    pub(crate) levels: Vec<Level>,
    /// Those of which an expression is true, as in SQL
    #[arg(long = "where", value_name = "EXPRESSION")]
    pub(crate) condition: Option<Condition>,
}

/// Splits at the first colon: a value may have more.
fn header(text: &str) -> Result<HeaderFilter, String> {
    let (key, query) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value.trim().to_owned())),
        None => (text, None),
    };
    match key.trim() {
        "" => Err("it has no name; write `NAME` or `NAME:VALUE`".to_owned()),
        key => Ok(HeaderFilter {
            key: key.to_owned(),
            query,
        }),
    }
}

/// Outcomes as `wrangler tail` groups them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    /// The handler ran to its end
    Ok,
    /// Every other outcome but `canceled`
    Error,
    /// The client went away
    Canceled,
}

/// The format of a live tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailFormat {
    /// A line for each invocation and each log entry, as in `wrangler tail`
    Pretty,
    /// A line of JSON for each trace item
    Json,
}
