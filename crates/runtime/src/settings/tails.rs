//! Cycles of tail consumers.

use crate::settings::identity::WorkerId;

/// Finds a cycle of tail consumers that begins and ends at `start` and contains at least one
/// other Worker.
///
/// `tails_of` returns the tail consumers of a Worker.
pub fn tail_cycle(
    start: &WorkerId,
    tails_of: &impl Fn(&WorkerId) -> Vec<WorkerId>,
) -> Option<Vec<WorkerId>> {
    let mut path = vec![start.clone()];
    let mut seen = Vec::new();
    walk(&mut path, &mut seen, tails_of).then_some(path)
}

fn walk(
    path: &mut Vec<WorkerId>,
    seen: &mut Vec<WorkerId>,
    tails_of: &impl Fn(&WorkerId) -> Vec<WorkerId>,
) -> bool {
    let here = path[path.len() - 1].clone();
    for tail in tails_of(&here) {
        if tail == path[0] && path.len() > 1 {
            path.push(tail);
            return true;
        }
        if tail == here || seen.contains(&tail) {
            continue;
        }
        seen.push(tail.clone());
        path.push(tail);
        if walk(path, seen, tails_of) {
            return true;
        }
        path.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(edges: &[(&str, &[&str])], start: &str) -> Option<String> {
        let tails_of = |worker: &WorkerId| {
            edges
                .iter()
                .find(|(name, _)| worker.deployed_name() == Some(name))
                .map(|(_, tails)| tails.iter().map(|tail| WorkerId::from(*tail)).collect())
                .unwrap_or_default()
        };
        let path = tail_cycle(&start.into(), &tails_of)?;
        let names: Vec<_> = path.iter().map(ToString::to_string).collect();
        Some(names.join(" -> "))
    }

    #[test]
    fn a_cycle_is_found_and_named() {
        let found = cycle(&[("a", &["log", "b"]), ("b", &["c"]), ("c", &["a"])], "a");
        assert_eq!(found.unwrap(), "a -> b -> c -> a");
    }

    #[test]
    fn a_worker_may_tail_itself_and_two_may_share_a_tail() {
        assert_eq!(cycle(&[("a", &["a"])], "a"), None);
        assert_eq!(cycle(&[("a", &["b", "c"]), ("b", &["c"])], "a"), None);
    }

    #[test]
    fn a_cycle_further_on_is_not_a_cycle_of_the_start() {
        assert_eq!(
            cycle(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])], "a"),
            None
        );
    }
}
