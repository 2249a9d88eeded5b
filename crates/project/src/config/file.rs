//! Finds a Worker's configuration file and reads it into plain JSON values.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, bail};
use jsonc_parser::ParseOptions;
use serde_json::{Number, Value};

/// Far larger than any real configuration.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// One table of a configuration file, independent of its language.
pub(super) type Table = BTreeMap<String, Value>;

/// The file names that a directory is searched for, in Wrangler's order. The first one that
/// exists is used.
const FILE_NAMES: [&str; 3] = ["wrangler.json", "wrangler.jsonc", "wrangler.toml"];

/// The meaning of a path that the user gave.
pub(super) enum Source {
    /// A configuration file and its language.
    Config(PathBuf, Syntax),
    /// A component or a script without a configuration.
    Main(PathBuf),
}

/// The language of a configuration file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `.toml`.
    Toml,
    /// `.json` and `.jsonc`: Wrangler reads both with comments and trailing commas.
    Jsonc,
}

impl Syntax {
    /// Returns the language for a file's extension.
    fn of(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "json" | "jsonc" => Some(Self::Jsonc),
            _ => None,
        }
    }

    /// Returns an assignment in the syntax of this language.
    pub(super) fn assignment(self, key: &str, text: &str) -> String {
        match self {
            Self::Toml => format!("{key} = \"{text}\""),
            Self::Jsonc => format!("\"{key}\": \"{text}\""),
        }
    }
}

/// Determines what `path` is: a directory with a configuration file, a configuration file, a
/// component, or a script.
pub(super) fn locate(path: &Path) -> Result<Source> {
    let kind = match fs::metadata(path) {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "{}: no such path; give a Worker's directory, its wrangler.json, wrangler.jsonc or wrangler.toml, a .wasm component, a .js, .mjs or .ts script, or a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
            path.display()
        ),
        Err(error) => bail!("{}: {error}", path.display()),
    };
    let file = if kind.is_dir() {
        FILE_NAMES
            .iter()
            .map(|name| path.join(name))
            .find(|file| file.is_file())
            .ok_or_else(|| unconfigured(path))?
    } else {
        path.to_owned()
    };
    if MainKind::of_extension(&file).is_some() {
        return Ok(Source::Main(file));
    }
    match Syntax::of(&file) {
        Some(syntax) => Ok(Source::Config(file, syntax)),
        None => bail!(
            "{}: neither a configuration file (.toml, .json, .jsonc), nor a .wasm component, nor a script (.js, .mjs, .ts), nor a source file in Python (.py), Go (.go), C (.c) or C++ (.cc, .cpp, .cxx)",
            path.display()
        ),
    }
}

/// Returns the error for a directory without a configuration. It names the files in the directory
/// that `main` could name.
fn unconfigured(dir: &Path) -> Error {
    let names = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<_> = names
        .map(|entry| PathBuf::from(entry.file_name()))
        .filter(|name| MainKind::of_extension(name).is_some())
        .collect();
    names.sort();
    let next = match &names[..] {
        _ if dir.join("Cargo.toml").exists() => {
            "for its Cargo.toml, add one with `main = \"target/wasm32-wasip2/release/NAME.wasm\"` and `build.command = \"cargo build --release --target wasm32-wasip2\"`".to_owned()
        }
        [] => format!(
            "add one, or give the .wasm component or the script itself; for a new Worker: taffrail init {} --lang LANGUAGE",
            dir.display()
        ),
        [first, others @ ..] => {
            let others: String = others
                .iter()
                .map(|name| format!(" or `{}`", name.display()))
                .collect();
            format!(
                "add one whose `main` is `{}`{others}, or give the file itself: taffrail check {}",
                first.display(),
                dir.join(first).display()
            )
        }
    };
    Error::configuration(format!(
        "{}: no wrangler.json, wrangler.jsonc or wrangler.toml in this directory; {next}",
        dir.display()
    ))
}

/// The extension of components.
const COMPONENT: &str = "wasm";

/// The extensions of scripts, as in Wrangler.
const SCRIPTS: [&str; 7] = ["js", "mjs", "cjs", "jsx", "ts", "mts", "tsx"];

/// What the `main` of a Worker is, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainKind {
    /// A component.
    Component,
    /// A script, in JavaScript or TypeScript.
    Script,
    /// A source file from which a component is built.
    Source(Language),
}

