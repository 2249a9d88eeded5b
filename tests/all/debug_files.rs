//! Stacks with lines that come from a file beside the component.

use std::fs;
use std::os::unix::fs::symlink;
use taffrail_tests::guests;
use taffrail_tests::process::{Finished, Folder};
use taffrail_tests::scenario::Scenario;

const CUSTOM: u8 = 0;
/// Of a component.
const CORE_MODULE: u8 = 1;

/// The sections of a module or a component, after its head of eight bytes.
fn sections(wasm: &[u8]) -> Vec<(u8, &[u8])> {
    let mut rest = &wasm[8..];
    let mut sections = Vec::new();
    while let [id, after @ ..] = rest {
        let mut length = 0;
        let digits = after.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        for byte in after[..digits].iter().rev() {
            length = length << 7 | usize::from(byte & 0x7f);
        }
        let (content, next) = after[digits..].split_at(length);
        sections.push((*id, content));
        rest = next;
    }
    sections
}

fn write_section(wasm: &mut Vec<u8>, id: u8, content: &[u8]) {
    wasm.push(id);
    let mut length = content.len();
    while length >= 0x80 {
        wasm.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    wasm.push(length.to_le_bytes()[0]);
    wasm.extend(content);
}

fn is_debug(id: u8, content: &[u8]) -> bool {
    // The first byte is the length of the name.
    id == CUSTOM && content[1..].starts_with(b".debug_")
}

/// A module with those of its sections for which `keep` is the case.
fn only(module: &[u8], keep: impl Fn(u8, &[u8]) -> bool) -> Vec<u8> {
    let mut kept = module[..8].to_vec();
    for (id, content) in sections(module) {
        if keep(id, content) {
            write_section(&mut kept, id, content);
        }
    }
    kept
}

/// A component without debug information. Its modules name `external` as the
/// file that has it.
fn stripped(component: &[u8], external: Option<&str>) -> Vec<u8> {
    let mut kept = component[..8].to_vec();
    for (id, content) in sections(component) {
        if id != CORE_MODULE {
            write_section(&mut kept, id, content);
            continue;
        }
        let mut module = only(content, |id, content| !is_debug(id, content));
        if let Some(file) = external {
            let mut named = Vec::new();
            for text in ["external_debug_info", file] {
                named.push(u8::try_from(text.len()).unwrap());
                named.extend(text.as_bytes());
            }
            write_section(&mut module, CUSTOM, &named);
        }
        write_section(&mut kept, CORE_MODULE, &module);
    }
    kept
}

fn main_module(component: &[u8]) -> &[u8] {
    sections(component)
        .into_iter()
        .filter(|(id, _)| *id == CORE_MODULE)
        .map(|(_, module)| module)
        .max_by_key(|module| module.len())
        .unwrap()
}

fn guest(name: &str) -> Vec<u8> {
    fs::read(guests::component(name)).unwrap()
}

/// The stack of a trap, of a Worker with these files in its folder.
fn trap(files: &[(&str, &[u8])]) -> (String, Finished) {
    let folder = Folder::new();
    folder.write("w/wrangler.toml", "name = \"w\"\nmain = \"w.wasm\"\n");
    for (name, contents) in files {
        folder.write(&format!("w/{name}"), contents);
    }
    let url = "http://localhost/fault/divide";
    let finished = folder.run(&["invoke", "w", "--url", url, "--items", "-"]);
    let exception = &finished.items()[0]["exceptions"][0];
    assert_eq!(exception["message"], "integer divide by zero");
    (exception["stack"].as_str().unwrap().to_owned(), finished)
}

#[test]
fn every_kind_of_debug_file_gives_the_lines_that_the_component_lost() {
    let whole = guest("probe");
    let (expected, _) = trap(&[("w.wasm", &whole)]);
    assert!(expected.contains("src/faults.rs:"), "{expected}");

    let component = stripped(&whole, None);
    let (bare, finished) = trap(&[("w.wasm", &component)]);
    assert!(!bare.contains(".rs:"), "{bare}");
    assert_eq!(finished.stderr, "");

    let module = main_module(&whole);
    for debug in [&whole, module, &only(module, is_debug)] {
        let (stack, finished) = trap(&[("w.wasm", &component), ("w.debug.wasm", debug)]);
        assert_eq!(stack, expected);
        assert_eq!(finished.stderr, "");
    }

    let named = stripped(&whole, Some("lines.wasm"));
    let (stack, _) = trap(&[("w.wasm", &named), ("lines.wasm", &whole)]);
    assert_eq!(stack, expected);
}

#[test]
fn a_debug_file_of_something_else_is_said_to_be_that_and_not_used() {
    let component = stripped(&guest("probe"), None);
    let other = guest("tail-probe");
    let without = stripped(&other, None);
    for (debug, problem) in [
        (&*other, "its code differs from the component's"),
        (&*without, "it has no DWARF"),
        (b"else", "it is not a WebAssembly file"),
    ] {
        let (stack, finished) = trap(&[("w.wasm", &component), ("w.debug.wasm", debug)]);
        assert!(!stack.contains(".rs:"), "{stack}");
        let lines: Vec<_> = finished.stderr.lines().collect();
        let [warning] = lines[..] else {
            panic!("{lines:?}")
        };
        assert!(warning.contains("w/w.debug.wasm`: "), "{warning}");
        assert!(warning.contains(problem), "{warning}");
    }
}

const DISPATCHER: &str = "\
export default { fetch(request, env) {
  const [, name] = new URL(request.url).hostname.split('.');
  return env.USERS.get(name).fetch(request);
} };
";

