use crate::script::exchange::*;
use http_body_util::Full;

fn body() -> WasiBody {
    let bytes = Full::from("body").map_err(|never| match never {});
    bytes.boxed_unsync()
}

#[test]
fn of_10_000_bodies_those_that_the_script_has_dropped_are_forgotten() {
    let exchange = Exchange::default();
    let held = exchange.lease(body());
    for _ in 0..10_000 {
        drop(exchange.lease(body()));
    }
    assert!(exchange.event().leased.len() < 100);
    exchange.finish();
    // The body lasts no longer than the event.
    let mut held = std::pin::pin!(held);
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(matches!(
        held.as_mut().poll_frame(&mut context),
        Poll::Ready(None)
    ));
}

#[test]
fn so_many_calls_can_be_observed_before_they_are_made() {
    let exchange = Exchange::default();
    for number in 0..LIVE {
        assert!(exchange.live(&number.to_string()).is_ok());
    }
    assert!(exchange.live("further").is_err());
    assert!(exchange.live("64").is_err());
    exchange.take_live(0);
    assert!(exchange.live("64").is_ok());
}
