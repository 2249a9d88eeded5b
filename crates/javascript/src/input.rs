//! Disables source maps in sources before they are bundled.

use serde_json::Value;
use std::sync::Arc;

/// A source map that maps nothing. Of several comments the last one counts.
const NO_MAP: &str = "//# sourceMappingURL=data:application/json,{}";
const NO_MAP_CSS: &str = "/*# sourceMappingURL=data:application/json,{} */";

/// The source with a source map of its own without effect. Such a map could say
/// that the source is any other file, whose text esbuild would then show.
pub(crate) fn without_source_map(path: &str, contents: Arc<[u8]>) -> Arc<[u8]> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some(comment) = name.rsplit_once('.').and_then(|(_, end)| comment(end)) else {
        return contents;
    };
    with_comment(contents, comment)
}

/// The same for code whose file has any name.
pub(crate) fn code_without_source_map(code: &[u8]) -> Arc<[u8]> {
    with_comment(code.into(), NO_MAP)
}

fn with_comment(contents: Arc<[u8]>, comment: &str) -> Arc<[u8]> {
    let marker = b"sourceMappingURL=";
    let marked = contents.windows(marker.len()).any(|bytes| bytes == marker);
    if !marked || contents.ends_with(comment.as_bytes()) {
        return contents;
    }
    [&contents[..], b"\n", comment.as_bytes()].concat().into()
}

/// The comment that ends files with this extension, if they are code.
fn comment(extension: &str) -> Option<&'static str> {
    match extension {
        "js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx" => Some(NO_MAP),
        "css" => Some(NO_MAP_CSS),
        _ => None,
    }
}

/// The source map with the sources as they were.
pub(crate) fn restore(map: &mut Value) {
    let sources = map.get_mut("sourcesContent").and_then(Value::as_array_mut);
    for source in sources.into_iter().flatten() {
        let restored = source.as_str().and_then(|text| {
            let text = text
                .strip_suffix(NO_MAP)
                .or(text.strip_suffix(NO_MAP_CSS))?;
            text.strip_suffix('\n')
        });
        if let Some(restored) = restored {
            *source = restored.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_code_with_a_source_map_changes_and_it_can_be_restored() {
        let own = "f();\n//# sourceMappingURL=data:application/json,{\"sources\":[]}";
        let changed = without_source_map("/lib/a.ts", own.as_bytes().into());
        assert!(changed.ends_with(NO_MAP.as_bytes()));
        let mut map = json!({ "sourcesContent": [str::from_utf8(&changed).unwrap(), null] });
        restore(&mut map);
        assert_eq!(map["sourcesContent"], json!([own, null]));
        for (path, text) in [("/a.txt", own), ("/a.js", "f();"), ("/js", own)] {
            let same = without_source_map(path, text.as_bytes().into());
            assert_eq!(&same[..], text.as_bytes());
        }
    }
}
