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
    /// How many invocations it stands for, itself included: the inverse of the sampling rate. An
    /// item without it is only for [`tails`](Self::tails), and cannot be searched.
    pub sample_interval: Option<f64>,
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
    /// Returns the item as JSON, in the form in which it is kept.
    pub(crate) fn json(&self) -> String {
        let item = self.privacy.apply(&self.item);
        // Maps with keys that are not text do not occur, and nothing else fails.
        serde_json::to_string(&*item).unwrap_or_default()
    }
}

impl Privacy {
    /// Whether anything is removed.
    #[must_use]
    pub fn removes_any(&self) -> bool {
        self.redact_query_string || self.scrub.is_some()
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