const NAMESPACE: &str = "\
dispatch_namespaces = [{ binding = \"USERS\", namespace = \"users\" }]
[taffrail.dispatch_namespaces]
users = \"../users\"
";

/// The stack of the same trap in a user Worker.
async fn trap_of_user(scenario: &Scenario, name: &str) -> String {
    let request = http::Request::get(format!("http://to.{name}/fault/divide"));
    scenario
        .send("dispatcher", request.body(Default::default()).unwrap())
        .await;
    let item = scenario.item(name);
    assert_eq!(item.exceptions[0].message, "integer divide by zero");
    item.exceptions[0].stack.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_worker_gets_lines_from_the_debug_file_in_its_own_folder() {
    let (whole, folder) = (guest("probe"), Folder::new());
    let component = stripped(&whole, None);
    let named = stripped(&whole, Some("lines.wasm"));
    folder.script("dispatcher", DISPATCHER, NAMESPACE);
    for (name, component) in [
        ("own", &component),
        ("named", &named),
        ("other", &component),
        ("both", &named),
    ] {
        let config = format!("name = \"{name}\"\nmain = \"w.wasm\"\n");
        folder
            .write(&format!("users/{name}/wrangler.toml"), config)
            .write(&format!("users/{name}/w.wasm"), component);
    }
    folder
        .write("users/own/w.debug.wasm", &whole)
        .write("users/named/lines.wasm", &whole)
        .write("users/both/lines.wasm", &whole)
        // A component alone has no folder of its own.
        .write("users/alone.wasm", &component)
        .write("users/alone.debug.wasm", &whole);
    for name in ["other", "both"] {
        let link = folder.path().join(format!("users/{name}/w.debug.wasm"));
        symlink("../own/w.debug.wasm", link).unwrap();
    }
    let scenario = Scenario::of(&folder, &["dispatcher"]).await;
    for (name, has_lines) in [
        ("own", true),
        ("named", true),
        ("other", false),
        ("both", true),
        ("alone", false),
    ] {
        let stack = trap_of_user(&scenario, name).await;
        assert_eq!(
            stack.contains("src/faults.rs:"),
            has_lines,
            "{name}: {stack}"
        );
    }
}
