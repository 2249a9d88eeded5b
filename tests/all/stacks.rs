//! The stacks of errors in scripts, in the ways that packages written for V8 ask
//! for them.

use serde_json::{Value, json};
use taffrail_tests::folder::Folder;
use taffrail_tests::scenario::invoke;

const WORKER: &str = r#"class HttpError extends Error {
  constructor(message) {
    super(message);
    Error.captureStackTrace(this, HttpError);
  }
}

function refuse() {
  throw new HttpError("refused");
}

function recurse(depth) {
  return depth === 0 ? new Error("deep").stack : recurse(depth - 1);
}

function frames(depth) {
  return recurse(depth).split("\n").length - 1;
}

function sites() {
  const holder = {};
  Error.prepareStackTrace = (error, sites) => {
    // What it makes itself has a stack as text.
    if (typeof new Error("inner").stack !== "string") throw new Error("called for its own errors");
    return error === holder ? sites : "of another";
  };
  Error.captureStackTrace(holder, sites);
  const other = new Error("other").stack;
  delete Error.prepareStackTrace;
  const [site] = holder.stack;
  return {
    other,
    text: String(site),
    name: site.getFunctionName(),
    file: site.getFileName(),
    line: site.getLineNumber(),
    column: site.getColumnNumber(),
  };
}

export default {
  fetch() {
    const holder = { toString: () => "a holder" };
    Error.captureStackTrace(holder);
    const told = { holder: holder.stack, sites: sites() };
    told.frames = [frames(20), (Error.stackTraceLimit = 3, frames(20)), (Error.stackTraceLimit = Infinity, frames(20) > 20), (Error.stackTraceLimit = 10)];
    console.log(told);
    refuse();
  },
};
"#;

#[tokio::test(flavor = "multi_thread")]
async fn stacks_are_as_packages_for_v8_expect_them() {
    let folder = Folder::new();
    folder.script("w", WORKER, "");
    let (_, items) = invoke(&folder, &["w"]).await;
    let item = &items[0];
    let told: &Value = &item["logs"][0]["message"][0];
    let holder = line_of("Error.captureStackTrace(holder);");
    assert_eq!(
        told["holder"],
        json!(format!("a holder\n    at fetch (worker.js:{holder}:11)"))
    );
    let line = line_of("sites: sites()");
    assert_eq!(
        told["sites"],
        json!({
            "other": "of another",
            "text": format!("fetch (worker.js:{line}:49)"),
            "name": "fetch",
            "file": "worker.js",
            "line": line,
            "column": 49,
        })
    );
    assert_eq!(told["frames"], json!([10, 3, true, 10]));

    let (refuses, calls) = (line_of("throw new"), line_of("    refuse();"));
    let exception = &item["exceptions"][0];
    assert_eq!(exception["message"], "refused");
    assert_eq!(
        exception["stack"],
        json!(format!(
            "    at refuse (worker.js:{refuses}:9)\n    at fetch (worker.js:{calls}:5)"
        ))
    );
}

/// The line of the script that has this text in it.
fn line_of(text: &str) -> usize {
    let before = WORKER.lines().take_while(|line| !line.contains(text));
    before.count() + 1
}
