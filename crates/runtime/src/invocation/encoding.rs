//! Content encodings: decodes bodies that a script reads and encodes bodies that it sends.

use crate::invocation::held::{Charge, HostMemory, HostMemoryExceeded};
use async_compression::tokio::bufread::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZlibDecoder, ZlibEncoder,
};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::{Body, Frame};
use http_body_util::{BodyDataStream, BodyExt};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{StreamReader, poll_read_buf};
use wasmtime_wasi_http::{Error, WasiBody};

/// A supported encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
    Brotli,
}

/// The size of the pieces in which output is produced, whatever the ratio of compression.
const PIECE: usize = 16 << 10;

/// Memory of an encoder at the fastest setting of brotli.
const ENCODER_BYTES: usize = 512 << 10;

/// Memory of a decoder for gzip or deflate.
const INFLATE_BYTES: usize = 64 << 10;

/// Memory of a decoder for brotli: the longest window and what surrounds it.
const BROTLI_BYTES: usize = (16 << 20) + (512 << 10);

impl Encoding {
    /// Returns the encoding of a body. `None` if it is unencoded, encoded more than once, or
    /// encoded in an unsupported way.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = encodings.next()?;
        if encodings.next().is_some() {
            return None;
        }
        match encoding.as_bytes() {
            b"gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            b"br" => Some(Self::Brotli),
            _ => None,
        }
    }

    /// Returns the decoded body. Its memory is charged to `account`.
    pub(crate) fn decoded(
        self,
        body: WasiBody,
        account: &Arc<HostMemory>,
    ) -> Result<WasiBody, HostMemoryExceeded> {
        let charge = account.charge(match self {
            Self::Gzip | Self::Deflate => INFLATE_BYTES,
            Self::Brotli => BROTLI_BYTES,
        })?;
        let encoded = reader(body);
        Ok(match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(encoded);
                decoder.multiple_members(true);
                recoded(decoder, charge)
            }
            Self::Deflate => recoded(ZlibDecoder::new(encoded), charge),
            Self::Brotli => recoded(BrotliDecoder::new(encoded), charge),
        })
    }

    /// Returns the encoded body. Its memory is charged to `account`.
    pub(crate) fn encoded(
        self,
        body: WasiBody,
        account: &Arc<HostMemory>,
    ) -> Result<WasiBody, HostMemoryExceeded> {
        let charge = account.charge(ENCODER_BYTES)?;
        let plain = reader(body);
        let level = async_compression::Level::Fastest;
        Ok(match self {
            Self::Gzip => recoded(GzipEncoder::with_quality(plain, level), charge),
            Self::Deflate => recoded(ZlibEncoder::with_quality(plain, level), charge),
            Self::Brotli => recoded(BrotliEncoder::with_quality(plain, level), charge),
        })
    }
}

fn reader(body: WasiBody) -> impl AsyncBufRead + Send {
    StreamReader::new(BodyDataStream::new(body.map_err(io::Error::other)))
}

fn recoded(reader: impl AsyncRead + Send + 'static, charge: Charge) -> WasiBody {
    let reader = Some((Box::pin(reader) as Pin<Box<dyn AsyncRead + Send>>, charge));
    Recoded { reader }.boxed_unsync()
}

/// A body that passes through an encoder or decoder.
struct Recoded {
    reader: Option<(Pin<Box<dyn AsyncRead + Send>>, Charge)>,
}

impl Body for Recoded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((reader, _)) = &mut self.reader else {
            return Poll::Ready(None);
        };
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = ready!(poll_read_buf(reader.as_mut(), cx, &mut piece));
        if !matches!(read, Ok(1..)) {
            self.reader = None;
        }
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(_) => Some(Ok(Frame::data(piece.freeze()))),
            Err(error) => Some(Err(Error::InternalError(Some(error.to_string())))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{BodyExt, Full};
    use proptest::prelude::*;

    const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli];

    fn body(bytes: impl Into<Bytes>) -> WasiBody {
        let full = Full::new(bytes.into());
        full.map_err(|never| match never {}).boxed_unsync()
    }

    fn account() -> Arc<HostMemory> {
        HostMemory::new(64 << 20)
    }

    async fn read(body: WasiBody) -> Result<Bytes, Error> {
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn what_does_not_end_as_it_should_is_an_error() {
        for encoding in ALL {
            let account = account();
            let encoded = encoding.encoded(body("words ".repeat(1000)), &account);
            let encoded = read(encoded.unwrap()).await.unwrap();
            for broken in [&encoded[..encoded.len() - 3], b"not encoded"] {
                let broken = Bytes::copy_from_slice(broken);
                let decoded = encoding.decoded(body(broken), &account).unwrap();
                assert!(read(decoded).await.is_err(), "{encoding:?}");
            }
        }
    }

    #[tokio::test]
    async fn what_stands_for_very_much_comes_in_small_pieces() {
        for encoding in ALL {
            let account = account();
            let zeros = body(vec![0; 20 << 20]);
            let encoded = encoding.encoded(zeros, &account).unwrap();
            let encoded = read(encoded).await.unwrap();
            let mut decoded = encoding.decoded(body(encoded), &account).unwrap();
            let mut length = 0;
            while let Some(frame) = decoded.frame().await {
                let piece = frame.unwrap().into_data().unwrap();
                assert!(piece.len() <= PIECE);
                length += piece.len();
            }
            assert_eq!(length, 20 << 20);
            drop(decoded);
            assert!(account.charge(63 << 20).is_ok(), "it is given back");
        }
    }

    #[test]
    fn only_one_encoding_in_its_own_spelling_is_known() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, value.parse().unwrap());
            }
            Encoding::of(&headers)
        };
        assert_eq!(of(&["gzip"]), Some(Encoding::Gzip));
        assert_eq!(of(&["br"]), Some(Encoding::Brotli));
        for other in [
            &["gzip, br"][..],
            &["GZIP"],
            &["gzip", "br"],
            &["zstd"],
            &[],
        ] {
            assert_eq!(of(other), None, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for encoding in ALL {
                let account = account();
                let encoded = encoding.encoded(body(bytes.clone()), &account).unwrap();
                let decoded = encoding.decoded(encoded, &account).unwrap();
                prop_assert_eq!(tokio.block_on(read(decoded)).unwrap(), bytes.clone());
            }
        }
    }
}
