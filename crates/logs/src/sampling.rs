//! Which requests are kept.

use fnv::FnvHasher;
use std::hash::Hasher;

/// Spreads hashes that differ in few bits over all numbers.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Whether a request is among this share of all requests, from 0 to 1.
///
/// The id of the request decides, so that it is the same for all that a request calls, in every
/// process. A request that is among a share is also among each larger one.
#[must_use]
pub fn is_sampled(request_id: &str, rate: f64) -> bool {
    let mut hasher = FnvHasher::default();
    hasher.write(request_id.as_bytes());
    let spread = hasher.finish().wrapping_mul(MULTIPLIER) >> 11;
    // 53 bits, as many as a number from 0 to 1 can have.
    (spread as f64) < rate * (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_share_that_is_kept() {
        let kept = |rate| {
            let ids = (0..100_000).map(|number: u64| format!("{number:032x}"));
            ids.filter(|id| is_sampled(id, rate)).count()
        };
        assert_eq!((kept(0.0), kept(1.0)), (0, 100_000));
        for rate in [0.01, 0.1, 0.5] {
            let share = kept(rate) as f64 / 100_000.0;
            assert!((share / rate - 1.0).abs() < 0.05, "{rate}: {share}");
        }
        let id = "00112233445566778899aabbccddeeff";
        let least = (1..=100).find(|rate| is_sampled(id, f64::from(*rate) / 100.0));
        let least = least.unwrap();
        assert!((least..=100).all(|rate| is_sampled(id, f64::from(rate) / 100.0)));
    }
}
