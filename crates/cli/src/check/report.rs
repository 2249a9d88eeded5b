//! The report that `taffrail check` prints.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use taffrail_project::config::WorkerConfig;
use taffrail_runtime::{DebugInfo, Import, Inspection, Limits, Memory, Producer};

/// The width of the names.
const COLUMN: usize = 14;

/// The facts about a Worker.
pub(super) struct Report {
    name: String,
    main: String,
    /// The size of the component, or none for a script.
    bytes: Option<usize>,
    /// None if the bytes cannot be parsed.
    inspection: Option<Inspection>,
    /// The handlers of a script.
    pub(super) script_handlers: Option<Vec<String>>,
    /// The world of the component.
    wit: Option<String>,
    memory_limit: u64,
    pub(super) warnings: Vec<String>,
    /// The reason why it cannot be deployed.
    pub(super) error: Option<String>,
}

impl Report {
    pub(super) fn new(worker: &WorkerConfig, bytes: Option<usize>) -> Self {
        let limits = Limits::from(&worker.limits);
        Self {
            name: worker.name.clone(),
            main: worker.main.display().to_string(),
            bytes,
            inspection: None,
            script_handlers: None,
            wit: None,
            memory_limit: limits.memory as u64,
            warnings: worker.warnings.clone(),
            error: None,
        }
    }

    pub(super) fn add(&mut self, inspection: Inspection, wit: Option<String>) {
        self.wit = wit;
        let least = least(&inspection.memories);
        if least > self.memory_limit {
            self.warnings.push(format!(
                "its memories have {} at the start, and the limit is {}: every event will fail. Build it with less, or set `taffrail.memory_mb`",
                size(least),
                size(self.memory_limit)
            ));
        }
        if let DebugInfo::Beside {
            path,
            problem: Some(problem),
        } = &inspection.debug_info
        {
            let path = path.display();
            self.warnings
                .push(format!("no lines in stacks from `{path}`: {problem}"));
        }
        self.inspection = Some(inspection);
    }

    /// Returns the report as `--json` prints it.
    pub(super) fn json(&self) -> Value {
        let inspection = self.inspection.as_ref();
        json!({
            "worker": self.name,
            "main": self.main,
            "kind": self.kind(),
            "deploys": self.error.is_none(),
            "error": self.error,
            "warnings": self.warnings,
            "bytes": self.bytes,
            "roles": self.handlers().map(|handlers| roles(&handlers)),
            "handlers": self.handlers(),
            "wasi": inspection.map(wasi),
            "languages": inspection.map(|it| producers(&it.languages)),
            "tools": inspection.map(|it| producers(&it.tools)),
            "exports": inspection.map(|it| &it.exports),
            "imports": inspection.map(|it| it.imports.iter().map(import).collect::<Vec<_>>()),
            "memories": inspection.map(|it| it.memories.iter().map(memory).collect::<Vec<_>>()),
            "memoryLimit": self.memory_limit,
            "debugInfo": inspection.map(|it| debug_info(&it.debug_info)),
            "wit": self.wit,
        })
    }

