//! Charges an invocation for the resources that it uses.

use crate::invocation::Invocation;
use crate::invocation::allowance::{TOO_MANY_SUBREQUESTS, TooManySubrequests};
use crate::invocation::ending::{Cut, Limit, Response};
use crate::invocation::held::{
    CannotCollect, Charge, HostMemory, HostMemoryExceeded, collect, parsed_bytes,
};
use crate::settings::egress::Egress;
use crate::settings::{EVENT_WALL_TIME, Limits};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use taffrail_trace::{ExceededLimit, LogLevel};
use tokio::sync::SemaphorePermit;
use wasmtime_wasi_http::WasiBody;

/// The cost of an open connection to the host: its buffers and its task.
const CONNECTION_BYTES: usize = 64 << 10;

impl Invocation {
    /// Returns the account of host memory that is held for it.
    pub(crate) fn host_memory(&self) -> &Arc<HostMemory> {
        self.allowance.host_memory()
    }

    /// Returns whether the host holds bytes for it: bodies, values and messages.
    pub(crate) fn holds_memory(&self) -> bool {
        self.allowance.holds_memory()
    }

    /// Stops the guest if its account is full.
    pub(crate) fn charged<T>(
        &self,
        charge: Result<T, HostMemoryExceeded>,
    ) -> Result<T, HostMemoryExceeded> {
        charge.inspect_err(|_| self.cut(Cut::Memory))
    }

    /// Charges for parsing JSON that the guest wrote.
    pub(crate) fn charge_parsing(&self, json: &[u8]) -> Result<Charge, HostMemoryExceeded> {
        self.charged(self.host_memory().charge(parsed_bytes(json)))
    }

    /// Holds bytes on behalf of the guest, until they are dropped.
    pub(crate) fn hold(&self, bytes: Vec<u8>) -> Result<Bytes, HostMemoryExceeded> {
        let charge = self.charged(self.host_memory().charge(bytes.capacity()))?;
        Ok(charge.bytes(bytes))
    }

    /// Reads a body of up to `limit` bytes that the guest sends to its host.
    pub(crate) async fn collect(
        &self,
        body: WasiBody,
        limit: usize,
    ) -> Result<Bytes, CannotCollect> {
        let collected = collect(self.host_memory(), body, limit).await;
        if let Err(CannotCollect::Memory(_)) = &collected {
            self.cut(Cut::Memory);
        }
        collected
    }

    /// Counts a subrequest, or refuses it.
    pub(crate) fn subrequest(&self) -> Result<(), TooManySubrequests> {
        self.allowance.subrequest().inspect_err(|_| {
            // Guests usually report only that the request failed.
            self.log_text(LogLevel::Warn, TOO_MANY_SUBREQUESTS);
            self.recording().ending.subrequest_refused = true;
        })
    }

    /// Waits until a request may go out, and charges for its connection. The permit lasts until
    /// the response begins, the charge as long as the connection.
    pub(crate) async fn connect(
        &self,
    ) -> Result<(Option<SemaphorePermit<'_>>, Charge), HostMemoryExceeded> {
        let permit = self.allowance.turn().await;
        let charge = self.charged(self.host_memory().charge(CONNECTION_BYTES))?;
        Ok((permit, charge))
    }

    /// Returns the limits of this invocation.
    pub(crate) fn limits(&self) -> &Limits {
        let dispatch_options = self.origin.dispatch_options.as_ref();
        dispatch_options.map_or(&self.worker.settings.limits, |dispatch_options| {
            &dispatch_options.limits
        })
    }

    /// Returns where its requests go.
    pub(crate) fn egress(&self) -> &Egress {
        let dispatch_options = self.origin.dispatch_options.as_ref();
        let given = dispatch_options.and_then(|dispatch_options| dispatch_options.egress.as_ref());
        given.unwrap_or(&self.worker.settings.egress)
    }

    /// Counts a data point, or refuses it.
    pub(crate) fn data_point(&self) -> Result<(), String> {
        self.allowance.data_point()
    }

    /// Returns the limit of wall time, which includes time spent waiting.
    pub(crate) fn wall_time_limit(&self) -> Option<Duration> {
        let limit = self.worker.settings.limits.wall_time;
        let has_client = self.recording().ending.response != Response::NotExpected;
        limit.or((!has_client).then_some(EVENT_WALL_TIME))
    }

    /// Returns the limit with its key in the configuration.
    pub(super) fn exceeded(&self, limit: Limit) -> ExceededLimit {
        let limits = self.limits();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (key, value) = match limit {
            Limit::Cpu => ("limits.cpu_ms", milliseconds(limits.cpu)),
            Limit::Subrequests => ("limits.subrequests", limits.subrequests.into()),
            Limit::Memory => ("taffrail.memory_mb", (limits.memory >> 20) as u64),
            Limit::WallTime => {
                let time = limits.wall_time.unwrap_or(EVENT_WALL_TIME);
                ("taffrail.wall_ms", milliseconds(time))
            }
            Limit::WaitUntil => ("taffrail.wait_until_ms", milliseconds(limits.wait_until)),
            Limit::Instances => ("taffrail.instances", limits.instances as u64),
        };
        ExceededLimit {
            key: key.to_owned(),
            value,
        }
    }
}
