//! The worlds and interfaces of a package, in Markdown.

use crate::text;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use wit_parser::{
    Docs, Function, Interface, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner, World,
    WorldItem, WorldKey,
};

/// The world that the others include.
const IMPORTS: &str = "imports";

/// Returns the description of the package in the folder `wit`.
///
/// # Errors
///
/// Fails if the package cannot be read, or if something in it has no doc comment.
pub(crate) fn of(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let package = &resolve.packages[package];
    let mut page = Page {
        resolve: &resolve,
        text: String::new(),
    };
    page.line("## Worlds\n");
    for id in package.worlds.values() {
        page.world(&resolve.worlds[*id])?;
    }
    page.line("## Interfaces\n");
    let mut interfaces: Vec<_> = package.interfaces.iter().collect();
    interfaces.sort();
    for (_, id) in interfaces {
        page.interface(&resolve.interfaces[*id])?;
    }
    Ok(page.text.trim_end().to_owned() + "\n")
}

struct Page<'a> {
    resolve: &'a Resolve,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn world(&mut self, world: &World) -> Result<()> {
        self.line(&format!("### World `{}`\n", world.name));
        let docs = docs(&world.docs, &world.name)?;
        self.line(&format!("{docs}\n"));
        let mut imports = self.names(&world.imports);
        if world.name != IMPORTS
            && let Some((_, included)) = self
                .resolve
                .worlds
                .iter()
                .find(|(_, other)| other.name == IMPORTS && other.package == world.package)
        {
            imports.retain(|name| !self.names(&included.imports).contains(name));
            self.line(&format!("It imports everything that `{IMPORTS}` does.\n"));
        }
        for (what, names) in [
            ("Imports", imports),
            ("Exports", self.names(&world.exports)),
        ] {
            if !names.is_empty() {
                self.line(&format!("{what}:\n"));
                names
                    .iter()
                    .for_each(|name| self.line(&format!("- `{name}`")));
                self.line("");
            }
        }
        Ok(())
    }

    fn names<'w>(
        &self,
        items: impl IntoIterator<Item = (&'w WorldKey, &'w WorldItem)>,
    ) -> Vec<String> {
        let keys = items.into_iter().map(|(key, _)| key);
        keys.map(|key| self.resolve.name_world_key(key)).collect()
    }

    fn interface(&mut self, interface: &Interface) -> Result<()> {
        let name = interface.name.as_deref().unwrap_or_default();
        self.line(&format!("### Interface `{name}`\n"));
        let about = docs(&interface.docs, name)?;
        self.line(&format!("{about}\n"));
        self.used(interface);
        for function in interface.functions.values() {
            if function.kind.resource().is_none() {
                self.function(function)?;
            }
        }
        for id in interface.types.values() {
            if self.used_from(*id).is_none() {
                self.definition(interface, *id)?;
            }
        }
        Ok(())
    }

    /// Writes which types the interface takes from others.
    fn used(&mut self, interface: &Interface) {
        let mut used: Vec<(String, Vec<&str>)> = Vec::new();
        for (name, id) in &interface.types {
            let Some(from) = self.used_from(*id) else {
                continue;
            };
            match used.iter_mut().find(|(other, _)| *other == from) {
                Some((_, names)) => names.push(name),
                None => used.push((from, vec![name])),
            }
        }
        for (from, names) in used {
            let names = names.join("`, `");
            self.line(&format!("`{names}`: as in `{from}`.\n"));
        }
    }

    /// Returns the interface from which another one takes a type.
    fn used_from(&self, id: TypeId) -> Option<String> {
        let definition = &self.resolve.types[id];
        let TypeDefKind::Type(Type::Id(original)) = definition.kind else {
            return None;
        };
        match self.resolve.types[original].owner {
            owner if owner == definition.owner => None,
            TypeOwner::Interface(interface) => self.resolve.id_of(interface),
            TypeOwner::World(_) | TypeOwner::None => None,
        }
    }

    fn function(&mut self, function: &Function) -> Result<()> {
        let about = docs(&function.docs, &function.name)?;
        let signature = text::function(self.resolve, function);
        self.line(&format!("#### `{signature}`\n\n{about}\n"));
        Ok(())
    }

    fn definition(&mut self, interface: &Interface, id: TypeId) -> Result<()> {
        let TypeDef {
            name,
            kind,
            docs: about,
            ..
        } = &self.resolve.types[id];
        let name = name.as_deref().unwrap_or_default();
        let about = docs(about, name)?;
        let value = |of: &Type| format!("`{}`", text::ty(self.resolve, of));
        let rows: Vec<(&str, String, &Docs)> = match kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                fields
                    .map(|it| (&*it.name, value(&it.ty), &it.docs))
                    .collect()
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                let payload = |ty: &Option<Type>| ty.as_ref().map_or_else(String::new, value);
                cases
                    .map(|it| (&*it.name, payload(&it.ty), &it.docs))
                    .collect()
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter();
                cases
                    .map(|it| (&*it.name, String::new(), &it.docs))
                    .collect()
            }
            TypeDefKind::Resource => {
                self.line(&format!("#### resource `{name}`\n\n{about}\n"));
                let functions = interface.functions.values();
                let mut methods = functions.filter(|it| it.kind.resource() == Some(id));
                return methods.try_for_each(|method| self.function(method));
            }
            other => {
                let other = text::kind(self.resolve, other);
                self.line(&format!("#### type `{name} = {other}`\n\n{about}\n"));
                return Ok(());
            }
        };
        let rows = rows.into_iter().map(|(row, ty, about)| {
            let about = docs(about, &format!("{name}.{row}"))?;
            Ok((row, ty, about.replace('\n', " ").replace('|', "\\|")))
        });
        let rows: Vec<_> = rows.collect::<Result<_>>()?;
        self.line(&format!("#### {} `{name}`\n\n{about}\n", kind.as_str()));
        self.table(kind, &rows);
        Ok(())
    }

    fn table(&mut self, kind: &TypeDefKind, rows: &[(&str, String, String)]) {
        let first = match kind {
            TypeDefKind::Record(_) => "field",
            _ => "case",
        };
        let has_types = rows.iter().any(|(_, ty, _)| !ty.is_empty());
        let (head, line) = if has_types {
            (" type |", "---|")
        } else {
            ("", "")
        };
        self.line(&format!("| {first} |{head} meaning |\n|---|{line}---|"));
        for (name, ty, about) in rows {
            let ty = if has_types {
                format!(" {ty} |")
            } else {
                String::new()
            };
            // Writing to a string cannot fail.
            _ = writeln!(self.text, "| `{name}` |{ty} {about} |");
        }
        self.line("");
    }
}

fn docs<'d>(docs: &'d Docs, of: &str) -> Result<&'d str> {
    let text = docs.contents.as_deref().map(str::trim_end);
    text.with_context(|| format!("`{of}` has no doc comment in `wit/`"))
}
