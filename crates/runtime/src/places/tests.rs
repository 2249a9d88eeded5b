use crate::places::*;

#[tokio::test]
async fn instances_that_idle_are_given_up_the_one_that_was_used_last_at_last() {
    let places = Places::new(2);
    let (old, new) = (OwnerId::new(), OwnerId::new());
    for owner in [old, new] {
        let place = places.take(1, Rank::Producer).await.unwrap();
        places.keep(owner, place, 0);
    }
    let place = places.take(1, Rank::Producer).await.unwrap();
    assert!(places.reuse::<Place>(old).is_none());
    let kept = places.reuse::<Place>(new).unwrap();
    // Both are running now.
    places.take(1, Rank::Producer).await.map(drop).unwrap_err();
    drop((place, kept));
    places.take(2, Rank::Producer).await.map(drop).unwrap();
}

#[tokio::test]
async fn an_object_that_idles_leaves_when_its_place_is_needed() {
    let places = Places::new(1);
    let place = places.take(1, Rank::Producer).await.unwrap();
    let leave = Leave::default();
    places
        .objects()
        .idles(OwnerId::new(), Arc::clone(&leave), 0);
    let object = async {
        leave.notified().await;
        drop(place);
    };
    let (taken, ()) = tokio::join!(places.take(1, Rank::Producer), object);
    taken.unwrap();
}

#[tokio::test]
async fn tails_have_places_of_their_own_and_wait_for_more() {
    let places = Places::new(1);
    let producer = places.take(1, Rank::Producer).await.unwrap();
    let mut tails = Vec::new();
    for _ in 0..RESERVED_FOR_TAILS {
        tails.push(places.take(1, Rank::Tail).await.unwrap());
    }
    let free = async {
        tokio::task::yield_now().await;
        drop(producer);
    };
    let (tail, ()) = tokio::join!(places.take(1, Rank::Tail), free);
    // The tail has taken the place of the producer.
    places.take(1, Rank::Producer).await.map(drop).unwrap_err();
    drop((tail, tails));
    places.take(1, Rank::Producer).await.map(drop).unwrap();
}

#[test]
fn what_idles_has_a_bound_of_memory_and_of_time() {
    let now = clock::instant();
    let mut idle = Idle::new(100);
    let owner = OwnerId::new();
    assert_eq!(idle.add(owner, "a", 60, 2, now), None);
    assert_eq!(idle.add(owner, "b", 30, 2, now), None);
    assert_eq!(idle.add(owner, "too many", 0, 2, now), Some("too many"));
    assert!(idle.excess(now).is_empty());
    assert_eq!(idle.add(OwnerId::new(), "c", 20, 2, now), None);
    assert_eq!(idle.excess(now), ["a"]);
    assert_eq!(idle.excess(now + Duration::from_secs(61)), ["b", "c"]);
    assert_eq!(idle.pop_oldest(), None);
}

#[test]
fn a_worker_and_what_it_makes_share() {
    let maker = Share::new(3, None);
    let made = Share::new(2, Some(Arc::clone(&maker)));
    let other = Share::new(2, Some(Arc::clone(&maker)));
    let permits = [made.admit(1).unwrap(), made.admit(1).unwrap()];
    assert_eq!(made.admit(1).err(), Some(Refused::Own));
    assert_eq!(other.admit(2).err(), Some(Refused::Parent));
    drop(permits);
    // A single instance runs however large it is.
    let large = made.admit(5).unwrap();
    assert_eq!(maker.admit(1).err(), Some(Refused::Own));
    drop(large);
    assert!(maker.admit(3).is_ok());
}
