//! The files of a store.
//!
//! A store is a folder of segments. A segment is two databases: `N.items.sqlite` has the items as
//! they were accepted, and `N.index.sqlite` has what is needed to find them. `N` is the number of
//! the segment's first item. A segment is written until it is large or old; then the next one
//! begins. Old segments are removed as a whole.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const ITEMS: &str = ".items.sqlite";
const INDEX: &str = ".index.sqlite";
const DAMAGED: &str = ".damaged";

/// The latest changes of a database.
pub(crate) const WAL: &str = "-wal";

/// What SQLite keeps beside a database.
const BESIDE: [&str; 2] = [WAL, "-shm"];

/// The file whose lock the writer holds.
const LOCK: &str = "writer.lock";

/// The files of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The number of its first item.
    pub(crate) first: u64,
    pub(crate) items: PathBuf,
    pub(crate) index: PathBuf,
}

impl Segment {
    pub(crate) fn new(folder: &Path, first: u64) -> Self {
        Self {
            first,
            items: folder.join(format!("{first:020}{ITEMS}")),
            index: folder.join(format!("{first:020}{INDEX}")),
        }
    }

    /// Returns the size of its files.
    pub(crate) fn bytes(&self) -> u64 {
        let with_beside = |path: &Path| {
            let beside = BESIDE.iter().map(|end| with_end(path, end));
            beside.chain([path.to_owned()]).collect::<Vec<_>>()
        };
        let files = [with_beside(&self.items), with_beside(&self.index)].concat();
        let sizes = files.iter().filter_map(|file| fs::metadata(file).ok());
        sizes.map(|metadata| metadata.len()).sum()
    }

    /// Removes its files.
    pub(crate) fn remove(&self) -> io::Result<()> {
        remove_database(&self.index)?;
        remove_database(&self.items)
    }
}

/// Returns the segments in a folder, in order. A folder that does not exist has none.
pub(crate) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut segments = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ITEMS));
        if let Some(first) = number.and_then(|number| number.parse().ok()) {
            segments.push(Segment::new(folder, first));
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Returns those of all segments that can have items above a number.
pub(crate) fn above(segments: &[Segment], number: u64) -> impl Iterator<Item = &Segment> {
    let complete = segments.windows(2);
    let complete = complete.take_while(move |pair| pair[1].first <= number + 1);
    segments.iter().skip(complete.count())
}

/// Creates the folder for this user alone.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    let mut for_this_user = DirBuilder::new();
    for_this_user.recursive(true).mode(0o700).create(folder)
}

/// Renames a damaged database, and returns its new name.
pub(crate) fn set_aside(database: &Path) -> io::Result<PathBuf> {
    let mut aside = with_end(database, DAMAGED);
    let mut number = 1;
    while aside.exists() {
        number += 1;
        aside = with_end(database, &format!("{DAMAGED}-{number}"));
    }
    fs::rename(database, &aside)?;
    // Without its database, a log of changes would be taken for that of the next one.
    for end in BESIDE {
        let beside = with_end(database, end);
        if beside.exists() {
            fs::rename(&beside, with_end(&aside, end))?;
        }
    }
    Ok(aside)
}

/// Removes a database.
pub(crate) fn remove_database(database: &Path) -> io::Result<()> {
    for end in BESIDE {
        remove_if_present(&with_end(database, end))?;
    }
    remove_if_present(database)
}

fn remove_if_present(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns a path with more at the end of its name.
pub(crate) fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The right to write to a folder. It ends with the process.
#[derive(Debug)]
pub(crate) struct Lock(
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")] File,
);

/// Why a process cannot write to a folder.
pub(crate) enum Locked {
    /// Another process writes to it: the one of this number, if that can be read.
    By(Option<u32>),
    Failed(io::Error),
}

impl Lock {
    /// Takes the lock, unless another process has it.
    pub(crate) fn take(folder: &Path) -> Result<Self, Locked> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK))
            .map_err(Locked::Failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                _ = file.read_to_string(&mut pid);
                return Err(Locked::By(pid.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(Locked::Failed(error)),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Locked::Failed)?;
        Ok(Self(file))
    }
}
