//! Compiled code in files, which are mapped into memory instead of being read. This is the only
//! crate with `unsafe` code.
//!
//! Wasmtime's own cache compresses code. To read an entry of 60 MB back, such as that of the
//! JavaScript engine, takes 100 ms. A mapped file takes a few, its pages are loaded when they are
//! used, and all processes share them.
#![expect(
    unsafe_code,
    reason = "wasmtime cannot know whether a file is one that it has written"
)]

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use sha2::{Digest, Sha256};
use std::fs::{self, DirEntry, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tempfile::NamedTempFile;
use wasmtime::component::Component;
use wasmtime::{Engine, Module, Result};

/// The size in bytes from which WebAssembly is worth a file. Smaller code is faster to read.
pub const LARGE: usize = 1 << 20;

/// The most files that are kept. Those that were used last are.
const FILES: usize = 32;

/// A folder with files of compiled code. Like wasmtime's own cache, it must be writable only by
/// users whose code may run in this process.
#[derive(Clone, Debug)]
pub struct CodeFiles {
    folder: PathBuf,
}

impl CodeFiles {
    /// Keeps files in `folder`, which is created when it is needed.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Returns the module or the component of these bytes, whose [`hash`] is `key`. It is compiled if
    /// there is no file with its code.
    ///
    /// # Errors
    ///
    /// Fails if it does not compile. If the file cannot be written, a warning is logged, and the
    /// code is held in memory.
    pub fn load<C: Code>(&self, engine: &Engine, key: &[u8; 32], bytes: &[u8]) -> Result<C> {
        let path = self.folder.join(name(engine, key));
        // If this fails, there is no file, or it is damaged.
        if let Ok(code) = map(engine, &path) {
            return Ok(code);
        }
        let code = C::compile(engine, bytes)?;
        match self.write(&path, &code) {
            Ok(()) => map(engine, &path),
            Err(error) => {
                tracing::warn!(
                    "compiled code cannot be kept in `{}`: {error}",
                    path.display()
                );
                // SAFETY: it was compiled by this engine just now.
                unsafe { C::copy(engine, &code) }
            }
        }
    }

    fn write(&self, path: &Path, code: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        self.remove_unused()?;
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(code)?;
        // A file of this name is whole, even after a power failure.
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Makes room for a further file.
    fn remove_unused(&self) -> io::Result<()> {
        let files = fs::read_dir(&self.folder)?.filter_map(|entry| {
            let entry = entry.ok()?;
            Some((used(&entry)?, entry.path()))
        });
        let mut files: Vec<_> = files.collect();
        files.sort_unstable();
        let unused = files.len().saturating_sub(FILES - 1);
        for (_, path) in &files[..unused] {
            // Another process may have removed it.
            _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// Returns when a file was last used.
fn used(entry: &DirEntry) -> Option<SystemTime> {
    entry.metadata().ok()?.modified().ok()
}

/// Returns the hash of bytes, under which their code is kept.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Returns the name of the file for what this engine compiles from the bytes with this hash.
fn name(engine: &Engine, key: &[u8; 32]) -> String {
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{key}-{:016x}", settings.finish())
}

/// Maps a file, and records that it was used.
fn map<C: Code>(engine: &Engine, path: &Path) -> Result<C> {
    // SAFETY: the file was written by this crate under a name that is a hash of the WebAssembly and
    // of the engine's version and settings. It got that name when it was complete, is never written
    // again, and remains mapped when it is removed. Guests cannot reach the folder.
    let code = unsafe { C::map(engine, path) }?;
    let time = |tv_nsec| Timespec { tv_sec: 0, tv_nsec };
    let used = Timestamps {
        last_access: time(UTIME_OMIT),
        last_modification: time(UTIME_NOW),
    };
    // The time only decides which files are removed.
    _ = futimens(File::open(path)?, &used);
    Ok(code)
}

/// A module or a component.
pub trait Code: Sized + sealed::Code {}

impl Code for Module {}
impl Code for Component {}

mod sealed {
    use std::path::Path;
    use wasmtime::component::Component;
    use wasmtime::{Engine, Module, Result};

    pub trait Code: Sized {
        fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>>;

        /// Maps a file.
        ///
        /// # Safety
        ///
        /// The file must be one that [`compile`](Self::compile) returned for the same type, and
        /// must not change.
        unsafe fn map(engine: &Engine, path: &Path) -> Result<Self>;

        /// Copies code.
        ///
        /// # Safety
        ///
        /// The code must be what [`compile`](Self::compile) returned for the same type.
        unsafe fn copy(engine: &Engine, code: &[u8]) -> Result<Self>;
    }

    impl Code for Module {
        fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
            engine.precompile_module(bytes)
        }

        unsafe fn map(engine: &Engine, path: &Path) -> Result<Self> {
            // SAFETY: the same as for this function.
            unsafe { Self::deserialize_file(engine, path) }
        }

        unsafe fn copy(engine: &Engine, code: &[u8]) -> Result<Self> {
            // SAFETY: the same as for this function.
            unsafe { Self::deserialize(engine, code) }
        }
    }

    impl Code for Component {
        fn compile(engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>> {
            engine.precompile_component(bytes)
        }

        unsafe fn map(engine: &Engine, path: &Path) -> Result<Self> {
            // SAFETY: the same as for this function.
            unsafe { Self::deserialize_file(engine, path) }
        }

        unsafe fn copy(engine: &Engine, code: &[u8]) -> Result<Self> {
            // SAFETY: the same as for this function.
            unsafe { Self::deserialize(engine, code) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tempfile::TempDir;

    /// A component and a module without anything.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn code_is_compiled_once_and_again_if_its_file_is_damaged() {
        let folder = TempDir::new().unwrap();
        let files = CodeFiles::new(folder.path());
        let engine = Engine::default();
        let load = |bytes| files.load::<Component>(&engine, &hash(bytes), bytes);
        load(COMPONENT).unwrap();
        let path = folder.path().join(&names(&folder)[0]);
        let code = fs::read(&path).unwrap();

        // What does not compile has a file only if it has been compiled.
        let nothing = folder.path().join(name(&engine, &hash(b"nothing")));
        assert!(load(b"nothing").is_err());
        fs::copy(&path, &nothing).unwrap();
        assert!(load(b"nothing").is_ok());
        fs::remove_file(nothing).unwrap();

        fs::write(&path, &code[..code.len() / 2]).unwrap();
        load(COMPONENT).unwrap();
        assert_eq!(fs::read(&path).unwrap(), code);
        files
            .load::<Module>(&engine, &hash(MODULE), MODULE)
            .unwrap();
        assert_eq!(names(&folder).len(), 2);
    }

    #[test]
    fn code_that_cannot_be_kept_is_compiled_all_the_same() {
        let file = NamedTempFile::new().unwrap();
        let files = CodeFiles::new(file.path().join("below a file"));
        let engine = Engine::default();
        assert!(files.load::<Module>(&engine, &hash(MODULE), MODULE).is_ok());
    }

    #[test]
    fn of_many_files_those_that_were_used_last_are_kept() {
        let folder = TempDir::new().unwrap();
        for number in 0..FILES {
            let file = File::create(folder.path().join(format!("{number:02}"))).unwrap();
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            file.set_modified(used).unwrap();
        }
        let files = CodeFiles::new(folder.path());
        let engine = Engine::default();
        files
            .load::<Module>(&engine, &hash(MODULE), MODULE)
            .unwrap();
        let mut names = names(&folder);
        names.sort_unstable();
        assert_eq!(names.len(), FILES);
        assert_eq!((&*names[0], &*names[1]), ("01", "02"), "{names:?}");
    }
}
