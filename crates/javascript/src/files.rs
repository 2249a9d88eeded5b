//! The files that the bundler can see, which are never the host's as such.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { size: u64 },
    Link,
}

/// Why a file cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    TooLarge,
}

/// A tree that can be read. Paths begin with `/` and hold no `.` or `..`.
pub(crate) trait Files: Send + Sync {
    /// What is at a path, or at the end of a link there.
    fn kind(&self, path: &str, follow: bool) -> Option<Kind>;

    /// What a directory holds.
    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>>;

    /// The contents of a file of `limit` bytes at most.
    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal>;

    /// Where a link leads.
    fn link(&self, path: &str) -> Option<String>;
}

/// Files in memory.
#[derive(Default)]
pub(crate) struct Given(BTreeMap<String, Arc<[u8]>>);

impl Given {
    /// Adds a file.
    pub(crate) fn insert(&mut self, path: String, contents: Arc<[u8]>) {
        self.0.insert(path, contents);
    }
}

/// What all paths below a directory begin with.
fn below(path: &str) -> String {
    format!("{}/", path.trim_end_matches('/'))
}

fn file(contents: &[u8]) -> Kind {
    Kind::File {
        size: contents.len() as u64,
    }
}

impl Files for Given {
    fn kind(&self, path: &str, _follow: bool) -> Option<Kind> {
        if let Some(contents) = self.0.get(path) {
            return Some(file(contents));
        }
        let prefix = below(path);
        let (first, _) = self.0.range(prefix.clone()..).next()?;
        first.starts_with(&prefix).then_some(Kind::Directory)
    }

    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>> {
        let prefix = below(path);
        let mut entries = BTreeMap::new();
        for (path, contents) in self.0.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else {
                break;
            };
            match name.split_once('/') {
                None => entries.insert(name.to_owned(), file(contents)),
                Some((directory, _)) => entries.insert(directory.to_owned(), Kind::Directory),
            };
        }
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }

    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal> {
        let contents = self.0.get(path).ok_or(Refusal::NotFound)?;
        if contents.len() > limit {
            return Err(Refusal::TooLarge);
        }
        Ok(Arc::clone(contents))
    }

    fn link(&self, _path: &str) -> Option<String> {
        None
    }
}
