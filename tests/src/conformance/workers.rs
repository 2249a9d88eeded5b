//! The Workers of a scenario as files.

use super::recording::{Recording, Service, Target};
use crate::process::Folder;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// The name that recordings have for the recorder as a Worker.
const SINK: &str = "sink";

/// A tail that reports what it receives.
const TAIL: &str = "\
import { record } from 'lib';
export default {
  async tail(events, env, ctx) {
    await record(env, 'tail', events, { argc: arguments.length, isArray: Array.isArray(events), ctxProps: ctx.props });
  },
};
";

/// A streaming tail that reports what it receives, one event after the other.
const STREAMING_TAIL: &str = "\
import { record } from 'lib';
export default {
  tailStream(onset, env) {
    let reports = record(env, 'stream', onset);
    return (event) => {
      reports = reports.then(() => record(env, 'stream', event));
      return reports;
    };
  },
};
";

/// What Workers of recordings import as `lib`.
const LIBRARY: &str = "\
let n = 0;
export async function record(env, kind, data, more = {}) {
  const report = { label: env.LABEL, kind, n: n++, now: Date.now(), json: data, ...more };
  const response = await env.SINK.fetch('http://sink/' + kind, { method: 'POST', body: JSON.stringify(report) });
  await response.text();
}
";

/// Writes the Workers, and returns the names of their folders, the one that
/// answers the client first.
pub(super) fn write(
    recording: &Recording,
    recorder: SocketAddr,
    folder: &Folder,
) -> Result<Vec<String>> {
    let front = recording.front()?;
    let others = recording.services.iter();
    let others = others.filter(|service| service.name != front.name);
    let mut names = Vec::new();
    for service in [front].into_iter().chain(others) {
        let name = &service.name;
        let own = match service.kind.as_deref() {
            Some("stream") => STREAMING_TAIL,
            _ => TAIL,
        };
        let source = recording.sources.get(name).map_or(own, String::as_str);
        folder.write(&format!("{name}/worker.js"), source).write(
            &format!("{name}/wrangler.json"),
            config(service)?.to_string(),
        );
        names.push(name.clone());
    }
    let sink = json!({ "name": SINK, "main": "worker.js", "limits": limits() });
    folder
        .write("node_modules/lib/index.js", LIBRARY)
        .write("sink/worker.js", sink_source(recorder))
        .write("sink/wrangler.json", sink.to_string());
    names.push(SINK.to_owned());
    Ok(names)
}

/// The recorder as a Worker, for those that call it by a binding.
fn sink_source(recorder: SocketAddr) -> String {
    format!(
        "\
export default {{
  async fetch(request) {{
    const {{ pathname, search }} = new URL(request.url);
    const body = await request.text();
    const init = body === '' ? {{ method: request.method }} : {{ method: request.method, body }};
    return fetch('http://{recorder}' + pathname + search, init);
  }},
}};
"
    )
}

fn config(service: &Service) -> Result<Value> {
    let mut vars = Map::from_iter([("LABEL".to_owned(), Value::from(service.name.as_str()))]);
    let mut loaders = Vec::new();
    let mut objects = Vec::new();
    for binding in service.bindings()? {
        let name = binding["name"].as_str().unwrap_or_default().to_owned();
        if let Some(class) = binding.get("durableObjectNamespace") {
            objects.push(json!({ "name": name.as_str(), "class_name": class }));
        }
        if binding.contains_key("workerLoader") {
            loaders.push(json!({ "binding": name.as_str() }));
        }
        if let Some(text) = binding.get("text") {
            vars.insert(name, text.clone());
        } else if let Some(json) = binding.get("json").and_then(Value::as_str) {
            vars.insert(name, serde_json::from_str(json)?);
        }
    }
    let mut services = vec![target(&Target::Name(SINK.to_owned()))];
    services[0]["binding"] = "SINK".into();
    for (binding, callee) in service.callees()? {
        let mut callee = target(&callee);
        callee["binding"] = binding.into();
        services.push(callee);
    }
    let tails: Vec<Value> = service.tails.iter().map(target).collect();
    let streaming: Vec<Value> = service.streaming_tails.iter().map(target).collect();
    let outbound = service.options()?.remove("globalOutbound");
    Ok(json!({
        "name": service.name,
        "main": "worker.js",
        "compatibility_date": "2026-04-01",
        "compatibility_flags": service.flags,
        "vars": vars,
        "services": services,
        "worker_loaders": loaders,
        "durable_objects": { "bindings": objects },
        "tail_consumers": tails,
        "streaming_tail_consumers": streaming,
        "limits": limits(),
        // workerd calls a tail once for each item, however many wait, and has no
        // end for `waitUntil`.
        "taffrail": { "global_outbound": outbound, "tail_batch": { "items": 1 }, "wait_until_ms": 60_000 },
    }))
}

/// workerd enforces none, so Taffrail is to allow as much as it can.
fn limits() -> Value {
    json!({ "cpu_ms": 300_000 })
}

fn target(target: &Target) -> Value {
    match target {
        Target::Name(name) => json!({ "service": name }),
        Target::Entrypoint {
            name,
            entrypoint,
            props,
        } => {
            let mut table = json!({ "service": name, "props": props });
            if let Some(entrypoint) = entrypoint {
                table["entrypoint"] = entrypoint.as_str().into();
            }
            table
        }
    }
}
