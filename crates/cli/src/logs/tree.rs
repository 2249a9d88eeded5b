//! `taffrail logs --invocation`: all invocations of one request.

use crate::args::{LogFormat, UsageError};
use crate::exit;
use crate::logs::show::Show;
use anyhow::{Result, bail};
use taffrail_logs::{Filter, Reader};
use taffrail_trace::TraceItem;

/// Reads the id of an invocation.
pub(super) fn id(id: &str) -> Result<String> {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("--invocation {id}: an id has 32 hexadecimal digits");
        return Err(UsageError::new(message).into());
    }
    Ok(id.to_ascii_lowercase())
}

pub(super) fn run(reader: &Reader, id: &str, format: LogFormat) -> Result<u8> {
    let Some(request) = items(reader, id)?
        .first()
        .map(|item| item.request_id.clone())
    else {
        bail!("there is no invocation {id} in the logs");
    };
    let mut items = items(reader, &request)?;
    items.sort_by_key(|item| item.event_timestamp);
    let mut show = Show::new(format)?;
    let is_known = |id: &String| items.iter().any(|item| item.invocation_id == *id);
    // Those whose caller was not kept are at the top.
    let roots = items
        .iter()
        .filter(|item| !item.parent_invocation_id.as_ref().is_some_and(is_known));
    for root in roots {
        branch(&mut show, &items, root, 0)?;
    }
    Ok(exit::OK)
}

/// Returns the items whose invocation or request has this id, in the order of their ends.
fn items(reader: &Reader, id: &str) -> Result<Vec<TraceItem>> {
    let filter = Filter {
        id: Some(id.to_owned()),
        ..Filter::default()
    };
    let mut items = Vec::new();
    reader.latest(&filter, |found| {
        items.push(found.item);
        true
    })?;
    items.reverse();
    Ok(items)
}

fn branch(show: &mut Show, items: &[TraceItem], item: &TraceItem, depth: usize) -> Result<()> {
    show.nested(item, depth)?;
    let id = Some(&item.invocation_id);
    let called = items
        .iter()
        .filter(|other| other.parent_invocation_id.as_ref() == id);
    for other in called {
        branch(show, items, other, depth + 1)?;
    }
    Ok(())
}
