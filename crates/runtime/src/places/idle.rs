//! Idle entries, ordered by their last use.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long an entry may idle. It is removed when another one is added: a process without events
/// has no use for its memory.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// The owner of idle entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnerId(u64);

impl OwnerId {
    /// Returns a new id.
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Relaxed))
    }
}

/// A number that grows with each use.
type Ticket = u64;

pub(super) struct Idle<T> {
    latest: Ticket,
    all: BTreeMap<Ticket, Kept<T>>,
    /// The tickets of each owner, the most recently used last.
    by_owner: HashMap<OwnerId, Vec<Ticket>>,
    memory: usize,
    most_memory: usize,
}

struct Kept<T> {
    owner: OwnerId,
    thing: T,
    memory: usize,
    since: Instant,
}

impl<T> Idle<T> {
    pub(super) fn new(most_memory: usize) -> Self {
        Self {
            latest: 0,
            all: BTreeMap::new(),
            by_owner: HashMap::new(),
            memory: 0,
            most_memory,
        }
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Adds an entry that was just used. Returns it if its owner already has `most` entries.
    pub(super) fn add(
        &mut self,
        owner: OwnerId,
        thing: T,
        memory: usize,
        most: usize,
        now: Instant,
    ) -> Option<T> {
        let tickets = self.by_owner.entry(owner).or_default();
        if tickets.len() >= most {
            return Some(thing);
        }
        self.latest += 1;
        tickets.push(self.latest);
        self.memory += memory;
        let kept = Kept {
            owner,
            thing,
            memory,
            since: now,
        };
        self.all.insert(self.latest, kept);
        None
    }

    /// Removes the entries that exceed the limit of memory or have idled for too long.
    pub(super) fn excess(&mut self, now: Instant) -> Vec<T> {
        let mut excess = Vec::new();
        while let Some((_, oldest)) = self.all.first_key_value()
            && (self.memory > self.most_memory || now - oldest.since > IDLE_TIME)
        {
            excess.extend(self.pop_oldest());
        }
        excess
    }

    pub(super) fn pop_oldest(&mut self) -> Option<T> {
        let (ticket, kept) = self.all.pop_first()?;
        if let Some(tickets) = self.by_owner.get_mut(&kept.owner) {
            tickets.retain(|other| *other != ticket);
            if tickets.is_empty() {
                self.by_owner.remove(&kept.owner);
            }
        }
        self.memory -= kept.memory;
        Some(kept.thing)
    }

    pub(super) fn pop_newest(&mut self, owner: OwnerId) -> Option<T> {
        let tickets = self.by_owner.get_mut(&owner)?;
        let newest = tickets.pop();
        if tickets.is_empty() {
            self.by_owner.remove(&owner);
        }
        let kept = self.all.remove(&newest?)?;
        self.memory -= kept.memory;
        Some(kept.thing)
    }

    pub(super) fn remove(&mut self, owner: OwnerId) -> Vec<T> {
        std::iter::from_fn(|| self.pop_newest(owner)).collect()
    }
}
