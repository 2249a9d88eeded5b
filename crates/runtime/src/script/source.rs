//! The text of a script, and the mapping from its bundle back to the user's source.

use serde::Deserialize;
use sourcemap::SourceMap;
use std::fmt::Write;
use std::sync::OnceLock;

/// A script in one file, with a map to the source files.
pub struct Source {
    text: String,
    map_json: Option<Vec<u8>>,
    /// Parsed when it is first needed, after a failure.
    map: OnceLock<Option<SourceMap>>,
    service_worker: bool,
}

/// The most frames that are read from a stack of SpiderMonkey. Each costs a search in the script.
const NATIVE_FRAMES: usize = 128;

/// The file name under which the engine evaluates the script.
const FILE: &str = "worker.js";

impl Source {
    /// Creates a script that sets `module.exports`, as bundlers produce from ES modules.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            map_json: None,
            map: OnceLock::new(),
            service_worker: false,
        }
    }

    /// Adds the source map, as JSON. An invalid one is ignored.
    #[must_use]
    pub fn with_map(self, json: impl Into<Vec<u8>>) -> Self {
        Self {
            map_json: Some(json.into()),
            ..self
        }
    }

    /// Sets whether the script has the Service Worker syntax: its handlers are listeners, and its
    /// vars are globals.
    #[must_use]
    pub fn service_worker(self, service_worker: bool) -> Self {
        Self {
            service_worker,
            ..self
        }
    }

    /// Reads the source from the component that was built from it. If the map cannot be read,
    /// only stacks are affected.
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

    /// Returns the first frames of a SpiderMonkey stack (`name@file:line:column`, one on each
    /// line), without the engine's own, in V8's layout and with positions in the user's source.
    pub(crate) fn frames(&self, stack: &str, limit: usize) -> String {
        let lines = stack.lines().take(NATIVE_FRAMES);
        let frames: Vec<_> = lines
            .filter_map(|line| self.frame(line))
            .take(limit)
            .collect();
        frames.join("\n")
    }

    fn frame(&self, line: &str) -> Option<String> {
        let (name, place) = line.rsplit_once('@')?;
        let mut parts = place.rsplitn(3, ':');
        let column = from_zero(parts.next()?)?;
        let line = from_zero(parts.next()?)?;
        if parts.next()? != FILE || self.is_added(line, column) {
            return None;
        }
        let place = match self.map() {
            None => shown(FILE, line, column),
            Some(map) => place_in(map, line, column)?,
        };
        let mut frame = "    at ".to_owned();
        match function(name) {
            "" => frame.push_str(&place),
            function => _ = write!(frame, "{function} ({place})"),
        }
        Some(frame)
    }

    /// Whether a call was added by the bundler, which converts `async` functions to generators.
    fn is_added(&self, line: u32, column: u32) -> bool {
        place_of(&self.text, line, column)
            .and_then(|at| self.text.get(at..))
            .is_some_and(|call| call.starts_with("__async"))
    }

    /// Returns the text of a function in the user's source, or `text` itself if that is unknown.
    pub(crate) fn original_text(&self, text: String) -> String {
        self.find_original(&text).unwrap_or(text)
    }

    fn find_original(&self, text: &str) -> Option<String> {
        let start = self.text.find(text)?;
        let (last_at, last) = text.char_indices().next_back()?;
        let begin = self.original(start)?;
        let end = self.original(start + last_at)?;
        if begin.source != end.source {
            return None;
        }
        let original = begin.source.get(begin.at..end.at + last.len_utf8())?;
        original.ends_with(last).then(|| original.to_owned())
    }

    /// Returns the original position of the character at `at` in the bundle. If the character was
    /// added by the bundler, this is the position of the text before it.
    fn original(&self, at: usize) -> Option<Original<'_>> {
        let map = self.map()?;
        let before = self.text.get(..at)?;
        let character = self.text.get(at..)?.chars().next()?;
        let line = u32::try_from(before.matches('\n').count()).ok()?;
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let column = utf16_len(before.get(begin..)?);
        let token = map.lookup_token(line, column)?;
        let source = map.get_source_contents(token.get_src_id())?;
        let place = |column| place_of(source, token.get_src_line(), column);
        let token_at = place(token.get_src_col())?;
        // Inside a token, such as at the last digit of a number.
        let inside = (token.get_dst_line() == line)
            .then(|| column.checked_sub(token.get_dst_col()))
            .flatten()
            .and_then(|into| token.get_src_col().checked_add(into))
            .and_then(place)
            .filter(|inside| {
                let rest = source.get(*inside..);
                rest.is_some_and(|rest| rest.starts_with(character))
            });
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

/// A position in a file of the user's.
struct Original<'a> {
    source: &'a str,
    at: usize,
}

