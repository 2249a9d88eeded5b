//! Items of one Worker together.

use std::borrow::Cow;
use taffrail_trace::{Script, TraceItem};

/// Groups items by the Worker and its version, in the order in which they came.
pub(super) fn by_script<'a>(
    items: &'a [Cow<'_, TraceItem>],
) -> Vec<(&'a Script, Vec<&'a TraceItem>)> {
    let mut groups: Vec<(&Script, Vec<&TraceItem>)> = Vec::new();
    for item in items {
        let same = |script: &Script| {
            script.script_name == item.script.script_name
                && script.script_version == item.script.script_version
        };
        match groups.iter_mut().find(|(script, _)| same(script)) {
            Some((_, group)) => group.push(item),
            None => groups.push((&item.script, vec![item])),
        }
    }
    groups
}
