//! The arguments of `taffrail analytics`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct AnalyticsOptions {
    #[command(subcommand)]
    pub(crate) command: AnalyticsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AnalyticsCommand {
    /// Query data points in the SQL of Cloudflare's Analytics Engine
    #[command(after_help = "\
The data points are those that Workers of DIR write with `writeDataPoint`, also while
`taffrail dev` or `taffrail serve` is running. Each dataset is a table.

Exit status:
  0  the query has an answer
  1  it took too long, its answer is too large, it was interrupted, or the data points
     cannot be read
  2  the query is wrong

Examples:
  taffrail analytics query 'SHOW TABLES'
  taffrail analytics query \"SELECT blob1, count() AS n FROM clicks GROUP BY blob1\"
  taffrail analytics query --dir api --format csv - < report.sql")]
    Query(QueryOptions),
}

#[derive(Args, Debug)]
pub(crate) struct QueryOptions {
    /// The query; `-` reads it from stdin
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// The directory of the Worker, or of the first one of several
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The format of the answer [default: what FORMAT in the query says, or table]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<AnswerFormat>,
}

/// The format of the answer to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// Aligned columns with a head
    Table,
    /// One JSON object with the columns and the rows, as Cloudflare's `FORMAT JSON`
    Json,
    /// A line of JSON for each row
    Ndjson,
    /// Comma-separated values with a head
    Csv,
    /// Tab-separated values without a head
    Tsv,
}