/// A language whose Workers Taffrail builds itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// C.
    C,
    /// C++.
    Cpp,
    /// Go.
    Go,
    /// Python.
    Python,
}

impl MainKind {
    /// Returns the kind of a file. A file with any other extension is expected to be a component.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self::of_extension(file).unwrap_or(Self::Component)
    }

    fn of_extension(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?;
        match extension {
            COMPONENT => Some(Self::Component),
            "c" => Some(Self::Source(Language::C)),
            "cc" | "cpp" | "cxx" => Some(Self::Source(Language::Cpp)),
            "go" => Some(Self::Source(Language::Go)),
            "py" => Some(Self::Source(Language::Python)),
            _ if SCRIPTS.contains(&extension) => Some(Self::Script),
            _ => None,
        }
    }
}

impl Language {
    /// Returns the name of the language.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Cpp => "C++",
            Self::Go => "Go",
            Self::Python => "Python",
        }
    }
}

/// Returns where the Worker `name` of a folder usually is: in a folder of that name, or in a
/// script or component of that name.
pub(crate) fn likely_paths(folder: &Path, name: &str) -> impl Iterator<Item = PathBuf> {
    let endings = SCRIPTS.into_iter().chain([COMPONENT]);
    let files = endings.map(move |ending| folder.join(format!("{name}.{ending}")));
    [folder.join(name)].into_iter().chain(files)
}

/// Whether `path` may be a Worker: a file, or a folder with a configuration.
pub(crate) fn may_be_worker(path: &Path) -> bool {
    path.is_file() || FILE_NAMES.iter().any(|name| path.join(name).exists())
}

/// Reads a whole configuration file.
///
/// Errors name the file, and the line and column of a syntax error.
pub(super) fn read(file: &Path, syntax: Syntax) -> Result<Table> {
    let text = read_text(file)
        .map_err(|error| Error::configuration(format!("{}: {error}", file.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    match syntax {
        Syntax::Toml => read_toml(file, text),
        Syntax::Jsonc => read_jsonc(file, text),
    }
}

/// Reads a file. A configuration may be untrusted, so devices and pipes are refused.
fn read_text(file: &Path) -> io::Result<String> {
    if !fs::metadata(file)?.is_file() {
        let problem = "it is not a regular file";
        return Err(io::Error::other(problem));
    }
    let mut text = String::new();
    let read = File::open(file)?.take(MAX_FILE_BYTES + 1);
    let length = BufReader::new(read).read_to_string(&mut text)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_FILE_BYTES} bytes, the limit for a configuration"
        )));
    }
    Ok(text)
}

fn read_toml(file: &Path, text: &str) -> Result<Table> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        Error::configuration(format!(
            "{}:{line}:{column}: {}",
            file.display(),
            error.message()
        ))
    })?;
    table
        .into_iter()
        .map(|(key, value)| Ok((key.clone(), json_from_toml(&key, value)?)))
        .collect::<Result<Table>>()
        .map_err(|error| error.at(file.display()))
}

fn read_jsonc(file: &Path, text: &str) -> Result<Table> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let table: Option<Table> =
        jsonc_parser::parse_to_serde_value(text, &options).map_err(|error| {
            Error::configuration(format!(
                "{}:{}:{}: {}",
                file.display(),
                error.line_display(),
                error.column_display(),
                error.kind()
            ))
        })?;
    Ok(table.unwrap_or_default())
}

/// Returns the line and column of a byte offset. Both count from 1, and columns count characters.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Converts a TOML value to JSON. Two kinds of TOML values do not exist in JSON. No key of
/// Wrangler's takes them, so they are refused in an error that names the key.
fn json_from_toml(key: &str, value: toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::Number(number.into()),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Float(number) => {
            Number::from_f64(number).map(Value::Number).ok_or_else(|| {
                Error::configuration(format!(
                    "`{key}` is {number}, which is not a number JSON can hold"
                ))
            })?
        }
        toml::Value::Datetime(date) => {
            bail!("`{key}` is a TOML date; put it in quotes: \"{date}\"")
        }
        toml::Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, item)| json_from_toml(&format!("{key}[{index}]"), item))
            .collect::<Result<_>>()?,
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(name, value)| {
                let value = json_from_toml(&format!("{key}.{name}"), value)?;
                Ok((name, value))
            })
            .collect::<Result<_>>()?,
    })
}
