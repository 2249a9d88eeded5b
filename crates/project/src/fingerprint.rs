//! Detects changes of files.

use jiff::Timestamp;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

/// How far a file's modification time may lag behind the clock, in milliseconds.
const COARSE: i64 = 10;

/// Returns a value that changes when one of the files does. `None` if one does not exist.
pub(crate) fn fingerprint(files: &[PathBuf]) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let metadata = fs::metadata(file).ok()?;
        (file, metadata.modified().ok()?, metadata.len()).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// Whether one of the files has been written since `began`. A modification time in the future
/// comes from another clock, and does not count.
pub(crate) fn written_since(files: &[PathBuf], began: Timestamp) -> bool {
    let span = began.as_millisecond() - COARSE..=Timestamp::now().as_millisecond();
    files.iter().any(|file| {
        let written = fs::metadata(file).and_then(|metadata| metadata.modified());
        let written = written.ok().and_then(|time| Timestamp::try_from(time).ok());
        written.is_some_and(|time| span.contains(&time.as_millisecond()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    #[test]
    fn what_is_written_meanwhile_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        fs::write(&path, "a").unwrap();
        let files = [path];
        let began = fs::metadata(&files[0]).unwrap().modified().unwrap();
        let before = fingerprint(&files);
        let at = |time: SystemTime| {
            let file = File::options().write(true).open(&files[0]).unwrap();
            file.set_modified(time).unwrap();
            written_since(&files, Timestamp::try_from(began).unwrap())
        };
        assert!(at(began));
        let hour = Duration::from_secs(3600);
        assert!(!at(began - hour));
        assert_ne!(fingerprint(&files), before);
        assert!(!at(began + hour));
        fs::remove_file(&files[0]).unwrap();
        assert_eq!(fingerprint(&files), None);
    }
}