    /// Returns the report as text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("Worker `{}`\n", self.name);
        let kind = self.kind().unwrap_or("no component");
        let bytes = self.bytes.map(|bytes| format!(", {}", size(bytes as u64)));
        let main = format!("{}, {kind}{}", self.main, bytes.unwrap_or_default());
        row(&mut text, "main", [main]);
        if let Some(handlers) = self.handlers() {
            row(&mut text, "roles", [joined(roles(&handlers))]);
            row(&mut text, "handlers", [joined(handlers)]);
        }
        if let Some(inspection) = &self.inspection {
            self.inspected(&mut text, inspection);
        }
        let deploys = if self.error.is_none() { "yes" } else { "no" };
        row(&mut text, "deploys", [deploys.to_owned()]);
        text
    }

    fn inspected(&self, text: &mut String, inspection: &Inspection) {
        let wasi = wasi(inspection);
        row(
            text,
            "WASI",
            [joined(wasi.iter().map(String::as_str).collect())],
        );
        row(text, "languages", inspection.languages.iter().map(named));
        row(text, "tools", inspection.tools.iter().map(named));
        row(text, "exports", inspection.exports.iter().cloned());
        let imports = inspection.imports.iter();
        let (offered, missing): (Vec<_>, Vec<_>) =
            imports.partition(|import| import.missing.is_none());
        row(text, "imports", offered.iter().map(|it| it.name.clone()));
        let missing = missing.iter().filter_map(|import| {
            let remedy = import.missing.as_ref()?;
            Some(format!("{}: {remedy}", import.name))
        });
        row(text, "missing", missing);
        let memories = inspection.memories.iter().map(|memory| match memory.max {
            Some(max) => format!("{} at the start, {} at most", size(memory.min), size(max)),
            None => format!("{} at the start", size(memory.min)),
        });
        let limit = format!("limit of all: {}", size(self.memory_limit));
        row(text, "memory", memories.chain([limit]));
        let debug_info = match &inspection.debug_info {
            DebugInfo::None => "none".to_owned(),
            DebugInfo::Inside => "DWARF in the component".to_owned(),
            DebugInfo::Beside { path, .. } => format!("in {}", path.display()),
        };
        row(text, "debug info", [debug_info]);
    }

    /// Returns the names of the handlers, if they are known.
    fn handlers(&self) -> Option<Vec<&str>> {
        match (&self.script_handlers, &self.inspection) {
            (Some(handlers), _) => Some(handlers.iter().map(String::as_str).collect()),
            (None, Some(inspection)) if !inspection.is_script => Some(inspection.handlers.clone()),
            (None, _) => None,
        }
    }

    fn kind(&self) -> Option<&'static str> {
        match (self.bytes, &self.inspection) {
            (None, _) => Some("script"),
            (Some(_), Some(inspection)) if inspection.is_script => Some("built script"),
            (Some(_), Some(_)) => Some("component"),
            (Some(_), None) => None,
        }
    }
}

/// Writes one line for each value, and the name in the first of them.
fn row(text: &mut String, name: &str, values: impl IntoIterator<Item = String>) {
    let mut name = name;
    for value in values {
        // Writing to a string cannot fail.
        _ = writeln!(text, "  {name:COLUMN$}{value}");
        name = "";
    }
}

fn joined(names: Vec<&str>) -> String {
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

fn roles(handlers: &[&str]) -> Vec<&'static str> {
    let roles = [
        ("producer", "fetch"),
        ("tail", "tail"),
        ("streaming tail", "tailStream"),
    ];
    let roles = roles.into_iter();
    let roles = roles.filter(|(_, handler)| handlers.contains(handler));
    roles.map(|(role, _)| role).collect()
}

/// Returns the versions of the WASI packages that the component imports and exports.
fn wasi(inspection: &Inspection) -> BTreeSet<String> {
    let imports = inspection.imports.iter().map(|import| &import.name);
    imports
        .chain(&inspection.exports)
        .filter_map(|name| name.strip_prefix("wasi:")?.split_once('@'))
        .map(|(_, version)| version.to_owned())
        .collect()
}

fn least(memories: &[Memory]) -> u64 {
    let bytes = memories.iter().map(|memory| memory.min);
    bytes.fold(0, u64::saturating_add)
}

fn producers(of: &BTreeSet<Producer>) -> Vec<Value> {
    of.iter()
        .map(|it| json!({ "name": it.name, "version": it.version }))
        .collect()
}

fn named(producer: &Producer) -> String {
    format!("{} {}", producer.name, producer.version)
        .trim_end()
        .to_owned()
}

fn import(import: &Import) -> Value {
    let offered = import.missing.is_none();
    json!({ "name": import.name, "offered": offered, "remedy": import.missing })
}

fn memory(memory: &Memory) -> Value {
    json!({ "min": memory.min, "max": memory.max })
}

fn debug_info(of: &DebugInfo) -> Value {
    match of {
        DebugInfo::None => Value::Null,
        DebugInfo::Inside => json!({ "file": null, "problem": null }),
        DebugInfo::Beside { path, problem } => {
            json!({ "file": path.display().to_string(), "problem": problem })
        }
    }
}

/// Formats bytes in binary units, as the limits are.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0),
    }
}
