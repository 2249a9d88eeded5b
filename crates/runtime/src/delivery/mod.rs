//! How a finished trace item reaches its consumers.

mod batch;
mod consumer;
mod consumers;
mod ledger;
mod meter;
mod queue;
mod queues;
mod stream;
mod tails;
mod waiting;

pub(crate) use batch::ItemBatch;
pub use consumer::TailConsumer;
pub(crate) use consumers::Consumers;
pub use ledger::{Delivery, Ledger};
pub use meter::{Measured, Meter};
pub(crate) use queue::depth;
pub(crate) use queue::{NotBegun, TailCall, TailQueue, TailWorker};
pub(crate) use queues::Queues;
pub(crate) use stream::StreamSender;
pub use stream::TailStream;
pub(crate) use tails::{Tail, Tails};
