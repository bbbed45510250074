//! A server under siege. Strangers send it what they like: garbage, hellos with a stolen token,
//! what they have overheard, also in the name of an honest client.
//!
//! # Promises
//!
//! - A stranger never gets more bytes out of the server than it put in.
//! - Nobody is let in but the honest client, and it stays in and is heard.
//! - The bounds on connections hold, and no timer fires without effect for ever.

use std::collections::BTreeMap;

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use netcode::config::RetryPolicy;
use netcode::connection::Event;
use netcode::time::Instant;
use netcode::wire::{Hello, VERSION};

use crate::house::{CLIENT, House, ORDERED, SERVER, address};
use crate::script::Script;
use crate::seeds::{Seeds, noise, with_mutations};

const OPERATIONS_MAX: usize = 200;
const STRANGERS: u8 = 4;
/// Far longer than a script: the honest client must never time out.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Wake-ups that a second of peace may take.
const STEPS_MAX: usize = 2000;
/// Datagrams that the strangers remember.
const OVERHEARD_MAX: usize = 64;

/// Runs the script: a byte of settings, then operations.
pub fn run(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let Some(settings) = script.u8() else { return };
    let mut siege = Siege::new(settings);
    for _ in 0..OPERATIONS_MAX {
        if siege.step(&mut script).is_none() {
            break;
        }
        siege.settle();
    }
    siege.talk();
}

struct Siege {
    house: House,
    overheard: Vec<Vec<u8>>,
    /// Bytes that each stranger may still get.
    credit: BTreeMap<SocketAddr, usize>,
    said: u32,
    buffer: Vec<u8>,
}

