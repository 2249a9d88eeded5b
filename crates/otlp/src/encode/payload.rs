//! Messages as bytes.

use crate::settings::Protocol;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::io::Write;

/// Encodes a message, and compresses it if `gzip` is set.
pub(crate) fn encode<M: Message + serde::Serialize>(
    message: &M,
    protocol: Protocol,
    gzip: bool,
) -> Result<Bytes, String> {
    let bytes = match protocol {
        Protocol::Protobuf => message.encode_to_vec(),
        Protocol::Json => serde_json::to_vec(message).map_err(|error| error.to_string())?,
    };
    if !gzip {
        return Ok(bytes.into());
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let compressed = encoder.write_all(&bytes).and_then(|()| encoder.finish());
    compressed
        .map(Bytes::from)
        .map_err(|error| error.to_string())
}
