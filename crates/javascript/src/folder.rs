//! A folder of the host, as the bundler sees it.

use crate::files::{Files, Kind, Refusal};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, FileType, Metadata, OpenOptions, OpenOptionsExt};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use taffrail_toolchain::Error;

/// The most entries of one directory that are read.
const ENTRIES: usize = 50_000;

/// Opening a pipe does not wait for a writer.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// A folder that neither `..` nor a link leads out of. Only regular files,
/// directories and links exist in it.
pub(crate) struct Folder {
    /// Directories, by their paths for the bundler.
    mounts: BTreeMap<String, Dir>,
}

impl Folder {
    /// Opens the folder of an untrusted Worker, and nothing outside of it.
    pub(crate) fn alone(folder: &Path) -> Result<Self, Error> {
        let mounts = BTreeMap::from([("/".to_owned(), open(folder)?)]);
        Ok(Self { mounts })
    }

    /// Opens the operator's own folder, with the workspace that contains it and each
    /// `node_modules` above. Paths are those of the host.
    pub(crate) fn project(folder: &Path) -> Result<Self, Error> {
        let workspace = folder.ancestors().find(|folder| is_workspace(folder));
        let project = workspace.unwrap_or(folder);
        let mut mounts = BTreeMap::from([(utf8(project)?, open(project)?)]);
        for above in project.ancestors().skip(1) {
            let packages = above.join("node_modules");
            if packages.is_dir() {
                mounts.insert(utf8(&packages)?, open(&packages)?);
            }
        }
        Ok(Self { mounts })
    }

    /// Returns the directory that contains a path, and the rest of the path.
    fn find<'a>(&self, path: &'a str) -> Option<(&Dir, &'a str)> {
        let mut end = path.len();
        loop {
            let prefix = if end == 0 { "/" } else { &path[..end] };
            if let Some(directory) = self.mounts.get(prefix) {
                let rest = path[end..].trim_start_matches('/');
                return Some((directory, if rest.is_empty() { "." } else { rest }));
            }
            end = path[..end].rfind('/')?;
        }
    }

    /// Returns the entries of an invisible directory that lead to visible ones.
    fn ways(&self, path: &str) -> Option<Vec<(String, Kind)>> {
        let prefix = format!("{}/", path.trim_end_matches('/'));
        let below = self.mounts.keys();
        let names = below.filter_map(|mount| mount.strip_prefix(&prefix)?.split('/').next());
        let mut ways: Vec<_> = names
            .map(|name| (name.to_owned(), Kind::Directory))
            .collect();
        ways.dedup();
        (!ways.is_empty()).then_some(ways)
    }
}

impl Files for Folder {
    fn kind(&self, path: &str, follow: bool) -> Option<Kind> {
        let Some((directory, rest)) = self.find(path) else {
            return self.ways(path).map(|_| Kind::Directory);
        };
        let metadata = match follow {
            true => directory.metadata(rest),
            false => directory.symlink_metadata(rest),
        };
        let metadata = metadata.ok()?;
        kind(metadata.file_type(), metadata.len())
    }

    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>> {
        let Some((directory, rest)) = self.find(path) else {
            return self.ways(path);
        };
        let entries = directory.read_dir(rest).ok()?.take(ENTRIES).flatten();
        let entries = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, kind(entry.file_type().ok()?, 0)?))
        });
        Some(entries.collect())
    }

    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal> {
        let (directory, rest) = self.find(path).ok_or(Refusal::NotFound)?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NONBLOCK);
        let file = directory.open_with(rest, &options);
        let file = file.map_err(|_| Refusal::NotFound)?;
        if !file.metadata().as_ref().is_ok_and(Metadata::is_file) {
            return Err(Refusal::NotFound);
        }
        let mut contents = Vec::new();
        let read = file.take(limit as u64 + 1).read_to_end(&mut contents);
        read.map_err(|_| Refusal::NotFound)?;
        if contents.len() > limit {
            return Err(Refusal::TooLarge);
        }
        Ok(contents.into())
    }

    fn link(&self, path: &str) -> Option<String> {
        let (directory, rest) = self.find(path)?;
        let to = directory.read_link_contents(rest).ok()?;
        to.into_os_string().into_string().ok()
    }
}

