//! The package in `wit/`, as it is or as it might be, and components that are made of it
//! without a language.

use crate::folder::Folder;
use crate::guests::root;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, PackageId, Resolve, WorldId};

/// The package `taffrail:workers`.
pub struct Package {
    resolve: Resolve,
    id: PackageId,
}

/// A change of one file of the package.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// The file.
    pub file: &'static str,
    /// A text that stands in it.
    pub from: &'static str,
    /// The text in its place.
    pub to: &'static str,
}

impl Package {
    /// The package as it is.
    ///
    /// # Panics
    ///
    /// When it cannot be parsed.
    #[must_use]
    pub fn today() -> Self {
        Self::read(&root().join("wit"))
    }

    /// The package with changes.
    ///
    /// # Panics
    ///
    /// When a text is not there, or the package cannot be parsed.
    #[must_use]
    pub fn edited(edits: &[Edit]) -> Self {
        let folder = Folder::new();
        copy(&root().join("wit"), folder.path());
        for Edit { file, from, to } in edits {
            let path = folder.path().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "`{file}` has no `{from}`");
            fs::write(&path, text.replace(from, to)).unwrap();
        }
        Self::read(folder.path())
    }

    fn read(folder: &Path) -> Self {
        let mut resolve = Resolve::default();
        let (id, _) = resolve.push_dir(folder).unwrap();
        Self { resolve, id }
    }

    /// The names of its worlds.
    #[must_use]
    pub fn worlds(&self) -> Vec<&str> {
        let worlds = self.resolve.packages[self.id].worlds.keys();
        worlds.map(String::as_str).collect()
    }

    /// The names of its interfaces, with package and version.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<String> {
        let interfaces = self.resolve.packages[self.id].interfaces.values();
        interfaces
            .filter_map(|id| self.resolve.id_of(*id))
            .collect()
    }

    /// The interfaces of the package that a world imports.
    #[must_use]
    pub fn imports(&self, world: &str) -> BTreeSet<String> {
        let keys = self.resolve.worlds[self.world(world)].imports.keys();
        self.own(keys.map(|key| self.resolve.name_world_key(key)))
    }

    /// The interfaces of the package that a world exports.
    #[must_use]
    pub fn exports(&self, world: &str) -> BTreeSet<String> {
        let keys = self.resolve.worlds[self.world(world)].exports.keys();
        self.own(keys.map(|key| self.resolve.name_world_key(key)))
    }

    fn own(&self, names: impl Iterator<Item = String>) -> BTreeSet<String> {
        let own = self.interfaces();
        names.filter(|name| own.contains(name)).collect()
    }

    /// A component that imports every function of a world, and whose exports trap.
    ///
    /// # Panics
    ///
    /// When there is no such world.
    #[must_use]
    pub fn component(&self, world: &str) -> Vec<u8> {
        let world = self.world(world);
        let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
        let mut module = dummy_module(&self.resolve, world, abi);
        let encoding = StringEncoding::UTF8;
        embed_component_metadata(&mut module, &self.resolve, world, encoding, false).unwrap();
        let mut encoder = ComponentEncoder::default();
        encoder.module(&module).unwrap().encode().unwrap()
    }

    fn world(&self, name: &str) -> WorldId {
        self.resolve.select_world(&[self.id], Some(name)).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (
            entry.as_ref().unwrap().path(),
            to.join(entry.unwrap().file_name()),
        );
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}
