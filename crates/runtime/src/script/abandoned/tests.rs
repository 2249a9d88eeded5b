use crate::script::abandoned::*;

#[tokio::test]
async fn of_10_000_requests_those_that_the_guest_has_dropped_are_forgotten() {
    let abandonable = Abandonable::default();
    for number in 0..10_000 {
        let request = abandonable.clone();
        drop(request.until_abandoned(number, std::future::pending::<()>()));
    }
    assert!(abandonable.requests().len() < 100);
}

#[tokio::test]
async fn a_request_that_is_given_up_has_no_answer() {
    let abandonable = Abandonable::default();
    let never = std::future::pending::<()>();
    let request = abandonable.clone().until_abandoned(1, never);
    abandonable.abandon(1);
    assert_eq!(request.await, None);
    let answered = abandonable.clone().until_abandoned(2, async { "answer" });
    assert_eq!(answered.await, Some("answer"));
    assert!(abandonable.requests().is_empty());
}