/// Converts a line or column from SpiderMonkey's count, which begins with 1, to one that begins
/// with 0.
fn from_zero(text: &str) -> Option<u32> {
    text.parse::<u32>().ok()?.checked_sub(1)
}

/// Returns the source position of a line and column in the bundle, both counted from 0. `None` if
/// the bundler added the code there.
fn place_in(map: &SourceMap, line: u32, column: u32) -> Option<String> {
    let token = map.lookup_token(line, column)?;
    let source = token.get_source()?;
    Some(shown(source, token.get_src_line(), token.get_src_col()))
}

/// Formats a position whose line and column count from 0. The output counts from 1.
fn shown(file: &str, line: u32, column: u32) -> String {
    let (line, column) = (u64::from(line) + 1, u64::from(column) + 1);
    format!("{file}:{line}:{column}")
}

/// Returns the name of a function. SpiderMonkey marks how a callback was called (`async*`) and
/// where an anonymous function is defined (`outer/inner<`).
fn function(name: &str) -> &str {
    let name = name.rsplit_once('*').map_or(name, |(_, name)| name);
    name.split(['/', '<']).next().unwrap_or_default()
}

/// Returns the byte offset of a line and column in `text`, both counted from 0.
fn place_of(text: &str, line: u32, column: u32) -> Option<usize> {
    let start = match line.checked_sub(1) {
        None => 0,
        Some(before) => text.match_indices('\n').nth(before as usize)?.0 + 1,
    };
    Some(start + utf16_offset(text.get(start..)?, column)?)
}

fn utf16_len(text: &str) -> u32 {
    text.chars().map(|c| c.len_utf16() as u32).sum()
}

/// Returns the byte offset of the UTF-16 unit `column` in a line.
fn utf16_offset(line: &str, column: u32) -> Option<usize> {
    let mut units = 0;
    for (offset, character) in line.char_indices() {
        if units >= column || character == '\n' {
            return (units == column).then_some(offset);
        }
        units += character.len_utf16() as u32;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Source;
    use proptest::prelude::*;

    /// Returns the source map of one file with these contents, which maps the bundle to that file
    /// character by character.
    fn identity(contents: &str) -> String {
        let mut builder = sourcemap::SourceMapBuilder::new(None);
        let source = builder.add_source("a.js");
        builder.set_source_contents(source, Some(contents));
        for (line, text) in (0..).zip(contents.split('\n')) {
            let mut column = 0;
            for character in text.chars() {
                builder.add_raw(line, column, line, column, Some(source), None, false);
                column += character.len_utf16() as u32;
            }
        }
        let mut json = Vec::new();
        builder.into_sourcemap().to_writer(&mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn a_function_that_ends_with_another_script_than_latin_has_its_text() {
        let text = "const é = 1;\nconst f = () => é;\nconst g = () => '𝒳';";
        let source = Source::new(text).with_map(identity(text));
        for function in ["() => é", "() => '𝒳'", "é", "𝒳"] {
            assert_eq!(source.original_text(function.to_owned()), function);
        }
        assert_eq!(source.original_text(String::new()), "");
    }

    #[test]
    fn frames_at_impossible_places_are_left_out() {
        let source = Source::new("a\n  b");
        assert_eq!(source.frames("f@worker.js:0:0\ng@worker.js:1:0", 10), "");
        assert_eq!(
            source.frames("f@worker.js:4294967295:4294967295", 10),
            "    at f (worker.js:4294967295:4294967295)"
        );
    }

    proptest! {
        #[test]
        fn every_part_of_a_script_has_its_own_text(text in any::<String>(), from in 0..40_usize, to in 0..40_usize) {
            let part: String = text.chars().skip(from).take(to).collect();
            let source = Source::new(text.clone()).with_map(identity(&text));
            prop_assert_eq!(source.original_text(part.clone()), part);
        }

        #[test]
        fn no_map_and_no_text_upset_it(
            text in "[aé𝒳\n]{0,12}",
            contents in "[aé𝒳\n]{0,12}",
            mappings in "[A-Za-z0-9+/,;]{0,60}",
            part in "[aé𝒳\n]{0,3}",
            stack in "([a/<*]{0,3}@worker.js:[0-9]{1,10}:[0-9]{1,10}\n){0,4}",
        ) {
            let map = serde_json::json!({
                "version": 3, "sources": ["a.js"], "sourcesContent": [contents],
                "names": [], "mappings": mappings,
            });
            let source = Source::new(text).with_map(map.to_string());
            source.original_text(part);
            source.frames(&stack, 10);
        }

        #[test]
        fn no_bytes_of_a_map_upset_it(map in any::<Vec<u8>>(), stack in any::<String>()) {
            let source = Source::new(stack.clone()).with_map(map);
            source.original_text(stack.clone());
            source.frames(&stack, 10);
        }
    }
}
