//! The local engine: the contract, the machine against a model, and threads.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use crate::bus::conformance::{ROOM, conforms};
use crate::bus::local::{Bus, PublishError};
use crate::bus::queue::{Lease, Limits, Member, Message, Queues, Refused, Settled, Taken};
use crate::bus::subject::{Filter, Subject};

#[tokio::test]
async fn local_bus_conforms() {
    conforms(|| Bus::with_limits(1, Limits { messages: ROOM, bytes: 1 << 20 })).await;
}

#[tokio::test]
async fn groups_are_bounded_in_bytes() {
    let bus = Bus::with_limits(1, Limits { messages: 99, bytes: 10 });
    let mut subscription = bus.subscribe(Filter::Any);
    bus.try_publish(Subject::Events, 1, Bytes::from(vec![0; 6])).expect("fits");
    let next = Bytes::from(vec![0; 5]);
    let refused = bus.try_publish(Subject::Events, 1, next.clone());
    assert_eq!(refused, Err(PublishError::Full));
    subscription.try_next().expect("a message").ack();
    bus.try_publish(Subject::Events, 1, next).expect("fits now");
}

/// More messages than fit, from several threads to several: all arrive, in order for each key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads_lose_nothing_and_keep_order() {
    const KEYS: u64 = 4;
    const EACH: u64 = 500;
    let bus = Bus::with_limits(1, Limits { messages: 16, bytes: 1 << 20 });
    let mut consumers = Vec::new();
    for _ in 0..3 {
        let mut subscription = bus.subscribe_group("all", Filter::Any).expect("joins");
        consumers.push(tokio::spawn(async move {
            let mut got = Vec::new();
            while let Some(delivery) = subscription.next().await {
                if delivery.attempt == 1 && delivery.id % 7 == 0 {
                    delivery.nack();
                    continue;
                }
                let number = u64::from_le_bytes(delivery.payload[..].try_into().expect("eight"));
                got.push((delivery.key, number));
                delivery.ack();
                tokio::task::yield_now().await;
            }
            got
        }));
    }
    let mut producers = Vec::new();
    for key in 0..KEYS {
        let bus = bus.clone();
        producers.push(tokio::spawn(async move {
            for number in 0..EACH {
                let payload = Bytes::copy_from_slice(&number.to_le_bytes());
                bus.publish(Subject::Events, key, payload).await.expect("publishes");
            }
        }));
    }
    for producer in producers {
        producer.await.expect("publishes all");
    }
    assert_eq!(bus.close().await, 0);
    let mut numbers: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for consumer in consumers {
        let got = consumer.await.expect("consumes all");
        // Within a consumer the order of a key holds.
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (key, number) in got {
            assert!(last.insert(key, number).is_none_or(|before| before < number));
            numbers.entry(key).or_default().push(number);
        }
    }
    for (key, mut numbers) in numbers {
        numbers.sort_unstable();
        assert_eq!(numbers, (0..EACH).collect::<Vec<_>>(), "key {key}");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Publish { key: u64 },
    Take { member: usize },
    Settle { which: usize, settled: Settled },
    Join,
    Leave { member: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let index = any::<usize>;
    prop_oneof![
        5 => (0..3u64).prop_map(|key| Op::Publish { key }),
        5 => index().prop_map(|member| Op::Take { member }),
        4 => index().prop_map(|which| Op::Settle { which, settled: Settled::Done }),
        2 => index().prop_map(|which| Op::Settle { which, settled: Settled::Return }),
        1 => any::<bool>().prop_map(|_| Op::Join),
        1 => index().prop_map(|member| Op::Leave { member }),
    ]
}

/// Id, key, and who has been given it.
type Owed = (u128, u64, Option<(Member, Lease)>);

/// What one named group owes, said in the plainest way: the messages in order, each with the
/// lease that is out for it.
#[derive(Default)]
struct Model {
    messages: Vec<Owed>,
}

impl Model {
    /// The first message of which no earlier one of its key is ready or with somebody else.
    fn next(&self, member: Member) -> Option<usize> {
        (0..self.messages.len()).find(|&at| {
            let (_, key, out) = &self.messages[at];
            out.is_none()
                && self.messages[..at]
                    .iter()
                    .filter(|(_, earlier, _)| earlier == key)
                    .all(|(_, _, out)| matches!(out, Some((holder, _)) if *holder == member))
        })
    }

    fn settle(&mut self, lease: Lease, settled: Settled) {
        let is_it = |(_, _, out): &Owed| out.is_some_and(|(_, held)| held == lease);
        let Some(at) = self.messages.iter().position(is_it) else { return };
        match settled {
            Settled::Done => drop(self.messages.remove(at)),
            Settled::Return => {
                let key = self.messages[at].1;
                for message in &mut self.messages[at..] {
                    if message.1 == key {
                        message.2 = None;
                    }
                }
            }
        }
    }
}

const MESSAGES: usize = 12;

fn check(ops: Vec<Op>) {
    let mut queues = Queues::new(Limits { messages: MESSAGES, bytes: usize::MAX });
    let mut model = Model::default();
    let join = |queues: &mut Queues| queues.join_named("all", Filter::Any).expect("joins");
    let mut members = vec![join(&mut queues)];
    let mut leases = Vec::new();
    for (id, op) in (0..).zip(ops) {
        match op {
            Op::Publish { key } => {
                let message = Message { subject: Subject::Events, key, id, payload: Bytes::new() };
                let published = queues.publish(&message).map(|groups| groups.len());
                if model.messages.len() < MESSAGES {
                    assert_eq!(published, Ok(1));
                    model.messages.push((id, key, None));
                } else {
                    assert_eq!(published, Err(Refused::Full));
                }
            }
            Op::Take { member } if !members.is_empty() => {
                let member = members[member % members.len()];
                match (queues.take(member), model.next(member)) {
                    (Taken::Message { message, lease, .. }, Some(at)) => {
                        assert_eq!(message.id, model.messages[at].0);
                        model.messages[at].2 = Some((member, lease));
                        leases.push(lease);
                    }
                    (Taken::Nothing, None) => {}
                    other => panic!("{other:?}"),
                }
            }
            Op::Settle { which, settled } if !leases.is_empty() => {
                // Any that ever was: most are over.
                let lease = leases[which % leases.len()];
                queues.settle(lease, settled);
                model.settle(lease, settled);
            }
            Op::Join => members.push(join(&mut queues)),
            Op::Leave { member } if !members.is_empty() => {
                let member = members.swap_remove(member % members.len());
                queues.leave(member);
                for message in &mut model.messages {
                    message.2 = message.2.filter(|(holder, _)| *holder != member);
                }
            }
            Op::Take { .. } | Op::Settle { .. } | Op::Leave { .. } => {}
        }
    }
    // Liveness: the others gone, one member gets all that is left, in order.
    members.into_iter().for_each(|member| queues.leave(member));
    let last = join(&mut queues);
    queues.close();
    for (id, ..) in model.messages {
        let Taken::Message { message, lease, .. } = queues.take(last) else {
            panic!("message {id} is lost")
        };
        assert_eq!(message.id, id);
        queues.settle(lease, Settled::Done);
    }
    assert!(matches!(queues.take(last), Taken::End));
    assert_eq!(queues.left(), (0, 0));
}

proptest! {
    #[test]
    fn queues_do_what_the_model_does(ops in vec(op(), 0..120)) {
        check(ops);
    }
}
