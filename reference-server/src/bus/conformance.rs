//! The contract of the bus as tests that every engine has to pass.
//!
//! An engine's own tests call [`conforms`] with a way to make a fresh bus.

use std::task::{Context, Poll, Waker};
use std::{future::Future, pin::pin};

use bytes::Bytes;

use crate::bus::local::{
    Bus, Delivery, PAYLOAD_BYTES_MAX, PublishError, SubscribeError, Subscription,
};
use crate::bus::subject::{Filter, Subject};
use crate::ids::ZoneId;

/// Room for messages in a group of the bus that the tests ask for.
pub(super) const ROOM: usize = 4;

/// Runs all of it. Each bus that is made is fresh, with room for [`ROOM`] messages a group.
pub(super) async fn conforms(make: impl Fn() -> Bus) {
    subscriptions_get_what_they_want(&make()).await;
    groups_share(&make()).await;
    unacknowledged_comes_again(&make()).await;
    returned_message_is_not_overtaken(&make()).await;
    key_stays_with_its_holder(&make()).await;
    group_outlives_its_members(&make()).await;
    full_group_holds_publishers_back(&make()).await;
    payloads_are_bounded(&make()).await;
    ids_are_unique(&make()).await;
    close_lets_consumers_finish(&make()).await;
    close_counts_what_nobody_is_left_for(&make()).await;
    close_ends_waiting_publishers(&make()).await;
}

const ZONE: Subject = Subject::Zone(ZoneId(1));

async fn publish(bus: &Bus, key: u64, payload: &'static str) -> u128 {
    bus.publish(ZONE, key, Bytes::from_static(payload.as_bytes())).await.expect("publishes")
}

async fn next(subscription: &mut Subscription) -> Delivery {
    subscription.next().await.expect("a message")
}

#[track_caller]
fn assert_is(delivery: &Delivery, payload: &str) {
    assert_eq!(delivery.payload, payload.as_bytes(), "{delivery:?}");
}

