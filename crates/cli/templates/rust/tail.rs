wit_bindgen::generate!({
    path: "wit",
    world: "taffrail:workers/tail-worker",
    generate_all,
});

use exports::taffrail::workers::tail::{Guest, TraceItem};

struct Worker;

export!(Worker);

impl Guest for Worker {
    fn tail(items: Vec<TraceItem>) {
        for item in items {
            let name = item.script_name.unwrap_or_default();
            let (outcome, logs) = (item.outcome, item.logs.len());
            println!("{name} ended {outcome:?} with {logs} logs");
        }
    }
}
