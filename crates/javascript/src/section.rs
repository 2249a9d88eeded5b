//! The custom section with the script of a built component.

use crate::bundle::Bundle;
use serde_json::json;
use wasm_encoder::{ComponentSection, CustomSection};

/// Adds the bundle and its source map to a component, in a custom section, so
/// that stacks can refer to the user's source.
pub(crate) fn append(mut component: Vec<u8>, bundle: &Bundle) -> Vec<u8> {
    let script = json!({
        "text": bundle.text,
        "map": bundle.source_map,
        "serviceWorker": bundle.service_worker,
    });
    let section = CustomSection {
        name: "taffrail-script".into(),
        data: script.to_string().into_bytes().into(),
    };
    section.append_to_component(&mut component);
    component
}
