//! `taffrail init`: writes a new Worker.

mod files;

use crate::args::{InitOptions, Language};
use crate::init::files::Role;
use crate::{exit, progress};
use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

/// The placeholder for the name of the Worker in a template.
const NAME: &str = "my-worker";
/// The placeholder in the names of the files that cargo writes.
const FILE: &str = "my_worker";

pub(crate) fn run(options: &InitOptions) -> Result<u8> {
    let dir = &options.dir;
    let role = match (options.tail, options.producer) {
        (true, _) => Role::Tail,
        (_, true) => Role::Producer,
        (false, false) => Role::Both,
    };
    let name = name(dir)?;
    let mut files: Vec<_> = files::of(options.lang, role)
        .into_iter()
        .map(|(file, text)| (dir.join(file), named(text, &name)))
        .collect();
    if role == Role::Both
        && let Some((_, configuration)) = files.first_mut()
    {
        configuration.push_str(&format!("tail_consumers = [{{ service = \"{name}\" }}]\n"));
    }
    // Checked before the first file is written.
    if let Some((there, _)) = files
        .iter()
        .find(|(file, _)| file.symlink_metadata().is_ok())
    {
        bail!(
            "`{}` exists, and `init` does not overwrite files; choose another folder: taffrail init DIR",
            there.display()
        );
    }
    for (file, text) in &files {
        write(file, text).with_context(|| format!("`{}` cannot be written", file.display()))?;
    }
    progress::status("Wrote", &format!("{name} to `{}`", dir.display()));
    progress::status("Next", &next(options.lang, role, dir));
    Ok(exit::OK)
}

fn named(text: &str, name: &str) -> String {
    let file = name.replace('-', "_");
    text.replace(FILE, &file).replace(NAME, name)
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
    file.write_all(text.as_bytes())
}

/// Returns the name of the folder, in the characters that the name of a Worker and of a crate may
/// have.
fn name(dir: &Path) -> Result<String> {
    let whole = std::path::absolute(dir)?;
    let folder = whole.file_name().unwrap_or_default().to_string_lossy();
    let folder = folder.to_lowercase();
    let name: String = folder
        .chars()
        .map(|character| match character {
            'a'..='z' | '0'..='9' | '_' => character,
            _ => '-',
        })
        .collect();
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        bail!(
            "a Worker has the name of its folder, which must begin with a letter, and `{}` does not; choose another folder: taffrail init DIR",
            dir.display()
        );
    }
    Ok(name)
}

/// Returns the commands that run the Worker.
fn next(language: Language, role: Role, dir: &Path) -> String {
    let dir = dir.display();
    let run = match role {
        Role::Producer | Role::Both => format!("taffrail invoke {dir}"),
        Role::Tail => format!("taffrail dev PRODUCER {dir}"),
    };
    match language {
        Language::Rust => format!("rustup target add wasm32-wasip2\n{run}"),
        Language::Javascript
        | Language::Typescript
        | Language::Python
        | Language::Go
        | Language::C
        | Language::Cpp => {
            format!("taffrail check {dir}\n{run}")
        }
    }
}