/// Whether it would have to wait.
fn waits<T>(future: impl Future<Output = T>) -> bool {
    matches!(pin!(future).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

async fn subscriptions_get_what_they_want(bus: &Bus) {
    publish(bus, 1, "before anyone listens").await;
    let mut all = bus.subscribe(Filter::Any);
    let mut zones = bus.subscribe(Filter::AnyZone);
    let mut events = bus.subscribe(Subject::Events);
    let id = publish(bus, 7, "moved").await;
    let other = bus.publish(Subject::Events, 8, Bytes::from_static(b"said")).await;
    let other = other.expect("publishes");
    for subscription in [&mut all, &mut zones] {
        let delivery = next(subscription).await;
        assert_is(&delivery, "moved");
        assert_eq!((delivery.subject, delivery.key, delivery.id), (ZONE, 7, id));
        assert_eq!(delivery.attempt, 1);
        delivery.ack();
    }
    for subscription in [&mut all, &mut events] {
        let delivery = next(subscription).await;
        assert_eq!((delivery.subject, delivery.id), (Subject::Events, other));
        delivery.ack();
    }
    assert!(waits(all.next()) && waits(zones.next()) && waits(events.next()));
}

async fn groups_share(bus: &Bus) {
    let mut left = bus.subscribe_group("store", ZONE).expect("joins");
    let mut right = bus.subscribe_group("store", ZONE).expect("joins");
    let mut other = bus.subscribe_group("audit", ZONE).expect("joins");
    publish(bus, 1, "one").await;
    publish(bus, 2, "two").await;
    let (first, second) = (next(&mut left).await, next(&mut right).await);
    assert_is(&first, "one");
    assert_is(&second, "two");
    for payload in ["one", "two"] {
        let delivery = next(&mut other).await;
        assert_is(&delivery, payload);
        delivery.ack();
    }
    first.ack();
    second.ack();
    assert!(waits(left.next()) && waits(right.next()) && waits(other.next()));
    let refused = bus.subscribe_group("store", Filter::Any).expect_err("another filter");
    assert_eq!(refused, SubscribeError(ZONE.into()));
}

async fn unacknowledged_comes_again(bus: &Bus) {
    let mut left = bus.subscribe_group("store", ZONE).expect("joins");
    let mut right = bus.subscribe_group("store", ZONE).expect("joins");
    for payload in ["one", "two", "three"] {
        publish(bus, 1, payload).await;
    }
    let id = next(&mut left).await.id;
    let second = next(&mut left).await;
    drop(left);
    // Too late: the lease went with its subscription.
    second.ack();
    for payload in ["one", "two", "three"] {
        let delivery = next(&mut right).await;
        assert_is(&delivery, payload);
        assert_eq!(delivery.attempt, if payload == "three" { 1 } else { 2 });
        assert_eq!(delivery.id == id, payload == "one", "the id tells repeats");
        delivery.ack();
    }
    assert!(waits(right.next()));
}

async fn returned_message_is_not_overtaken(bus: &Bus) {
    let mut only = bus.subscribe_group("store", ZONE).expect("joins");
    publish(bus, 1, "one").await;
    publish(bus, 1, "two").await;
    publish(bus, 2, "another key").await;
    let (first, second, other) =
        (next(&mut only).await, next(&mut only).await, next(&mut only).await);
    first.nack();
    // It will be given again after the first, so this does not count any more.
    second.ack();
    other.ack();
    for payload in ["one", "two"] {
        let delivery = next(&mut only).await;
        assert_is(&delivery, payload);
        delivery.ack();
    }
    assert!(waits(only.next()));
}

async fn key_stays_with_its_holder(bus: &Bus) {
    let mut left = bus.subscribe_group("store", ZONE).expect("joins");
    let mut right = bus.subscribe_group("store", ZONE).expect("joins");
    publish(bus, 1, "one").await;
    publish(bus, 1, "two").await;
    let first = next(&mut left).await;
    assert!(waits(right.next()), "the second must not overtake the first");
    let second = next(&mut left).await;
    assert_is(&second, "two");
    first.ack();
    publish(bus, 1, "three").await;
    assert!(waits(right.next()), "the third must not overtake the second");
    second.ack();
    let third = next(&mut right).await;
    assert_is(&third, "three");
    third.ack();
}

async fn group_outlives_its_members(bus: &Bus) {
    drop(bus.subscribe_group("store", ZONE).expect("joins"));
    publish(bus, 1, "nobody was there").await;
    let mut late = bus.subscribe_group("store", ZONE).expect("joins");
    let delivery = next(&mut late).await;
    assert_is(&delivery, "nobody was there");
    delivery.ack();
}

async fn full_group_holds_publishers_back(bus: &Bus) {
    let mut slow = bus.subscribe_group("store", ZONE).expect("joins");
    let mut quick = bus.subscribe(Filter::Any);
    for key in 0..ROOM as u64 {
        publish(bus, key, "fits").await;
    }
    for _ in 0..ROOM {
        next(&mut quick).await.ack();
    }
    assert_eq!(bus.try_publish(ZONE, 9, Bytes::new()), Err(PublishError::Full));
    assert!(waits(bus.publish(ZONE, 9, Bytes::new())));
    bus.try_publish(Subject::Events, 9, Bytes::new()).expect("is not wanted by the slow one");
    next(&mut quick).await.ack();
    assert!(waits(quick.next()), "what one group had no room for reached another");

    let mut waiting = pin!(bus.publish(ZONE, 9, Bytes::from_static(b"waited")));
    assert!(waits(waiting.as_mut()));
    let first = next(&mut slow).await;
    assert!(waits(waiting.as_mut()), "given is not acknowledged");
    first.ack();
    waiting.await.expect("there is room now");
    let delivery = next(&mut quick).await;
    assert_is(&delivery, "waited");
    delivery.ack();
    drop(quick);
    drop(slow);
}

async fn payloads_are_bounded(bus: &Bus) {
    let mut subscription = bus.subscribe(ZONE);
    let payload = Bytes::from(vec![7; PAYLOAD_BYTES_MAX + 1]);
    let refused = bus.publish(ZONE, 1, payload.clone()).await;
    assert_eq!(refused, Err(PublishError::TooLarge));
    assert_eq!(bus.try_publish(ZONE, 1, payload.clone()), Err(PublishError::TooLarge));
    bus.publish(ZONE, 1, payload.slice(1..)).await.expect("fits");
    let delivery = next(&mut subscription).await;
    assert_eq!(delivery.payload, payload.slice(1..));
    delivery.ack();
}

async fn ids_are_unique(bus: &Bus) {
    let mut ids = Vec::new();
    for key in 0..9 {
        ids.push(publish(bus, key, "same").await);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 9);
}

async fn close_lets_consumers_finish(bus: &Bus) {
    let mut left = bus.subscribe_group("store", ZONE).expect("joins");
    let mut right = bus.subscribe_group("store", ZONE).expect("joins");
    publish(bus, 1, "one").await;
    publish(bus, 2, "two").await;
    let first = next(&mut left).await;
    let mut closing = pin!(bus.close());
    assert!(waits(closing.as_mut()));
    assert_eq!(bus.publish(ZONE, 1, Bytes::new()).await, Err(PublishError::Closed));
    assert_eq!(bus.try_publish(ZONE, 1, Bytes::new()), Err(PublishError::Closed));

    let second = next(&mut right).await;
    second.ack();
    assert!(waits(right.next()), "the first may come back");
    first.nack();
    let first = next(&mut right).await;
    assert_is(&first, "one");
    assert!(right.next().await.is_none(), "but for what it holds itself there is nothing");
    assert!(waits(closing.as_mut()));
    first.ack();
    assert_eq!(closing.await, 0);
    assert!(left.next().await.is_none() && right.next().await.is_none());
}

async fn close_counts_what_nobody_is_left_for(bus: &Bus) {
    let mut leaver = bus.subscribe_group("store", ZONE).expect("joins");
    publish(bus, 1, "one").await;
    publish(bus, 2, "two").await;
    next(&mut leaver).await.ack();
    let mut closing = pin!(bus.close());
    assert!(waits(closing.as_mut()));
    drop(leaver);
    assert_eq!(closing.await, 1);
}

async fn close_ends_waiting_publishers(bus: &Bus) {
    let subscription = bus.subscribe_group("store", ZONE).expect("joins");
    for key in 0..ROOM as u64 {
        publish(bus, key, "fits").await;
    }
    let mut waiting = pin!(bus.publish(ZONE, 9, Bytes::new()));
    assert!(waits(waiting.as_mut()));
    drop(subscription);
    assert_eq!(bus.close().await, ROOM);
    assert_eq!(waiting.await, Err(PublishError::Closed));
}
