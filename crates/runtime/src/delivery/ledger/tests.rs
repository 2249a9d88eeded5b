use crate::clock;
use crate::delivery::ledger::*;
use std::io::Write;
use tracing_subscriber::fmt::MakeWriter;

fn row(ledger: &Ledger) -> (u64, u64, u64, u64) {
    let delivery = ledger.delivery();
    (
        delivery.produced,
        delivery.delivered,
        delivery.lost,
        delivery.waiting,
    )
}

#[tokio::test]
async fn every_item_is_in_one_column() {
    let ledger = Ledger::new("t");
    ledger.produced(5);
    assert_eq!(row(&ledger), (5, 0, 0, 5));
    ledger.delivered(2);
    ledger.lost(1, "its queue is full");
    assert_eq!(row(&ledger), (5, 2, 1, 2));
    let reasons = ledger.delivery().reasons;
    assert_eq!(reasons, [("its queue is full".to_owned(), 1)].into());
}

#[tokio::test]
async fn what_waits_at_the_end_is_lost_and_counted_once() {
    let ledger = Ledger::new("t");
    ledger.produced(5);
    ledger.delivered(2);
    ledger.close_for(2, "Taffrail stopped");
    assert_eq!(row(&ledger), (5, 2, 2, 1));
    // A call and an invocation that end later.
    ledger.delivered(1);
    assert!(!ledger.produced(1));
    assert_eq!(row(&ledger), (6, 3, 3, 0));
    ledger.close("it is too late");
    ledger.delivered(1);
    ledger.lost(1, "its queue is full");
    assert!(!ledger.produced(1));
    assert_eq!(row(&ledger), (7, 3, 4, 0));
    let reasons = ledger.delivery().reasons;
    assert_eq!(reasons, [("Taffrail stopped".to_owned(), 4)].into());
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_storm_is_told_in_a_line_a_second_with_the_total() {
    const ITEMS: u64 = 3500;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let begun = clock::instant();
    let ledger = Ledger::new("t");
    // Other items are delivered in between.
    for _ in 0..ITEMS {
        ledger.produced(2);
        ledger.lost(1, "its queue is full");
        ledger.delivered(1);
    }
    let text = loop {
        tokio::time::sleep(LOG_INTERVAL / 10).await;
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        if text.contains("3500 of 7000 item(s) lost so far") {
            break text;
        }
    };
    let first =
        "WARN tail consumer `t`: 1 of 2 item(s) lost so far, the last since its queue is full";
    assert_eq!(text.lines().next().unwrap().trim_start(), first);
    let seconds = begun.elapsed().as_secs() as usize;
    assert!((2..=seconds + 2).contains(&text.lines().count()), "{text}");
}
