//! Components that a stranger made: of any bytes there is a Worker or an error.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use std::fs;
use std::time::Duration;
use taffrail_runtime::{Error, ErrorKind, Limits, Runtime, WorkerSettings};
use taffrail_tests::guests;
use taffrail_tests::scenario::{Scenario, full, patiently, request};
use tokio::runtime::Handle;

/// What is done to the bytes of a component that works.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Cut(Index),
    Repeat(Index, u8),
    Swap(Index, Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        8 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, two)| Change::Swap(one, two)),
    ];
    prop::collection::vec(change, 1..4)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            return bytes;
        }
        match change {
            Change::Set(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Repeat(at, length) => {
                let begin = at.index(bytes.len());
                let end = bytes.len().min(begin + usize::from(*length));
                let again = bytes[begin..end].to_vec();
                bytes.splice(begin..begin, again);
            }
            Change::Swap(one, two) => {
                let (one, two) = (one.index(bytes.len()), two.index(bytes.len()));
                bytes.swap(one, two);
            }
        }
    }
    bytes
}

/// Deploys what is left of a component, if it still is one, and asks it
/// something. How that ends is its own affair.
async fn try_out(runtime: &Runtime, bytes: &[u8]) -> Result<(), Error> {
    let code = runtime.compiler().compile(bytes)?;
    let limits = Limits {
        cpu: Duration::from_millis(50),
        wall_time: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let settings = WorkerSettings {
        limits,
        ..WorkerSettings::new("made")
    };
    runtime.deploy(settings, code)?;
    let asked = runtime.fetch("made", request("/", full("")), None);
    patiently(asked).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_are_a_worker_or_an_error() {
    let whole = fs::read(guests::component("hello")).unwrap();
    let scenario = Scenario::new().worker("hello");
    let runtime = scenario.runtime().clone();
    let property = tokio::task::spawn_blocking(move || {
        let config = ProptestConfig {
            cases: 64,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config).run(&changes(), |changes| {
            let bytes = changed(whole.clone(), &changes);
            let tried = Handle::current().block_on(try_out(&runtime, &bytes));
            if let Err(error) = tried {
                prop_assert_eq!(error.kind(), ErrorKind::Component, "{}", error);
            }
            Ok(())
        })
    });
    property.await.unwrap().unwrap();
    assert_eq!(scenario.get("hello", "/").await.status, Some(200));
}
