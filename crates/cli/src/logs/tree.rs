//! `taffrail logs --invocation`: all invocations of one request, and their spans.

use crate::args::{LogFormat, UsageError};
use crate::exit;
use crate::logs::show::Show;
use anyhow::{Result, bail};
use std::collections::{HashMap, HashSet};
use taffrail_logs::{Filter, Reader};
use taffrail_trace::{EpochUs, Span, SpanId, TraceItem};

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
    let items = items(reader, &request)?;
    Tree::new(&items).show(&mut Show::new(format)?)?;
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

/// Invocations and their spans, by what they are below.
struct Tree<'a>(HashMap<Option<Place<'a>>, Vec<Node<'a>>>);

/// What others can be below.
#[derive(PartialEq, Eq, Hash)]
enum Place<'a> {
    Invocation(&'a str),
    Span(SpanId),
}

#[derive(Clone, Copy)]
enum Node<'a> {
    Invocation(&'a TraceItem),
    Span(&'a Span),
}

impl<'a> Tree<'a> {
    fn new(items: &'a [TraceItem]) -> Self {
        let spans = items.iter().flat_map(|item| &item.spans);
        let spans: HashSet<_> = spans.map(|span| span.span_id).collect();
        let invocations = items.iter().map(|item| item.invocation_id.as_str());
        let invocations: HashSet<_> = invocations.collect();
        let within = |span: Option<SpanId>, invocation: Option<&'a str>| {
            let span = span.filter(|id| spans.contains(id)).map(Place::Span);
            let invocation = invocation.filter(|id| invocations.contains(id));
            span.or(invocation.map(Place::Invocation))
        };
        let mut below = HashMap::<_, Vec<_>>::new();
        for item in items {
            // Those whose caller was not kept are at the top.
            let caller = item.parent_invocation_id.as_deref();
            let place = within(item.parent_span_id, caller);
            below.entry(place).or_default().push(Node::Invocation(item));
            for span in &item.spans {
                let place = within(Some(span.parent_span_id), Some(&item.invocation_id));
                below.entry(place).or_default().push(Node::Span(span));
            }
        }
        for nodes in below.values_mut() {
            nodes.sort_by_key(Node::start);
        }
        Self(below)
    }

    /// Shows all nodes, each followed by what is below it.
    fn show(mut self, show: &mut Show) -> Result<()> {
        // Guests decide how deep spans are, so this does not call itself.
        let mut left = self.take(None, 0);
        while let Some((node, depth)) = left.pop() {
            let place = match node {
                Node::Invocation(item) => {
                    show.nested(item, depth)?;
                    Place::Invocation(&item.invocation_id)
                }
                Node::Span(span) => {
                    show.span(span, depth)?;
                    Place::Span(span.span_id)
                }
            };
            left.extend(self.take(Some(place), depth + 1));
        }
        Ok(())
    }

    /// Takes out what is below a place, the first node last, so that the tree ends whatever the
    /// ids are.
    fn take(&mut self, place: Option<Place<'a>>, depth: usize) -> Vec<(Node<'a>, usize)> {
        let nodes = self.0.remove(&place).into_iter().flatten();
        nodes.rev().map(|node| (node, depth)).collect()
    }
}

impl Node<'_> {
    fn start(&self) -> EpochUs {
        match self {
            Self::Invocation(item) => item.event_timestamp.unwrap_or(0).saturating_mul(1000),
            Self::Span(span) => span.start,
        }
    }
}
