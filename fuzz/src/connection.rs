//! Two endpoints and, between them, whoever wrote the script: it delays, loses, doubles, reorders
//! and damages datagrams, and lets the two send on every kind of channel.
//!
//! # Promises
//!
//! - At all times: reliable-ordered messages arrive once and in order, reliable-unordered ones and
//!   unreliable ones at most once, sequenced ones never older than the last. Bytes are intact.
//!   Nobody is taken for a misbehaving peer.
//! - Once the network behaves: what is reliable arrives, every receipt is told, within bounded
//!   time and steps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use core::time::Duration;

use bytes::Bytes;
use netcode::config::RetryPolicy;
use netcode::connection::Event;
use netcode::wire::{ChannelId, MessageId};

use crate::house::{CHANNELS, CLIENT, House, ORDERED, RECEIPTS, SEQUENCED, SERVER, UNORDERED};
use crate::script::Script;
use crate::seeds::{Seeds, noise, with_mutations};

const OPERATIONS_MAX: usize = 400;
/// Datagrams under way in one direction; more are lost.
const QUEUE_MAX: usize = 64;
/// No peer is silent for so long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// Peace ends within so many wake-ups and so much time: long probe back-offs are the worst.
const STEPS_MAX: usize = 5000;
const PEACE_MAX: Duration = Duration::from_secs(3600);
const SIDES: [usize; 2] = [0, 1];

/// Runs the script.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut pair = Pair::new();
    for _ in 0..OPERATIONS_MAX {
        if pair.step(&mut script).is_none() {
            break;
        }
        pair.drain();
    }
    pair.make_peace();
}

/// What one side has sent, and what of it arrived.
#[derive(Debug, Default)]
struct Ledger {
    /// By channel: messages, numbered from 0, of these lengths.
    sent: BTreeMap<ChannelId, Vec<usize>>,
    arrived: BTreeMap<ChannelId, Vec<u32>>,
    receipts_open: BTreeSet<MessageId>,
}

