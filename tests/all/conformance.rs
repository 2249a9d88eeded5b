//! Workers as workerd was recorded with them.

use taffrail_tests::conformance;
use taffrail_tests::guests::root;

/// The recordings that use something Taffrail lacks. The number goes down when
/// it learns something, and is here so that it does not go up.
const UNSUPPORTED: usize = 1;

#[tokio::test(flavor = "multi_thread")]
async fn everything_supported_is_as_recorded() {
    let scenarios = root().join("tests/conformance/scenarios");
    let report = conformance::run(&scenarios, None, |_| {}).await.unwrap();
    let [agree, differ, unsupported] = report.counts();
    let differing = report.scenarios.iter();
    let differing: String = differing
        .filter(|scenario| matches!(scenario.verdict, conformance::Verdict::Differ { .. }))
        .map(|scenario| format!("{scenario}\n"))
        .collect();
    assert_eq!(differ, 0, "{differing}");
    assert_eq!(unsupported, UNSUPPORTED);
    assert_eq!(agree, 156 - UNSUPPORTED);
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let counts = format!("{agree} agree, 0 differ, {unsupported} is unsupported");
    assert!(readme.contains(&counts), "README.md: not {counts}");
}
