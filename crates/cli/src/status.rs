//! `taffrail status`: shows the deliveries of a running process.

use crate::args::{StatusFormat, StatusOptions};
use crate::{control, exit, terminal};
use anyhow::{Context, Result};
use std::io::{Write, stdout};
use taffrail_runtime::Delivery;

pub(crate) async fn run(options: &StatusOptions) -> Result<u8> {
    let answer = control::client(&options.at)?.status().await?;
    let deliveries: Vec<Delivery> =
        serde_json::from_slice(&answer).context("the answer is not a list of deliveries")?;
    let text = match options.format {
        StatusFormat::Json => format!("{}\n", String::from_utf8_lossy(&answer)),
        StatusFormat::Table => table(&deliveries),
    };
    stdout()
        .write_all(text.as_bytes())
        .context("cannot write to stdout")?;
    Ok(exit::OK)
}

fn table(deliveries: &[Delivery]) -> String {
    const HEAD: &str = "TAIL CONSUMER";
    let names = deliveries.iter().map(|row| row.consumer.len());
    let width = names.max().unwrap_or(0).max(HEAD.len());
    let mut text = format!(
        "{HEAD:width$}  {:>10}  {:>10}  {:>10}  {:>10}\n",
        "PRODUCED", "DELIVERED", "LOST", "WAITING"
    );
    for row in deliveries {
        let Delivery {
            consumer,
            produced,
            delivered,
            lost,
            waiting,
            ..
        } = row;
        let line = format!(
            "{consumer:width$}  {produced:>10}  {delivered:>10}  {lost:>10}  {waiting:>10}  {}",
            reasons(row)
        );
        text.push_str(&terminal::line(line.trim_end()));
        text.push('\n');
    }
    text
}

/// Describes the items that a consumer lost by the end of the process, if any.
pub(crate) fn losses(delivery: &Delivery) -> Option<String> {
    let mut delivery = delivery.clone();
    if delivery.waiting > 0 {
        let reason = "a call did not end".to_owned();
        delivery.reasons.insert(reason, delivery.waiting);
    }
    let lost = delivery.lost + delivery.waiting;
    (lost > 0).then(|| {
        let (consumer, produced) = (&delivery.consumer, delivery.produced);
        let reasons = reasons(&delivery);
        format!("tail consumer `{consumer}`: {lost} of {produced} item(s) lost: {reasons}")
    })
}

/// Lists the reasons for losses, each with the number of items.
fn reasons(delivery: &Delivery) -> String {
    let reasons = delivery.reasons.iter();
    let reasons: Vec<_> = reasons
        .map(|(reason, items)| format!("{reason} ({items})"))
        .collect();
    reasons.join(", ")
}
