//! The text of a script, and the way back from its bundle to the user's own
//! source.

use serde::Deserialize;
use sourcemap::SourceMap;
use std::fmt::Write;
use std::sync::OnceLock;

/// A script in one file, with the map to the files that it was made of.
pub struct Source {
    text: String,
    map_json: Option<Vec<u8>>,
    /// Read when something fails.
    map: OnceLock<Option<SourceMap>>,
    service_worker: bool,
}

/// How many frames V8 tells of.
const FRAMES: usize = 10;

/// The name under which the engine evaluates the script.
const FILE: &str = "worker.js";

impl Source {
    /// A script that sets `module.exports`, as bundlers make of ES modules.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            map_json: None,
            map: OnceLock::new(),
            service_worker: false,
        }
    }

    /// Adds the source map, in JSON. One that cannot be read counts as none.
    #[must_use]
    pub fn with_map(self, json: impl Into<Vec<u8>>) -> Self {
        Self {
            map_json: Some(json.into()),
            ..self
        }
    }

    /// Says that the script has the Service Worker syntax: its handlers are
    /// listeners, and its vars are globals.
    #[must_use]
    pub fn service_worker(self, service_worker: bool) -> Self {
        Self {
            service_worker,
            ..self
        }
    }

    /// The source that a component was built of, as told in it. What cannot be
    /// read is missing in stacks only.
    pub(crate) fn built(json: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Built {
            text: String,
            map: String,
            service_worker: bool,
        }
        let built: Built = serde_json::from_slice(json).unwrap_or_default();
        Self::new(built.text)
            .with_map(built.map)
            .service_worker(built.service_worker)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_service_worker(&self) -> bool {
        self.service_worker
    }

    /// The frames of a stack as SpiderMonkey writes it (`name@file:line:column`,
    /// one a line), without the engine's own, in the layout of V8's and at
    /// their places in the user's source.
    pub(crate) fn frames(&self, stack: &str) -> String {
        let mut frames = String::new();
        let told = stack.lines().filter_map(|line| self.frame(line));
        for frame in told.take(FRAMES) {
            if !frames.is_empty() {
                frames.push('\n');
            }
            frames.push_str(&frame);
        }
        frames
    }

    fn frame(&self, line: &str) -> Option<String> {
        let (name, place) = line.rsplit_once('@')?;
        let mut parts = place.rsplitn(3, ':');
        let column: u32 = parts.next()?.parse().ok()?;
        let line: u32 = parts.next()?.parse().ok()?;
        if parts.next()? != FILE {
            return None;
        }
        if self.is_added(line - 1, column - 1) {
            return None;
        }
        let place = match self.map() {
            None => format!("{FILE}:{line}:{column}"),
            Some(map) => place_in(map, line - 1, column - 1)?,
        };
        let mut frame = "    at ".to_owned();
        match function(name) {
            "" => frame.push_str(&place),
            function => _ = write!(frame, "{function} ({place})"),
        }
        Some(frame)
    }

    /// Whether a call is one that the bundler added to make generators of
    /// `async` functions.
    fn is_added(&self, line: u32, column: u32) -> bool {
        line_start(&self.text, line as usize)
            .and_then(|start| {
                let line = &self.text[start..];
                Some(&line[utf16_offset(line, column)?..])
            })
            .is_some_and(|call| call.starts_with("__async"))
    }

    /// The text that a function has in the user's source, or `text` itself
    /// where that cannot be told.
    pub(crate) fn original_text(&self, text: String) -> String {
        self.find_original(&text).unwrap_or(text)
    }

    fn find_original(&self, text: &str) -> Option<String> {
        let start = self.text.find(text)?;
        let first = self.original(start)?;
        let last = self.original(start + text.len() - 1)?;
        let original = (first.source == last.source)
            .then(|| first.source.get(first.at..=last.at))
            .flatten()?;
        original
            .ends_with(&text[text.len() - 1..])
            .then(|| original.to_owned())
    }

    /// Where the byte at `at` of the bundle comes from: itself, or what stands
    /// before it if it was added.
    fn original(&self, at: usize) -> Option<Original<'_>> {
        let map = self.map()?;
        let before = &self.text[..at];
        let line = u32::try_from(before.matches('\n').count()).ok()?;
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let column = utf16_len(self.text.get(begin..at)?);
        let token = map.lookup_token(line, column)?;
        let source = map.get_source_contents(token.get_src_id())?;
        let line_start = line_start(source, token.get_src_line() as usize)?;
        let place = |column| Some(line_start + utf16_offset(&source[line_start..], column)?);
        let token_at = place(token.get_src_col())?;
        // Inside a token, as at the last digit of a number.
        let inside = (token.get_dst_line() == line)
            .then(|| token.get_src_col() + (column - token.get_dst_col()))
            .and_then(place)
            .filter(|inside| source.as_bytes().get(*inside) == self.text.as_bytes().get(at));
        Some(Original {
            source,
            at: inside.unwrap_or(token_at),
        })
    }

    fn map(&self) -> Option<&SourceMap> {
        let read = || SourceMap::from_slice(self.map_json.as_deref()?).ok();
        self.map.get_or_init(read).as_ref()
    }
}

/// A place in a file of the user's.
struct Original<'a> {
    source: &'a str,
    at: usize,
}

/// A place by its line and column in the bundle, both from 0. None is for what
/// the bundler added.
fn place_in(map: &SourceMap, line: u32, column: u32) -> Option<String> {
    let token = map.lookup_token(line, column)?;
    let source = token.get_source()?;
    let (line, column) = (token.get_src_line() + 1, token.get_src_col() + 1);
    Some(format!("{source}:{line}:{column}"))
}

/// The name of a function. SpiderMonkey marks how a callback was called
/// (`async*`) and where a function without a name stands (`outer/inner<`).
fn function(name: &str) -> &str {
    let name = name.rsplit_once('*').map_or(name, |(_, name)| name);
    name.split(['/', '<']).next().unwrap_or_default()
}

fn line_start(text: &str, line: usize) -> Option<usize> {
    match line {
        0 => Some(0),
        _ => Some(text.match_indices('\n').nth(line - 1)?.0 + 1),
    }
}

fn utf16_len(text: &str) -> u32 {
    text.chars().map(|c| c.len_utf16() as u32).sum()
}

/// The byte at which a line has its UTF-16 unit `column`.
fn utf16_offset(line: &str, column: u32) -> Option<usize> {
    let mut units = 0;
    for (offset, character) in line.char_indices() {
        if units == column {
            return Some(offset);
        }
        units += character.len_utf16() as u32;
    }
    None
}
