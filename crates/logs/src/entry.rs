//! An item on its way into the store.

use crate::scrub::Scrub;
use std::borrow::Cow;
use std::sync::Arc;
use taffrail_trace::{AttributeValue, EventInfo, TailRequest, TraceItem};

/// What is shown instead of a query string.
const REDACTED_QUERY: &str = "?REDACTED";

/// The attribute of a span that has a URL.
const URL: &str = "url.full";

/// An item, and how it is kept.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The item.
    pub item: Arc<TraceItem>,
    /// How many invocations it stands for, itself included: the inverse of the sampling rate. The
    /// logs of an item without it are only for [`tails`](Self::tails), and cannot be searched.
    pub sample_interval: Option<f64>,
    /// Whether its spans are kept, be it that its logs are not.
    pub keeps_spans: bool,
    /// Whether the invocation itself is shown, beside its logs and exceptions.
    pub shows_invocation: bool,
    /// The targets that it has to be delivered to, each in a form of the caller's.
    pub tails: Vec<String>,
    /// What is removed from it before it is kept.
    pub privacy: Arc<Privacy>,
}

/// What is removed from items before they are kept, besides what is always redacted.
#[derive(Clone, Debug, Default)]
pub struct Privacy {
    /// Whether query strings of URLs are removed.
    pub redact_query_string: bool,
    /// Patterns whose matches are removed from logs and exceptions.
    pub scrub: Option<Scrub>,
}

impl Entry {
    /// Whether the item is found, be it by its spans alone.
    #[must_use]
    pub fn is_searched(&self) -> bool {
        self.sample_interval.is_some() || self.keeps_spans
    }

    /// Returns the item as JSON, in the form in which it is kept. A tail receives all of it.
    pub(crate) fn json(&self) -> String {
        let mut item = self.privacy.apply(&self.item);
        if self.tails.is_empty() {
            let keeps_logs = self.sample_interval.is_some();
            if !keeps_logs || !self.keeps_spans && has_spans(&item) {
                leave_out(item.to_mut(), keeps_logs, self.keeps_spans);
            }
        }
        // Maps with keys that are not text do not occur, and nothing else fails.
        serde_json::to_string(&*item).unwrap_or_default()
    }
}

/// Removes what is not kept of an item: what it logged, or its spans.
pub(crate) fn leave_out(item: &mut TraceItem, keeps_logs: bool, keeps_spans: bool) {
    if !keeps_logs {
        item.logs = Vec::new();
        item.exceptions = Vec::new();
        item.diagnostics_channel_events = Vec::new();
    }
    if !keeps_spans {
        item.spans = Vec::new();
        item.span_attributes = Vec::new();
    }
}

fn has_spans(item: &TraceItem) -> bool {
    !item.spans.is_empty() || !item.span_attributes.is_empty()
}

impl Privacy {
    /// Whether anything is removed.
    #[must_use]
    pub fn removes_any(&self) -> bool {
        self.redact_query_string || self.scrub.is_some()
    }

    /// Removes what another one removes, too.
    pub fn extend(&mut self, other: &Self) {
        self.redact_query_string |= other.redact_query_string;
        match (&mut self.scrub, &other.scrub) {
            (Some(scrub), Some(other)) => scrub.extend(other),
            (scrub @ None, other) => scrub.clone_from(other),
            (Some(_), None) => {}
        }
    }

    /// Returns an item without what has to be removed.
    pub fn apply<'a>(&self, item: &'a TraceItem) -> Cow<'a, TraceItem> {
        if !self.removes_any() {
            return Cow::Borrowed(item);
        }
        let mut item = item.clone();
        if let Some(scrub) = &self.scrub {
            scrub.apply(&mut item);
        }
        let attributes = item.spans.iter_mut().flat_map(|span| &mut span.attributes);
        for attribute in attributes.filter(|attribute| attribute.name == URL) {
            if let AttributeValue::Text(url) = &mut attribute.value {
                self.redact_query(url);
            }
        }
        if let Some(EventInfo::Fetch { request, .. }) = &mut item.event {
            let mut data = request.unredacted().clone();
            self.redact_query(&mut data.url);
            if let Some(scrub) = &self.scrub {
                data.url = scrub.text(&data.url).into_owned();
            }
            *request = TailRequest::new(data);
        }
        Cow::Owned(item)
    }

    fn redact_query(&self, url: &mut String) {
        if let Some(query) = url.find('?').filter(|_| self.redact_query_string) {
            url.replace_range(query.., REDACTED_QUERY);
        }
    }
}
