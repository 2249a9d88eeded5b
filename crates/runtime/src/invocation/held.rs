//! Host memory that is held for one invocation, in addition to the memory of its guest.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use memchr::{memchr, memchr2};
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use wasmtime_wasi_http::{Error, WasiBody};

/// The account of host memory that is held for one invocation. It has a limit of its own, as high
/// as the limit of the guest's memory. A guest's memory never shrinks, and a Worker that stays
/// within its limit should not fail because a body waits for a slow client.
pub(crate) struct HostMemory {
    limit: usize,
    /// Bytes of bodies, values and messages.
    held: AtomicUsize,
    /// Bytes behind the entries of the guest's table, as last measured.
    table: AtomicUsize,
    peak: AtomicUsize,
}

/// The cost of an allocation in addition to its bytes.
const OVERHEAD: usize = 64;

/// The account is full.
#[derive(Debug)]
pub(crate) struct HostMemoryExceeded;

impl fmt::Display for HostMemoryExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker exceeded memory limit.")
    }
}

impl std::error::Error for HostMemoryExceeded {}

impl HostMemory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: AtomicUsize::new(0),
            table: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        })
    }

    /// Charges the account for bytes that are about to be held, until the charge is dropped.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge, HostMemoryExceeded> {
        let mut charge = Charge {
            account: Arc::clone(self),
            bytes: 0,
        };
        charge.add(bytes.saturating_add(OVERHEAD))?;
        Ok(charge)
    }

    /// Records the memory behind the entries of the guest's table.
    pub(crate) fn weigh_table(&self, bytes: usize) -> Result<(), HostMemoryExceeded> {
        self.table.store(bytes, Relaxed);
        self.check(self.held.load(Relaxed))
    }

    /// Returns whether no bytes are held, apart from the entries of the table.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.load(Relaxed) == 0
    }

    /// Returns the most bytes that were held at any one time.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    fn check(&self, held: usize) -> Result<(), HostMemoryExceeded> {
        let all = held.saturating_add(self.table.load(Relaxed));
        if all > self.limit {
            return Err(HostMemoryExceeded);
        }
        self.peak.fetch_max(all, Relaxed);
        Ok(())
    }
}

/// A number of bytes that an account is charged for.
pub(crate) struct Charge {
    account: Arc<HostMemory>,
    bytes: usize,
}

impl Charge {
    fn add(&mut self, bytes: usize) -> Result<(), HostMemoryExceeded> {
        let held = self.account.held.fetch_add(bytes, Relaxed);
        self.bytes += bytes;
        self.account.check(held.saturating_add(bytes))
    }

    /// Returns bytes that are charged for until they are dropped.
    pub(crate) fn bytes(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Charged {
            bytes,
            _charge: self,
        })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Relaxed);
    }
}

struct Charged<B> {
    bytes: B,
    _charge: Charge,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Charged<B> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// A body that is charged for until it ends.
struct ChargedBody {
    inner: WasiBody,
    charge: Option<Charge>,
}

impl Charge {
    /// Keeps the charge for as long as `body` exists.
    pub(crate) fn with_body(self, inner: WasiBody) -> WasiBody {
        let charge = Some(self);
        ChargedBody { inner, charge }.boxed_unsync()
    }
}

impl Body for ChargedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.charge = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An upper bound for the size of a parsed JSON value, not counting its text.
const VALUE_BYTES: usize = 64;

/// Returns an upper bound for the size of parsed JSON: its own bytes, and a value for each comma,
/// colon and bracket outside of strings.
pub(crate) fn parsed_bytes(json: &[u8]) -> usize {
    let mut values = 1;
    let mut rest = json;
    while let Some(quote) = memchr(b'"', rest) {
        values += separators(&rest[..quote]);
        rest = after_string(&rest[quote + 1..]);
    }
    values += separators(rest);
    json.len()
        .saturating_add(values.saturating_mul(VALUE_BYTES))
}

fn separators(json: &[u8]) -> usize {
    json.iter()
        .filter(|byte| matches!(byte, b',' | b':' | b'[' | b'{'))
        .count()
}

/// Returns the rest after the end of the current string.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(end) = memchr2(b'"', b'\\', rest) {
        if rest[end] == b'"' {
            return &rest[end + 1..];
        }
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    &[]
}

/// Why a body cannot be read into memory.
#[derive(Debug)]
pub(crate) enum CannotCollect {
    /// It is longer than the limit.
    TooLong,
    /// It ended with an error.
    BrokeOff,
    /// The account is full.
    Memory(HostMemoryExceeded),
}

/// Reads a body of up to `limit` bytes into memory and charges `account` for it.
pub(crate) async fn collect<B: Body<Data = Bytes>>(
    account: &Arc<HostMemory>,
    body: B,
    limit: usize,
) -> Result<Bytes, CannotCollect> {
    let mut body = pin!(body);
    let mut charge = account.charge(0).map_err(CannotCollect::Memory)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| CannotCollect::BrokeOff)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(CannotCollect::TooLong);
        }
        charge.add(data.len()).map_err(CannotCollect::Memory)?;
        bytes.extend_from_slice(&data);
    }
    Ok(charge.bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[test]
    fn what_is_dropped_is_given_back() {
        let account = HostMemory::new(1000);
        let first = account.charge(800).unwrap().bytes(vec![0; 800]);
        assert!(account.charge(800).is_err());
        let piece = first.slice(..1);
        drop(first);
        assert!(account.charge(800).is_err(), "a piece keeps the whole");
        drop(piece);
        assert!(account.charge(800).is_ok());
        assert_eq!(account.peak(), 800 + OVERHEAD);
    }

    #[test]
    fn table_and_bytes_share_the_limit() {
        let account = HostMemory::new(1000);
        assert!(account.weigh_table(900).is_ok());
        assert!(account.charge(100).is_err());
        assert!(account.weigh_table(0).is_ok());
        assert!(account.charge(100).is_ok());
        assert!(account.weigh_table(1001).is_err());
    }

    #[test]
    fn json_that_is_all_values_weighs_more_than_text() {
        let values = |json: &str| (parsed_bytes(json.as_bytes()) - json.len()) / VALUE_BYTES;
        assert_eq!(values(r#""text, [with] {marks}: \" , ""#), 1);
        assert_eq!(values("[1,1,[],{\"a\":2}]"), 1 + 7);
        assert_eq!(values(r#"["\\",1]"#), 1 + 2);
        assert_eq!(values("\"unfinished \\"), 1);
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_both_limits() {
        let account = HostMemory::new(1000);
        let body = || Full::new(Bytes::from(vec![b'x'; 500]));
        let read = collect(&account, body(), 500).await.unwrap();
        assert_eq!(read.len(), 500);
        let too_long = collect(&account, body(), 499).await;
        assert!(matches!(too_long, Err(CannotCollect::TooLong)));
        let too_much = collect(&account, body(), 500).await;
        assert!(matches!(too_much, Err(CannotCollect::Memory(_))));
        drop(read);
        assert!(collect(&account, body(), 500).await.is_ok());
    }
}
