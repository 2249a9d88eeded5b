use super::*;

/// Accepts this many bytes, and then fails.
struct Full {
    taken: Vec<u8>,
    room: usize,
    error: ErrorKind,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(self.error.into());
        }
        let bytes = &bytes[..bytes.len().min(self.room)];
        self.room -= bytes.len();
        self.taken.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn output(room: usize, error: ErrorKind) -> Output<Full> {
    let out = Full {
        taken: Vec::new(),
        room,
        error,
    };
    Output::to(out, ColorChoice::Never, Ledger::new("stdout"))
}

fn print(output: &mut Output<Full>, items: &[&str]) {
    for item in items {
        output.ledger.produced(1);
        output.add(|out| writeln!(out, "{item}"));
    }
    output.write();
}

fn counts(output: &Output<Full>) -> [u64; 3] {
    let delivery = output.ledger.delivery();
    [delivery.produced, delivery.delivered, delivery.lost]
}

#[tokio::test]
async fn an_item_that_is_cut_is_lost_and_the_next_one_begins_a_line() {
    let mut output = output(8, ErrorKind::StorageFull);
    print(&mut output, &["one", "two", "three"]);
    assert_eq!(counts(&output), [3, 2, 1]);
    print(&mut output, &["four"]);
    assert_eq!(counts(&output), [4, 2, 2]);
    output.out.room = 2;
    print(&mut output, &["five"]);
    assert_eq!(counts(&output), [5, 2, 3]);
    output.out.room = 100;
    print(&mut output, &["six"]);
    assert_eq!(counts(&output), [6, 3, 3]);
    assert_eq!(output.out.taken, b"one\ntwo\nfi\nsix\n");
}

#[tokio::test]
async fn nothing_more_is_written_once_the_reader_is_gone() {
    let mut output = output(4, ErrorKind::BrokenPipe);
    print(&mut output, &["one", "two"]);
    output.out.room = 100;
    print(&mut output, &["three"]);
    assert_eq!(counts(&output), [3, 1, 2]);
    assert_eq!(output.out.taken, b"one\n");
    let reasons = output.ledger.delivery().reasons;
    assert_eq!(reasons, [("stdout is closed".to_owned(), 2)].into());
}