impl Siege {
    fn new(settings: u8) -> Self {
        let retry = match settings % 3 {
            0 => RetryPolicy::Never,
            1 => RetryPolicy::Always,
            _ => RetryPolicy::Above { hellos_per_s: 2 },
        };
        let mut overheard = Vec::new();
        let house =
            House::connected(retry, IDLE_TIMEOUT, |datagram| overheard.push(datagram.to_vec()));
        Self { house, overheard, credit: BTreeMap::new(), said: 0, buffer: Vec::new() }
    }

    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let operation = script.u8()?;
        let stranger = address(10 + operation / 8 % STRANGERS);
        match operation % 8 {
            0 => {
                let len = usize::from(script.u8()?);
                let datagram = script.take(len).to_vec();
                self.attack(stranger, datagram);
            }
            1 => {
                // Padded, as a hello has to be.
                let len = usize::from(script.u8()?) * 4;
                let mut datagram = vec![0x80];
                datagram.extend_from_slice(&VERSION.to_le_bytes());
                datagram.extend_from_slice(script.take(len));
                datagram.resize(datagram.len().max(1200), 0);
                self.attack(stranger, datagram);
            }
            2 => {
                let len = usize::from(script.u8()?);
                let (token, noise) = (self.house.token.clone(), script.take(len));
                let mut datagram = Vec::new();
                let hello = Hello { version: VERSION, cookie: None, token: &token, noise };
                hello.encode(operation, &mut datagram);
                self.attack(stranger, datagram);
            }
            3 => self.pass(Duration::from_millis(u64::from(script.u8()?) * 4)),
            4 => {
                let datagram = self.overheard(script.u8()?);
                self.attack(stranger, datagram);
            }
            5 => {
                let mut datagram = self.overheard(script.u8()?);
                let bit = usize::from(script.u16()?) % (8 * datagram.len());
                datagram[bit / 8] ^= u8::from(bit != 0) << (bit % 8);
                self.attack(CLIENT, datagram);
            }
            6 => self.talk(),
            _ => {
                let len = usize::from(script.u8()?);
                let datagram = script.take(len).to_vec();
                self.attack(CLIENT, datagram);
            }
        }
        Some(())
    }

    fn overheard(&self, index: u8) -> Vec<u8> {
        self.overheard[usize::from(index) % self.overheard.len()].clone()
    }

    fn attack(&mut self, from: SocketAddr, mut datagram: Vec<u8>) {
        *self.credit.entry(from).or_default() += datagram.len();
        let _ = self.house.server.handle_datagram(self.house.now, from, &mut datagram);
    }

    /// Carries all datagrams, at once.
    fn settle(&mut self) {
        loop {
            let House { now, server, client, .. } = &mut self.house;
            let mut is_quiet = true;
            while client.poll_transmit(*now, &mut self.buffer).is_some() {
                is_quiet = false;
                let newest = self.overheard.len() % OVERHEARD_MAX;
                if self.overheard.len() < OVERHEARD_MAX {
                    self.overheard.push(self.buffer.clone());
                } else {
                    self.overheard[newest].clone_from(&self.buffer);
                }
                let _ = server.handle_datagram(*now, CLIENT, &mut self.buffer);
            }
            while let Some(transmit) = server.poll_transmit(*now, &mut self.buffer) {
                is_quiet = false;
                if transmit.to == CLIENT {
                    let _ = client.handle_datagram(*now, SERVER, &mut self.buffer);
                } else {
                    let credit = self.credit.entry(transmit.to).or_default();
                    let left = credit.checked_sub(self.buffer.len());
                    *credit = left.expect("a stranger gets no more than it gave");
                }
            }
            if is_quiet {
                break;
            }
        }
        assert!(self.house.server.connections() <= 8);
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let until = self.house.now + time;
        for step in 0.. {
            assert!(step < STEPS_MAX, "timers fire without effect");
            let timers = [self.house.server.poll_timeout(), self.house.client.poll_timeout()];
            let next = timers.into_iter().flatten().min().unwrap_or(until);
            self.house.now = next.clamp(self.house.now, until);
            let now: Instant = self.house.now;
            self.house.server.handle_timeout(now);
            self.house.client.handle_timeout(now);
            self.settle();
            if now == until {
                break;
            }
        }
    }

    /// The honest client says something, and is heard; nobody else is.
    fn talk(&mut self) {
        self.said += 1;
        let word = Bytes::copy_from_slice(&self.said.to_le_bytes());
        let client = self.house.at_client;
        self.house.client.send(client, ORDERED, word.clone()).expect("the connection is open");
        self.settle();
        self.pass(Duration::from_secs(1));
        let mut heard = Vec::new();
        while let Some((handle, event)) = self.house.server.poll_event() {
            // Whoever did not confirm its keys has no events.
            assert_eq!(handle, self.house.at_server, "{event:?}");
            heard.push(event);
        }
        assert_eq!(heard, [Event::Message { channel: ORDERED, payload: word }]);
        assert_eq!(self.house.client.poll_event(), None);
    }
}

/// Each operation, sieges of all, and noise.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let key = noise(100, 120);
    let stolen = |operation: u8| [&[operation, 96][..], &key[..96]].concat();
    for settings in 0..3 {
        let mut add = |name: &str, operations: &[&[u8]]| {
            seeds.push((
                format!("{name}-{settings}"),
                [&[settings][..], &operations.concat()].concat(),
            ));
        };
        add("peace", &[&[6, 3, 255, 6]]);
        add("garbage", &[&[0, 30], &key[..30], &[8, 5], &key[..5], &[7, 40], &key[..40]]);
        add("stolen-token", &[&stolen(2), &stolen(2), &stolen(10), &[3, 100], &stolen(18)]);
        add("replay", &[&[4, 0, 12, 0, 4, 1, 6, 20, 4, 3, 255, 3, 255, 4, 0]]);
        add("in-its-name", &[&[5, 0, 0, 0, 5, 2, 0, 0, 5, 3, 9, 0, 6, 5, 1, 100, 1, 3, 200]]);
        // Well-formed, but smaller than what answers it.
        let short = Hello { version: VERSION, cookie: None, token: &[], noise: &key[..8] };
        let mut hello = Vec::new();
        short.encode(0, &mut hello);
        add("short-hello", &[&[0, 18], &hello[..18], &[8, 18], &hello[..18]]);
        add("padded", &[&[1, 40], &noise(101, 160), &[9, 2, 24, 0, 0, 0, 0, 0, 0, 0]]);
        add("noise", &[&noise(110 + u64::from(settings), 200)]);
    }
    with_mutations(seeds, 100)
}
