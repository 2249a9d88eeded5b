//! The virtual file system of the bundler.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An entry at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { size: u64 },
    Link,
}

/// The reason why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    TooLarge,
}

/// A tree of files. Paths begin with `/` and have no `.` or `..`.
pub(crate) trait Files: Send + Sync {
    /// Returns the kind of the entry at a path, or of the target of a link there.
    fn kind(&self, path: &str, follow: bool) -> Option<Kind>;

    /// Returns the entries of a directory.
    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>>;

    /// Returns the contents of a file of at most `limit` bytes.
    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal>;

    /// Returns the target of a link.
    fn link(&self, path: &str) -> Option<String>;
}

/// Files in memory.
#[derive(Default)]
pub(crate) struct Given {
    files: BTreeMap<String, Arc<[u8]>>,
    /// Links to their own directories.
    links: BTreeSet<String>,
}

impl Given {
    /// Adds a file.
    pub(crate) fn insert(&mut self, path: String, contents: Arc<[u8]>) {
        self.files.insert(path, contents);
    }

    /// Adds a link to its own directory, unless there is an entry of that name.
    pub(crate) fn add_link(&mut self, path: String) {
        if self.kind(&path, false).is_none() {
            self.links.insert(path);
        }
    }

    /// Returns the path with links resolved.
    fn real(&self, path: &str) -> String {
        let mut real = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let directory = real.len();
            real.push('/');
            real.push_str(part);
            if self.links.contains(&real) {
                real.truncate(directory);
            }
        }
        real
    }
}

/// Returns the prefix of all paths below a directory.
fn below(path: &str) -> String {
    format!("{}/", path.trim_end_matches('/'))
}

fn file(contents: &[u8]) -> Kind {
    Kind::File {
        size: contents.len() as u64,
    }
}

impl Files for Given {
    fn kind(&self, path: &str, follow: bool) -> Option<Kind> {
        if !follow && self.links.contains(path) {
            return Some(Kind::Link);
        }
        let path = self.real(path);
        if let Some(contents) = self.files.get(&path) {
            return Some(file(contents));
        }
        let prefix = below(&path);
        let (first, _) = self.files.range(prefix.clone()..).next()?;
        first.starts_with(&prefix).then_some(Kind::Directory)
    }

    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>> {
        let prefix = below(&self.real(path));
        let mut entries = BTreeMap::new();
        for (path, contents) in self.files.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else {
                break;
            };
            match name.split_once('/') {
                None => entries.insert(name.to_owned(), file(contents)),
                Some((directory, _)) => entries.insert(directory.to_owned(), Kind::Directory),
            };
        }
        let links = self.links.iter();
        let links = links.filter_map(|path| path.strip_prefix(&prefix));
        let links = links.filter(|name| !name.contains('/'));
        entries.extend(links.map(|name| (name.to_owned(), Kind::Link)));
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }

    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal> {
        let contents = self.files.get(&self.real(path));
        let contents = contents.ok_or(Refusal::NotFound)?;
        if contents.len() > limit {
            return Err(Refusal::TooLarge);
        }
        Ok(Arc::clone(contents))
    }

    fn link(&self, path: &str) -> Option<String> {
        self.links.contains(path).then(|| ".".to_owned())
    }
}
