//! The trace items that were recorded.

use crate::stable::stable;
use serde_json::Value;
use std::ops::Deref;
use std::sync::Arc;
use taffrail_runtime::TailConsumer;
use taffrail_runtime::trace::{Outcome, TraceException, TraceItem};
use tokio::sync::watch;

/// Trace items, in the order in which their invocations ended.
#[derive(Clone, Debug)]
pub struct Items {
    items: Vec<Item>,
    /// The Worker that they are of, if they are of one.
    worker: Option<String>,
    /// The Workers of all items that were recorded.
    recorded: Vec<String>,
}

/// The trace item of one invocation.
#[derive(Clone, Debug)]
pub struct Item(Arc<TraceItem>);

impl Items {
    fn new(items: Vec<Item>) -> Self {
        let mut recorded: Vec<_> = items
            .iter()
            .map(|item| item.worker().unwrap_or_default().to_owned())
            .collect();
        recorded.dedup();
        Self {
            items,
            worker: None,
            recorded,
        }
    }

    /// Those of one Worker.
    #[must_use]
    pub fn of(&self, worker: &str) -> Self {
        let items = self.items.iter();
        Self {
            items: items
                .filter(|item| item.worker() == Some(worker))
                .cloned()
                .collect(),
            worker: Some(worker.to_owned()),
            recorded: self.recorded.clone(),
        }
    }

    /// The one whose invocation ended first.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[must_use]
    #[track_caller]
    pub fn first(&self) -> &Item {
        self.items.first().unwrap_or_else(|| self.none())
    }

    /// The one whose invocation ended last.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[must_use]
    #[track_caller]
    pub fn last(&self) -> &Item {
        self.items.last().unwrap_or_else(|| self.none())
    }

    /// The only one.
    ///
    /// # Panics
    ///
    /// Panics if there is none, and when there are several.
    #[must_use]
    #[track_caller]
    pub fn only(&self) -> &Item {
        match &*self.items {
            [] => self.none(),
            [item] => item,
            several => panic!(
                "there are {} items{}, and one was expected: {several:#?}",
                several.len(),
                self.of_which()
            ),
        }
    }

    /// The items in JSON, with stable values for what differs between runs, and in
    /// a stable order: see [`stable`].
    #[must_use]
    pub fn stable(&self) -> Vec<Value> {
        stable(self.items.iter().map(|item| &**item))
    }

    #[track_caller]
    fn none(&self) -> ! {
        match &*self.recorded {
            [] => panic!("there is no item{}: none was recorded", self.of_which()),
            recorded => panic!(
                "there is no item{}: there are items of {recorded:?}",
                self.of_which()
            ),
        }
    }

    fn of_which(&self) -> String {
        self.worker
            .as_ref()
            .map_or_else(String::new, |worker| format!(" of `{worker}`"))
    }
}

impl Deref for Items {
    type Target = [Item];

    fn deref(&self) -> &[Item] {
        &self.items
    }
}

impl IntoIterator for Items {
    type Item = Item;
    type IntoIter = std::vec::IntoIter<Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = &'a Item;
    type IntoIter = std::slice::Iter<'a, Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl Item {
    /// The outcome of the invocation.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// What the invocation logged, as `level text`. A string stands as it is,
    /// other arguments as JSON.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        logs(&self.0)
    }

    /// The exception that ended the invocation.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    #[must_use]
    #[track_caller]
    pub fn exception(&self) -> &TraceException {
        self.0
            .exceptions
            .last()
            .unwrap_or_else(|| panic!("there is no exception: {self:#?}"))
    }

    /// The item as Tail Workers get it in JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(&*self.0).unwrap_or_default()
    }

    fn worker(&self) -> Option<&str> {
        self.0.script.script_name.as_deref()
    }
}

impl Deref for Item {
    type Target = TraceItem;

    fn deref(&self) -> &TraceItem {
        &self.0
    }
}

impl From<Item> for Arc<TraceItem> {
    fn from(item: Item) -> Self {
        item.0
    }
}

/// What an invocation logged, as `level text`. A string stands as it is, other
/// arguments as JSON.
#[must_use]
pub fn logs(item: &TraceItem) -> Vec<String> {
    item.logs
        .iter()
        .map(|log| {
            let arguments = log.message.iter().map(|json| {
                serde_json::from_str::<String>(json.get()).unwrap_or_else(|_| json.get().to_owned())
            });
            let level = serde_json::to_value(log.level).unwrap_or_default();
            let level = level.as_str().unwrap_or_default().to_owned();
            std::iter::once(level)
                .chain(arguments)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// Keeps all items.
#[derive(Default)]
pub(crate) struct Recorder(watch::Sender<Vec<Item>>);

impl Recorder {
    pub(crate) fn items(&self) -> Items {
        Items::new(self.0.borrow().clone())
    }

    /// Waits until there is an item of a Worker, the first of which it returns.
    pub(crate) async fn item_from(&self, worker: &str) -> Option<Item> {
        let is_its = |item: &&Item| item.worker() == Some(worker);
        let mut changes = self.0.subscribe();
        let items = changes.wait_for(|items| items.iter().any(|item| is_its(&item)));
        items.await.ok()?.iter().find(is_its).cloned()
    }
}

impl TailConsumer for Recorder {
    fn deliver(&self, item: &Arc<TraceItem>) {
        self.0
            .send_modify(|items| items.push(Item(Arc::clone(item))));
    }
}
