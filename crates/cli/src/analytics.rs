//! `taffrail analytics query`: queries the data points that Workers have written.

use crate::args::{AnalyticsCommand, AnalyticsOptions};
use crate::{progress, query};
use anyhow::Result;
use taffrail_sql::{Analytics, Rules};

pub(crate) async fn run(options: AnalyticsOptions) -> Result<u8> {
    let AnalyticsCommand::Query(options) = options.command;
    let analytics = Analytics::in_directory(&options.dir.join(".taffrail"));
    if !analytics.file().exists() {
        progress::warning(&format!(
            "no Worker has written data points in `{}` yet; `--dir` names another directory",
            options.dir.display()
        ));
    }
    query::run(&options, Rules::ANALYTICS, move |request, cancel| {
        analytics.query(request, cancel)
    })
    .await
}
