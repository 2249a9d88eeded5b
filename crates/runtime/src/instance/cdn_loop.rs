//! Counts the calls and tails that led to a request over the network, in the `CDN-Loop` header of
//! RFC 8586.

use http::{HeaderMap, HeaderValue};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

pub(crate) const HEADER: &str = "cdn-loop";

/// The key with which this process marks its entries.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The depth of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// The depth that the header states. A client may state any number, so this limits only the
    /// calls of the request itself.
    pub(crate) claimed: u32,
    /// The depth that this process has marked.
    pub(crate) known: u32,
}

/// Returns the entry for a request at this depth.
pub(crate) fn entry(depth: u32) -> HeaderValue {
    let text = format!("taffrail; loops={depth}; mark={}", mark(depth));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("taffrail"))
}

/// Returns the depth of a request with these headers.
pub(crate) fn depth(headers: &HeaderMap) -> Depth {
    let values = headers.get_all(HEADER).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut depth = Depth::default();
    for entry in values.flat_map(|value| value.split(',')) {
        let mut parts = entry.split(';').map(str::trim);
        if parts.next() != Some("taffrail") {
            continue;
        }
        let loops = parts.next().and_then(|part| part.strip_prefix("loops="));
        let Some(loops) = loops.and_then(|loops| loops.parse().ok()) else {
            continue;
        };
        depth.claimed = depth.claimed.max(loops);
        let marked = parts.next().and_then(|part| part.strip_prefix("mark="));
        if marked == Some(&mark(loops)) {
            depth.known = depth.known.max(loops);
        }
    }
    depth
}

fn mark(depth: u32) -> String {
    format!("{:016x}", KEY.hash_one(depth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[HeaderValue]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, value.clone());
        }
        headers
    }

    fn claimed(text: &'static str) -> Depth {
        depth(&headers(&[HeaderValue::from_static(text)]))
    }

    #[test]
    fn an_entry_of_this_process_is_known_and_the_deepest_counts() {
        let both = headers(&[entry(3), entry(7)]);
        let expected = Depth {
            claimed: 7,
            known: 7,
        };
        assert_eq!(depth(&both), expected);
        let text = format!("other; a=b, {}", entry(5).to_str().unwrap());
        let joined = headers(&[text.parse().unwrap()]);
        assert_eq!(depth(&joined).known, 5);
    }

    #[test]
    fn what_a_client_writes_is_claimed() {
        let expected = |claimed| Depth { claimed, known: 0 };
        assert_eq!(claimed("taffrail; loops=4294967295"), expected(u32::MAX));
        assert_eq!(claimed("taffrail;loops=3;mark=0"), expected(3));
        for nothing in [
            "taffrail",
            "taffrail; loops=4294967296",
            "taffrail; loops=-1",
            "other; loops=3",
            ";,;,loops=3",
        ] {
            assert_eq!(claimed(nothing), expected(0), "{nothing}");
        }
        // A mark for another depth.
        let text = entry(3).to_str().unwrap().replace("loops=3", "loops=4");
        let forged = headers(&[text.parse().unwrap()]);
        assert_eq!(depth(&forged), expected(4));
    }
}
