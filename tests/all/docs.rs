//! The documentation: each example in it does what the page says.

use std::fs;
use taffrail_tests::guests::root;
use taffrail_tests::pages::{self, Block};

/// A test for each page.
macro_rules! pages {
    ($($test:ident: $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];

        $(
            #[test]
            fn $test() {
                pages::check($page);
            }
        )*
    };
}

pages! {
    readme: "README.md"
    configuration: "docs/configuration.md"
    tails: "docs/tails.md"
    streaming_tails: "docs/streaming-tails.md"
    live_tail: "docs/live-tail.md"
    traces: "docs/traces.md"
    logs: "docs/logs.md"
    opentelemetry: "docs/opentelemetry.md"
    limits: "docs/limits.md"
    javascript: "docs/javascript.md"
    bindings: "docs/bindings.md"
    analytics: "docs/analytics.md"
    languages: "docs/languages.md"
    security: "docs/security.md"
    testing: "docs/testing.md"
    embedding: "docs/embedding.md"
    wit: "docs/wit.md"
    rust_hello: "guest-examples/rust/hello/README.md"
    rust_hello_p3: "guest-examples/rust/hello-p3/README.md"
    rust_faulty: "guest-examples/rust/faulty/README.md"
    rust_tail_log: "guest-examples/rust/tail-log/README.md"
    rust_tail_stream: "guest-examples/rust/tail-stream/README.md"
    rust_tail_http: "guest-examples/rust/tail-http/README.md"
    c_hello: "guest-examples/c/hello/README.md"
    c_tail_http: "guest-examples/c/tail-http/README.md"
    c_tail_stream: "guest-examples/c/tail-stream/README.md"
    cpp_hello: "guest-examples/cpp/hello/README.md"
    cpp_tail_http: "guest-examples/cpp/tail-http/README.md"
    go_hello: "guest-examples/go/hello/README.md"
    go_tail_http: "guest-examples/go/tail-http/README.md"
    python_hello: "guest-examples/python/hello/README.md"
    python_tail_http: "guest-examples/python/tail-http/README.md"
    python_tail_stream: "guest-examples/python/tail-stream/README.md"
    javascript_hello: "guest-examples/javascript/hello/README.md"
    javascript_faulty: "guest-examples/javascript/faulty/README.md"
    javascript_heartbeat: "guest-examples/javascript/heartbeat/README.md"
    javascript_playground: "guest-examples/javascript/playground/README.md"
    javascript_tail_analytics: "guest-examples/javascript/tail-analytics/README.md"
    javascript_tail_http: "guest-examples/javascript/tail-http/README.md"
    javascript_tail_log: "guest-examples/javascript/tail-log/README.md"
    javascript_tail_stream: "guest-examples/javascript/tail-stream/README.md"
    javascript_tail_service_worker: "guest-examples/javascript/tail-service-worker/README.md"
}

#[test]
fn every_page_has_a_test() {
    let names = |folder: &str| {
        let folder = fs::read_dir(root().join(folder)).unwrap();
        folder.map(|entry| entry.unwrap().file_name().into_string().unwrap())
    };
    let mut pages: Vec<_> = names("docs").map(|page| format!("docs/{page}")).collect();
    for language in ["rust", "python", "javascript", "go", "c", "cpp"] {
        let examples = names(&format!("guest-examples/{language}"));
        pages.extend(examples.map(|name| format!("guest-examples/{language}/{name}/README.md")));
    }
    pages.retain(|page| root().join(page).exists() && !PAGES.contains(&&**page));
    assert_eq!(pages, [""; 0]);
}

#[test]
fn every_example_of_the_runtime_is_on_the_page() {
    let page = fs::read_to_string(root().join("docs/embedding.md")).unwrap();
    let blocks = pages::blocks(&page).unwrap();
    let is_shown = |path: &str| {
        let mut blocks = blocks.iter();
        blocks.any(|(_, block)| matches!(block, Block::File { name, .. } if name == path))
    };
    let examples = fs::read_dir(root().join("crates/runtime/examples")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let examples = examples.map(|name| format!("crates/runtime/examples/{name}"));
    let missing: Vec<_> = examples.filter(|path| !is_shown(path)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_guest_example_has_its_parts() {
    for page in PAGES
        .iter()
        .filter(|page| page.starts_with("guest-examples/"))
    {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let mut parts = text.split("\n## ");
        let introduction = parts.next().unwrap();
        assert!(introduction.lines().count() > 1, "{page} says nothing");
        let parts: Vec<_> = parts.filter_map(|part| part.split_once('\n')).collect();
        let titles: Vec<_> = parts.iter().map(|(title, _)| *title).collect();
        assert_eq!(titles, ["Needs", "Build", "Run", "Output"], "{page}");
        for (title, text) in &parts[2..] {
            assert!(text.contains("\n```"), "{page}: {title} has no block");
        }
    }
}

/// The table of promises names modules, tests and files that exist.
#[test]
fn every_promise_is_held_by_tests_that_exist() {
    let tests = root().join("tests");
    let table = fs::read_to_string(tests.join("README.md")).unwrap();
    let promises = table
        .split("\n## ")
        .find(|part| part.starts_with("Promises"));
    let rows = promises
        .unwrap()
        .lines()
        .skip_while(|line| !line.starts_with('|'));
    let names = rows.filter_map(|row| row.split('|').nth(2));
    let names = names.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let missing: Vec<_> = names.filter(|name| !exists(name)).collect();
    assert_eq!(missing, [""; 0]);
}

/// Whether a file, or a test or module of this binary, exists.
fn exists(name: &str) -> bool {
    if name.contains('/') {
        return root().join(name).exists() || root().join("tests").join(name).exists();
    }
    let mut path: Vec<_> = name.split("::").collect();
    if path[0] != "hostile" {
        path.insert(0, "all");
    }
    let file = format!("tests/{}/{}.rs", path[0], path[1]);
    let source = fs::read_to_string(root().join(file)).unwrap_or_default();
    match path.get(2) {
        Some(test) => source.contains(&format!("fn {test}(")),
        None => source.contains("fn "),
    }
}
