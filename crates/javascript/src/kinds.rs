//! The kind of a module, which determines the result of importing it.
//!
//! esbuild derives the kind of a file from its extension. To set the kind regardless of the name,
//! a file gets a second name, which ends with a mark that no other name has, and the extension of
//! its kind.

use crate::files::{Files, Kind, Refusal};
use crate::rules::{Rule, RuleKind};
use std::sync::Arc;

/// The result of importing a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModuleKind {
    /// Code: an ES module.
    Js,
    /// Code: a CommonJS module.
    CommonJs,
    /// A string.
    Text,
    /// The value of a JSON text.
    Json,
    /// An `ArrayBuffer`.
    Data,
    /// WebAssembly, which the engine does not support.
    Wasm,
}

/// The mark between a name and the extension of its kind.
const MARK: &str = ".\u{1}.";

/// The mark as esbuild writes it in source maps and messages.
const MARK_IN_URL: &str = ".%01.";
const MARK_IN_QUOTES: &str = ".\\x01.";

/// The extensions, and esbuild's loaders for them.
const LOADERS: [(&str, &str); 8] = [
    ("mjs", "js"),
    ("cjs", "js"),
    ("txt", "text"),
    ("json", "json"),
    ("data", "js"),
    ("bytes", "binary"),
    (WASM, "empty"),
    (IGNORED, "empty"),
];
const BYTES: &str = "bytes";
const WASM: &str = "wasm";
const IGNORED: &str = "ignored";

impl ModuleKind {
    fn end(self) -> &'static str {
        match self {
            Self::Js => "mjs",
            Self::CommonJs => "cjs",
            Self::Text => "txt",
            Self::Json => "json",
            Self::Data => "data",
            Self::Wasm => WASM,
        }
    }

    /// Returns the second name of a file of this kind.
    pub(crate) fn marked(self, path: &str) -> String {
        format!("{path}{MARK}{}", self.end())
    }
}

/// Returns the esbuild options for all kinds.
pub(crate) fn loaders() -> impl Iterator<Item = String> {
    LOADERS
        .iter()
        .map(|(end, loader)| format!("--loader:{MARK}{end}={loader}"))
}

/// Returns the esbuild option for files that have only their second names.
pub(crate) fn second_names() -> String {
    let ends = [
        ModuleKind::Js,
        ModuleKind::CommonJs,
        ModuleKind::Text,
        ModuleKind::Json,
        ModuleKind::Data,
        ModuleKind::Wasm,
    ];
    let ends = ends.map(|kind| kind.marked(""));
    format!("--resolve-extensions={}", ends.join(","))
}

/// Returns the second name of the bytes of a data file.
pub(crate) fn bytes_of(path: &str) -> String {
    format!("{path}{MARK}{BYTES}")
}

/// Returns the module that stands for a data file.
pub(crate) fn data_module(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let bytes = serde_json::Value::from(format!("./{}", bytes_of(name)));
    format!("import bytes from {bytes};\nexport default bytes.buffer;\n")
}

/// Returns the name of a file as its author knows it.
pub(crate) fn unmarked(path: &str) -> &str {
    path.split_once(MARK).map_or(path, |(path, _)| path)
}

/// Returns the name of a source in a source map as its author knows it.
pub(crate) fn unmarked_source(source: &str) -> &str {
    source
        .split_once(MARK_IN_URL)
        .map_or(source, |(path, _)| path)
}

/// Returns a text in which the names of files are those that their author knows.
pub(crate) fn without_marks(text: &str) -> String {
    let ends = LOADERS.iter();
    ends.fold(text.to_owned(), |text, (end, _)| {
        text.replace(&format!("{MARK}{end}"), "")
            .replace(&format!("{MARK_IN_QUOTES}{end}"), "")
    })
}

/// Returns why a file cannot be imported, if so.
pub(crate) fn why_not(path: &str) -> Option<&'static str> {
    match path.split_once(MARK)?.1 {
        WASM => Some("is WebAssembly, which scripts cannot use: the engine does not support it"),
        IGNORED => Some(
            "matches a rule in `rules` that is ignored, since an earlier rule has the same `type`; set `fallthrough = true` in the earlier one",
        ),
        _ => None,
    }
}

/// Files to which rules apply.
pub(crate) struct Ruled {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) rules: Vec<Rule>,
    /// The folder that the rules are for.
    pub(crate) folder: String,
}

impl Ruled {
    /// Returns the second name of a file, if a rule applies to it. The first name is then a link
    /// to it.
    fn second_name(&self, path: &str) -> Option<String> {
        let below = path.strip_prefix(&self.folder);
        let name = below.map_or(path, |below| below.trim_start_matches('/'));
        let rule = self.rules.iter().find(|rule| rule.is_for(name))?;
        Some(match rule.kind {
            RuleKind::Text => ModuleKind::Text.marked(path),
            RuleKind::Data => ModuleKind::Data.marked(path),
            RuleKind::Wasm => ModuleKind::Wasm.marked(path),
            RuleKind::Ignored => format!("{path}{MARK}{IGNORED}"),
        })
    }

    fn seen(&self, path: &str, kind: Kind) -> Kind {
        match kind {
            Kind::File { .. } if self.second_name(path).is_some() => Kind::Link,
            kind => kind,
        }
    }
}

impl Files for Ruled {
    fn kind(&self, path: &str, follow: bool) -> Option<Kind> {
        let kind = self.files.kind(unmarked(path), follow)?;
        Some(match follow || unmarked(path) != path {
            true => kind,
            false => self.seen(path, kind),
        })
    }

    fn list(&self, path: &str) -> Option<Vec<(String, Kind)>> {
        let mut entries = self.files.list(path)?;
        let mut bytes = Vec::new();
        for (name, kind) in &mut entries {
            let file = format!("{}/{name}", path.trim_end_matches('/'));
            let seen = self.seen(&file, *kind);
            if self.second_name(&file) == Some(ModuleKind::Data.marked(&file)) {
                bytes.push((bytes_of(name), *kind));
            }
            *kind = seen;
        }
        entries.append(&mut bytes);
        Some(entries)
    }

    fn read(&self, path: &str, limit: usize) -> Result<Arc<[u8]>, Refusal> {
        let file = unmarked(path);
        if path == ModuleKind::Data.marked(file) {
            return Ok(data_module(file).into_bytes().into());
        }
        self.files.read(file, limit)
    }

    fn link(&self, path: &str) -> Option<String> {
        match self.files.link(path) {
            None => self.second_name(path),
            link => link,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_told_with_the_names_that_files_have() {
        let marked = ModuleKind::Text.marked("lib/a.js");
        let text = format!("{marked}:1:2 and \"b.\\x01.bytes\".");
        assert_eq!(without_marks(&text), "lib/a.js:1:2 and \"b\".");
        assert_eq!(unmarked_source("lib/a%20b.js.%01.mjs"), "lib/a%20b.js");
        assert_eq!(unmarked(&marked), "lib/a.js");
        assert_eq!(without_marks("no mark"), "no mark");
    }
}