fn kind(kind: FileType, size: u64) -> Option<Kind> {
    if kind.is_file() {
        Some(Kind::File { size })
    } else if kind.is_dir() {
        Some(Kind::Directory)
    } else {
        kind.is_symlink().then_some(Kind::Link)
    }
}

fn open(directory: &Path) -> Result<Dir, Error> {
    Dir::open_ambient_dir(directory, ambient_authority()).map_err(|error| {
        Error::new(format!(
            "the folder `{}` cannot be read: {error}",
            directory.display()
        ))
    })
}

pub(crate) fn utf8(path: &Path) -> Result<String, Error> {
    let path = path.to_str().ok_or_else(|| {
        Error::new(format!(
            "the path `{}` is not UTF-8, which bundling needs; rename it",
            path.display()
        ))
    })?;
    Ok(path.to_owned())
}

/// Whether a folder is a workspace of npm, Yarn or pnpm.
fn is_workspace(folder: &Path) -> bool {
    let package = fs::read(folder.join("package.json")).unwrap_or_default();
    let package: Value = serde_json::from_slice(&package).unwrap_or_default();
    package.get("workspaces").is_some() || folder.join("pnpm-workspace.yaml").is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn text(folder: &Folder, path: &str) -> Result<String, Refusal> {
        let contents = folder.read(path, 1000)?;
        Ok(String::from_utf8(contents.to_vec()).unwrap())
    }

    #[test]
    fn nothing_leads_out_of_a_folder_and_only_regular_files_are_in_it() {
        let root = TempDir::new().unwrap();
        let (alice, bob) = (root.path().join("alice"), root.path().join("bob"));
        for folder in [&alice, &bob] {
            fs::create_dir_all(folder.join("lib")).unwrap();
            fs::write(folder.join("lib/a.js"), folder.to_str().unwrap()).unwrap();
        }
        symlink("lib/a.js", alice.join("inside.js")).unwrap();
        symlink("../bob/lib/a.js", alice.join("outside.js")).unwrap();
        symlink(bob.join("lib"), alice.join("absolute")).unwrap();
        symlink("/dev/zero", alice.join("zero.js")).unwrap();
        symlink("loop.js", alice.join("loop.js")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(alice.join("fifo.js"))
            .status();
        assert!(made.unwrap().success());

        let folder = Folder::alone(&alice).unwrap();
        let own = alice.to_str().unwrap();
        assert_eq!(text(&folder, "/lib/a.js").unwrap(), own);
        assert_eq!(text(&folder, "/inside.js").unwrap(), own);
        for path in [
            "/outside.js",
            "/absolute/a.js",
            "/zero.js",
            "/loop.js",
            "/fifo.js",
            "/none.js",
            "/lib",
        ] {
            assert_eq!(text(&folder, path), Err(Refusal::NotFound), "{path}");
        }
        assert_eq!(folder.kind("/outside.js", true), None);
        assert_eq!(folder.kind("/fifo.js", false), None);
        assert_eq!(folder.read("/lib/a.js", 2), Err(Refusal::TooLarge));
    }

    #[test]
    fn a_project_has_its_workspace_and_the_packages_above() {
        let root = TempDir::new().unwrap();
        let root = root.path().canonicalize().unwrap();
        let files = [
            "node_modules/above/a.js",
            "secret.js",
            "space/package.json",
            "space/lib/a.js",
            "space/app/a.js",
        ];
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "{\"workspaces\": [\"*\"]}").unwrap();
        }
        let folder = Folder::project(&root.join("space/app")).unwrap();
        let seen = |file: &&str| folder.read(root.join(file).to_str().unwrap(), 1000).is_ok();
        let seen: Vec<_> = files.iter().copied().filter(seen).collect();
        assert_eq!(seen, [files[0], files[2], files[3], files[4]]);
        let names = folder.list(root.to_str().unwrap()).unwrap();
        let names: Vec<_> = names.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["node_modules", "space"]);
    }
}