struct Pair {
    house: House,
    /// Datagrams under way from each side: 0 is the client.
    queues: [VecDeque<Vec<u8>>; 2],
    ledgers: [Ledger; 2],
    buffer: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        Self {
            house: House::connected(RetryPolicy::Never, IDLE_TIMEOUT, |_| {}),
            queues: Default::default(),
            ledgers: Default::default(),
            buffer: Vec::new(),
        }
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let operation = script.u8()?;
        let side = usize::from(operation & 1);
        match operation >> 1 & 7 {
            0 => {
                let channel = CHANNELS[usize::from(operation >> 4 & 3)];
                self.send(side, channel, usize::from(script.u16()? % 3000));
            }
            1 => self.deliver(side),
            2 => drop(self.queues[side].pop_front()),
            3 => {
                let copy = self.queues[side].front().cloned();
                self.queues[side].extend(copy);
            }
            4 => {
                let front = self.queues[side].pop_front();
                self.queues[side].extend(front);
            }
            5 => {
                let bit = usize::from(script.u16()?);
                if let Some(front) = self.queues[side].front_mut() {
                    let bit = bit % (8 * front.len());
                    front[bit / 8] ^= 1 << (bit % 8);
                }
            }
            6 => self.pass(Duration::from_millis(script.u8()?.into())),
            _ => {
                for _ in 0..self.queues[side].len() {
                    self.deliver(side);
                }
            }
        }
        Some(())
    }

    fn send(&mut self, side: usize, channel: ChannelId, extra: usize) {
        let sent = self.ledgers[side].sent.entry(channel).or_default();
        let payload = message(sent.len() as u32, extra);
        let house = &mut self.house;
        let outcome = match side {
            0 => house.client.send(house.at_client, channel, payload),
            _ => house.server.send(house.at_server, channel, payload),
        };
        // A full queue is an answer, too.
        if let Ok(id) = outcome {
            sent.push(extra);
            if channel == RECEIPTS {
                self.ledgers[side].receipts_open.insert(id);
            }
        }
    }

    fn deliver(&mut self, side: usize) {
        let Some(mut datagram) = self.queues[side].pop_front() else { return };
        let House { now, server, client, .. } = &mut self.house;
        let _ = match side {
            0 => server.handle_datagram(*now, CLIENT, &mut datagram),
            _ => client.handle_datagram(*now, SERVER, &mut datagram),
        };
    }

    fn pass(&mut self, time: Duration) {
        self.house.now += time;
        self.house.client.handle_timeout(self.house.now);
        self.house.server.handle_timeout(self.house.now);
    }

    /// Takes all that both sides have to say.
    fn drain(&mut self) {
        for side in SIDES {
            let now = self.house.now;
            let endpoint = match side {
                0 => &mut self.house.client,
                _ => &mut self.house.server,
            };
            while endpoint.poll_transmit(now, &mut self.buffer).is_some() {
                if self.queues[side].len() < QUEUE_MAX {
                    self.queues[side].push_back(self.buffer.clone());
                }
            }
            let mut events = Vec::new();
            while let Some((_, event)) = endpoint.poll_event() {
                events.push(event);
            }
            for event in events {
                self.on_event(side, event);
            }
        }
    }

    fn on_event(&mut self, side: usize, event: Event) {
        match event {
            Event::Message { channel, payload } => self.on_message(1 - side, channel, &payload),
            Event::Receipt { channel, message, .. } => {
                assert_eq!(channel, RECEIPTS);
                assert!(self.ledgers[side].receipts_open.remove(&message), "told once");
            }
            other => panic!("the connection stays open: {other:?}"),
        }
    }

    /// A message that `from` sent has arrived.
    fn on_message(&mut self, from: usize, channel: ChannelId, payload: &Bytes) {
        let ledger = &mut self.ledgers[from];
        let number = u32::from_le_bytes(*payload.first_chunk().expect("a number in front"));
        let extra = ledger.sent[&channel][number as usize];
        assert!(*payload == message(number, extra), "the bytes are intact");
        let arrived = ledger.arrived.entry(channel).or_default();
        match channel {
            ORDERED => assert_eq!(number as usize, arrived.len(), "in order"),
            SEQUENCED => assert!(arrived.last().is_none_or(|last| *last < number), "newer"),
            _ => assert!(!arrived.contains(&number), "once"),
        }
        arrived.push(number);
    }

    /// From here on everything arrives.
    fn make_peace(&mut self) {
        let until = self.house.now + PEACE_MAX;
        for step in 0.. {
            self.drain();
            let is_quiet = self.queues.iter().all(VecDeque::is_empty);
            if is_quiet && self.is_done() {
                return;
            }
            assert!(step < STEPS_MAX && self.house.now < until, "peace brings all that was sent");
            if is_quiet {
                let timers = [self.house.client.poll_timeout(), self.house.server.poll_timeout()];
                let next = timers.into_iter().flatten().min().expect("a keep-alive is due");
                self.pass(next.saturating_since(self.house.now));
            } else {
                // A network takes some time.
                self.pass(Duration::from_millis(5));
                for side in SIDES {
                    for _ in 0..self.queues[side].len() {
                        self.deliver(side);
                    }
                }
            }
        }
    }

    fn is_done(&self) -> bool {
        self.ledgers.iter().all(|ledger| {
            let is_whole = |channel| {
                let sent = ledger.sent.get(&channel).map_or(0, Vec::len);
                sent == ledger.arrived.get(&channel).map_or(0, Vec::len)
            };
            is_whole(ORDERED) && is_whole(UNORDERED) && ledger.receipts_open.is_empty()
        })
    }
}

fn message(number: u32, extra: usize) -> Bytes {
    [&number.to_le_bytes()[..], &vec![number as u8; extra]].concat().into()
}

/// Each operation on each channel, storms, and noise.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let send = |side: u8, channel: u8, extra: u16| {
        let [low, high] = extra.to_le_bytes();
        [side | channel << 4, low, high]
    };
    let (pass, all, other_all) = ([6 << 1, 30], [7 << 1], [7 << 1 | 1]);
    for channel in 0..4 {
        let talk = [
            &send(0, channel, 40)[..],
            &send(1, channel, 2500),
            &all,
            &other_all,
            &send(0, channel, 0),
            &pass,
            &all,
        ];
        seeds.push((format!("talk-{channel}"), talk.concat()));
        let loss = [
            &send(0, channel, 100)[..],
            &[2 << 1],
            &send(0, channel, 1000),
            &[3 << 1, 4 << 1],
            &pass,
            &send(0, channel, 100),
            &all,
            &[2 << 1 | 1],
            &pass,
            &pass,
            &all,
        ];
        seeds.push((format!("loss-{channel}"), loss.concat()));
        let damage = [&send(1, channel, 60)[..], &[5 << 1 | 1, 77, 0], &other_all, &pass, &pass];
        seeds.push((format!("damage-{channel}"), damage.concat()));
        // One message after another, and every other datagram is lost.
        let storm: Vec<u8> = (0..20)
            .flat_map(|index| [&send(0, channel, index * 90)[..], &[2 << 1], &pass, &all].concat())
            .collect();
        seeds.push((format!("storm-{channel}"), storm));
    }
    for seed in 0..6 {
        seeds.push((format!("noise-{seed}"), noise(90 + seed, 300)));
    }
    with_mutations(seeds, 90)
}
