//! Estimates the memory behind the entries of a guest's table. Wasmtime creates most of them, and
//! limits their number but not their contents.

use std::any::Any;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};
use wasmtime_wasi_http::FieldMap;
use wasmtime_wasi_http::p2::bindings::http::types::Method;
use wasmtime_wasi_http::p2::body::{HostOutgoingBody, StreamContext};
use wasmtime_wasi_http::p2::types::{
    HostIncomingResponse, HostOutgoingRequest, HostOutgoingResponse,
};
use wasmtime_wasi_http::p3;

/// The memory of an entry, including small contents.
const ENTRY_BYTES: usize = 256;

/// The memory of a header in addition to its text.
const HEADER_BYTES: usize = 64;

/// The most bytes of a guest's outgoing body that wait to be read: one chunk.
pub(crate) const BODY_CHUNK: usize = 64 << 10;

/// Returns the host memory behind all entries of a table, in bytes.
pub(crate) fn weight(table: &mut ResourceTable) -> usize {
    table
        .iter_mut()
        .map(|entry| ENTRY_BYTES + content(entry))
        .sum()
}

fn content(entry: &dyn Any) -> usize {
    if let Some(map) = entry.downcast_ref() {
        fields(map)
    } else if entry.is::<HostOutgoingBody>() {
        BODY_CHUNK
    } else if let Some(request) = entry.downcast_ref::<HostOutgoingRequest>() {
        let method = match &request.method {
            Method::Other(name) => name.len(),
            _ => 0,
        };
        let texts = [&request.authority, &request.path_with_query];
        let texts = texts.into_iter().flatten().map(String::len);
        method + texts.sum::<usize>() + fields(&request.headers)
    } else if let Some(response) = entry.downcast_ref::<HostOutgoingResponse>() {
        fields(&response.headers)
    } else if let Some(response) = entry.downcast_ref::<HostIncomingResponse>() {
        fields(&response.headers)
    } else if let Some(request) = entry.downcast_ref::<p3::Request>() {
        let authority = request
            .authority
            .as_ref()
            .map_or(0, |name| name.as_str().len());
        let path = request.path_with_query.as_ref();
        let path = path.map_or(0, |path| path.as_str().len());
        request.method.as_str().len() + authority + path + fields(&request.headers)
    } else if let Some(response) = entry.downcast_ref::<p3::Response>() {
        fields(&response.headers)
    } else {
        0
    }
}

/// Returns whether all entries are of types that have nothing to do with one event: output streams,
/// pollables, files and headers, which the libraries of some languages hold for as long as they run.
pub(crate) fn belongs_to_no_event(table: &mut ResourceTable) -> bool {
    table.iter_mut().all(|entry| {
        entry.is::<DynOutputStream>()
            || entry.is::<DynInputStream>()
            || entry.is::<DynPollable>()
            || entry.is::<Descriptor>()
            || entry.is::<FieldMap>()
    })
}

/// Breaks off all bodies that the guest is writing. Without that their readers would see a regular
/// end when the table is dropped.
pub(crate) fn abort_bodies(table: &mut ResourceTable) {
    for entry in table.iter_mut() {
        if let Some(body) = entry.downcast_mut::<HostOutgoingBody>() {
            let (empty, _) = HostOutgoingBody::new(StreamContext::Request, None, 1, 1);
            std::mem::replace(body, empty).abort();
        }
    }
}

fn fields(map: &FieldMap) -> usize {
    let headers = map.iter();
    headers
        .map(|(name, value)| HEADER_BYTES + name.as_str().len() + value.len())
        .sum()
}
