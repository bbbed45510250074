//! The player's own character: inputs for ticks to come, prediction, and what the owner zone says.
//!
//! ```text
//!   server's tick (TickClock) + lead (Lead) ──▶ next_input_tick ──▶ push_input
//!                                                                       │ predict at once
//!              unconsumed inputs (InputBuffer) ──▶ every zone ◀─────────┤
//!                                                                       ▼
//!   Own { epoch, consumed, character } ────────── reconcile ──▶ Predictor ──▶ character
//! ```
//!
//! # Invariants
//!
//! - Inputs have consecutive ticks, one each, and a tick never comes twice.
//! - Authority is the highest epoch that was seen. What an older owner says later is history.
//! - A crossing resets nothing: clock, lead, inputs and predictions go on.
//! - A declared discontinuity (a higher override epoch) is not a correction.
//!
//! Deliberately absent: zones and connections. Ticks and epochs are all that this knows of servers.

use core::time::Duration;

use netcode::predict::{InputBuffer, Lead, Predictor, Reconciled, TickClock};
use netcode::tick::{Tick, TickRate};
use netcode::time::Instant;
use shardline_protocol::game::Game;
use shardline_protocol::play::{INPUTS_MAX, Own, encode_inputs};

/// Inputs kept for replay: four seconds at 30 Hz. A server that has consumed none for so long gets
/// no more of them.
const INPUTS_KEPT: usize = 128;
/// A client that is this many ticks behind stood still and starts anew.
const RESYNC_TICKS: u64 = 64;
/// States that are seen before the first input is wanted: the one that was held up least tells
/// best where the server is.
const STATES_TO_SETTLE: u32 = 4;

/// What came of a word of an owner zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// Of an owner before, or older than what is known.
    History,
    /// The character is where it is said to be.
    Shown { is_new_epoch: bool, is_overridden: bool },
}

/// Counts that outlive a stay in the world.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlayCounters {
    pub(crate) corrections: u64,
    pub(crate) correction_max: f32,
    pub(crate) reconciled: u64,
    pub(crate) overrides: u64,
    pub(crate) resyncs: u64,
    pub(crate) inputs: u64,
}

#[derive(Debug)]
struct Timeline<G: Game> {
    predictor: Predictor<G::Character, G::Input>,
    inputs: InputBuffer<G::Input>,
    /// The next input is for this tick.
    next: Tick,
    /// The first tick that the game had a say in.
    first: Tick,
}

#[derive(Clone, Copy, Debug)]
struct Authority {
    epoch: u32,
    override_epoch: u32,
    consumed: Tick,
    starved: u64,
    margin_us: i32,
}

/// Where the server is, and how far the client runs ahead of it.
#[derive(Debug)]
struct Time {
    clock: TickClock,
    lead: Lead,
    /// States of the character seen so far, until they are enough.
    states: u32,
    best: Sample,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    tick: Tick,
    into_us: u32,
    rtt: Duration,
}

/// One stay of one character in the world.
#[derive(Debug)]
pub(crate) struct Play<G: Game> {
    game: G,
    margin: Duration,
    time: Option<Time>,
    authority: Option<Authority>,
    /// As an owner said it last.
    confirmed: Option<G::Character>,
    timeline: Option<Timeline<G>>,
    /// Earlier ticks have had their inputs.
    floor: Tick,
    /// There are inputs that no packet has carried yet.
    is_unsent: bool,
    counters: PlayCounters,
}

impl<G: Game> Play<G> {
    /// A stay whose inputs should reach the server `margin` before their ticks.
    pub(crate) fn new(game: G, margin: Duration, counters: PlayCounters) -> Self {
        Self {
            game,
            margin,
            time: None,
            authority: None,
            confirmed: None,
            timeline: None,
            floor: Tick::ZERO,
            is_unsent: false,
            counters,
        }
    }

    /// The server's tick was `tick`, and `into_us` of it had passed, when it said so.
    pub(crate) fn on_server_tick(&mut self, now: Instant, tick: Tick, into_us: u32, rtt: Duration) {
        let rate = self.game.tick_rate();
        let sample = Sample { at: now, tick, into_us, rtt };
        let Some(time) = &mut self.time else {
            self.time = Some(Time::new(rate, self.margin, sample));
            return;
        };
        if time.is_settled() {
            time.clock.on_sample(now, tick, into_us, rtt);
            time.lead.on_rtt(now, rtt);
        } else if sample.sent_from(rate) < time.best.sent_from(rate) {
            // The network only ever delays: the sample that was under way for the shortest time is
            // right, and no median of few can tell.
            let states = time.states;
            *time = Time { states, ..Time::new(rate, self.margin, sample) };
        }
    }

    /// What a zone says of the character after `tick`.
    pub(crate) fn on_own(
        &mut self,
        now: Instant,
        tick: Tick,
        own: Own<G::Character>,
        rtt: Duration,
    ) -> Seen {
        let before = self.authority;
        if before.is_some_and(|before| {
            (own.epoch, own.consumed) <= (before.epoch, before.consumed)
                && (own.epoch < before.epoch || own.override_epoch <= before.override_epoch)
        }) {
            return Seen::History;
        }
        let is_new_epoch = before.is_none_or(|before| own.epoch > before.epoch);
        let is_overridden = before.is_some_and(|before| own.override_epoch > before.override_epoch);
        // A snapshot leaves as its tick's step ends: as good as at the start of the next.
        self.on_server_tick(now, tick, 0, rtt);
        if let Some(time) = &mut self.time {
            time.states = time.states.saturating_add(1);
            // Until inputs of ours can have arrived, the margin tells of none.
            if self.timeline.as_ref().is_some_and(|timeline| own.consumed >= timeline.first) {
                time.lead.on_margin(now, own.margin_us);
                let starved = before.map_or(0, |before| own.starved.saturating_sub(before.starved));
                if starved > 0 {
                    time.lead.on_starved(now, starved);
                }
            }
        }
        self.authority = Some(Authority {
            epoch: own.epoch,
            override_epoch: own.override_epoch,
            consumed: own.consumed,
            starved: own.starved,
            margin_us: own.margin_us,
        });
        self.confirmed = Some(own.character.clone());
        if is_overridden {
            self.counters.overrides += 1;
        }
        if self.timeline.is_some() {
            self.reconcile(own.consumed, &own.character, is_overridden);
        } else {
            self.start(now, own.consumed, own.character);
        }
        Seen::Shown { is_new_epoch, is_overridden }
    }

    /// The tick that an input is wanted for now, if any. Asked again after each answer: when the
    /// lead grows several are wanted at once, when it shrinks none for a while.
    pub(crate) fn next_input_tick(&mut self, now: Instant) -> Option<Tick> {
        let target = self.target(now)?;
        let timeline = self.timeline.as_ref()?;
        let behind = target.saturating_since(timeline.next);
        if behind > RESYNC_TICKS {
            self.counters.resyncs += 1;
            self.floor = timeline.next;
            self.timeline = None;
            return None;
        }
        let is_wanted = timeline.next <= target && timeline.inputs.len() < INPUTS_KEPT;
        is_wanted.then_some(timeline.next)
    }

    /// When the next input will be wanted, if the answer to
    /// [`next_input_tick`](Self::next_input_tick) is `None` now.
    pub(crate) fn next_input_at(&self, now: Instant) -> Option<Instant> {
        let timeline = self.timeline.as_ref()?;
        if timeline.inputs.len() >= INPUTS_KEPT {
            return None;
        }
        let time = self.time.as_ref()?;
        let starts_at = time.clock.starts_at(timeline.next, now)?;
        // The clock counts in whole microseconds: never too early by a part of one.
        Some(now.max(starts_at - time.lead.lead(now) + Duration::from_micros(1)))
    }

    /// The input for the tick that is wanted. `false` if none is.
    pub(crate) fn push_input(&mut self, now: Instant, input: G::Input) -> bool {
        let Some(tick) = self.next_input_tick(now) else { return false };
        let game = &self.game;
        let Some(timeline) = &mut self.timeline else { return false };
        timeline.push(game, tick, input);
        self.counters.inputs += 1;
        self.is_unsent = true;
        true
    }

    /// Appends the inputs that no zone is known to have consumed, if there are new ones.
    pub(crate) fn take_packet(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(timeline) = &self.timeline else { return false };
        if !core::mem::take(&mut self.is_unsent) {
            return false;
        }
        let inputs = timeline.inputs.unconsumed();
        let older = inputs.len().saturating_sub(INPUTS_MAX);
        if inputs.len() == 0 {
            return false;
        }
        let newest = timeline.next.saturating_back(1);
        encode_inputs(&self.game, newest, inputs.skip(older), out);
        true
    }

    /// The character: as predicted, or as last confirmed.
    pub(crate) fn character(&self) -> Option<&G::Character> {
        self.timeline
            .as_ref()
            .map(|timeline| timeline.predictor.state())
            .or(self.confirmed.as_ref())
    }

    /// The tick after which the character is as [`character`](Self::character) says.
    pub(crate) fn character_tick(&self) -> Option<Tick> {
        let predicted = self.timeline.as_ref().map(|timeline| timeline.predictor.tick());
        predicted.or(self.authority.map(|authority| authority.consumed))
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.authority.map_or(0, |authority| authority.epoch)
    }

    pub(crate) fn override_epoch(&self) -> u32 {
        self.authority.map_or(0, |authority| authority.override_epoch)
    }

    pub(crate) fn starved(&self) -> u64 {
        self.authority.map_or(0, |authority| authority.starved)
    }

    pub(crate) fn margin(&self) -> i32 {
        self.authority.map_or(0, |authority| authority.margin_us)
    }

    pub(crate) fn lead(&self, now: Instant) -> Duration {
        self.time.as_ref().map_or(Duration::ZERO, |time| time.lead.lead(now))
    }

    pub(crate) fn unconsumed(&self) -> usize {
        self.timeline.as_ref().map_or(0, |timeline| timeline.inputs.len())
    }

    pub(crate) fn counters(&self) -> PlayCounters {
        self.counters
    }

    /// The tick that the client is in, once it knows.
    fn target(&self, now: Instant) -> Option<Tick> {
        let time = self.time.as_ref().filter(|time| time.is_settled())?;
        let server = time.clock.position_at(now)?;
        let rate = self.game.tick_rate();
        let server = rate.starts_at(server.tick, Instant::EPOCH)
            + Duration::from_micros(server.micros.into());
        Some(rate.tick_at(server + time.lead.lead(now), Instant::EPOCH))
    }

    /// Predicts from what is confirmed. Until the first input the zone holds the last one that it
    /// had, which is none for who has just come.
    fn start(&mut self, now: Instant, consumed: Tick, character: G::Character) {
        let Some(target) = self.target(now) else { return };
        let first = target.max(consumed.next()).max(self.floor);
        if first.saturating_since(consumed) > INPUTS_KEPT as u64 / 2 {
            return;
        }
        let mut timeline = Timeline {
            predictor: Predictor::new(consumed, character),
            inputs: InputBuffer::new(INPUTS_KEPT),
            next: consumed.next(),
            first,
        };
        while timeline.next < first {
            timeline.push(&self.game, timeline.next, G::Input::default());
        }
        self.timeline = Some(timeline);
    }

    fn reconcile(&mut self, consumed: Tick, character: &G::Character, is_overridden: bool) {
        let (game, counters) = (&self.game, &mut self.counters);
        let Some(timeline) = &mut self.timeline else { return };
        timeline.inputs.on_consumed(consumed);
        if is_overridden {
            timeline.reset(game, consumed, character.clone());
            return;
        }
        let mut apart = 0.0;
        let same = |predicted: &G::Character, confirmed: &G::Character| {
            apart = game.divergence(predicted, confirmed);
            predicted == confirmed
        };
        let step = |character: &mut G::Character, input: &G::Input, tick| {
            game.step(character, input, tick);
        };
        let outcome = timeline.predictor.reconcile(consumed, character.clone(), same, step);
        match outcome {
            Reconciled::Confirmed => counters.reconciled += 1,
            // Before its first input had a say the character was not predicted but guessed.
            Reconciled::Corrected { .. } if consumed >= timeline.first && apart > 0.0 => {
                counters.corrections += 1;
                counters.correction_max = counters.correction_max.max(apart);
            }
            Reconciled::Corrected { .. } => counters.reconciled += 1,
            // The server went on without this client; nothing was predicted that could be wrong.
            Reconciled::Ahead => {
                timeline.next = timeline.next.max(consumed.next());
                timeline.first = timeline.next;
                counters.resyncs += 1;
            }
            // An owner that knows less than the one before: the world was restored from older
            // state, and what it says holds.
            Reconciled::Stale => timeline.reset(game, consumed, character.clone()),
        }
    }
}

impl Time {
    fn new(rate: TickRate, margin: Duration, sample: Sample) -> Self {
        let mut clock = TickClock::new(rate);
        clock.on_sample(sample.at, sample.tick, sample.into_us, sample.rtt);
        let lead = Lead::new(rate, sample.rtt).with_target(margin);
        Self { clock, lead, states: 0, best: sample }
    }

    fn is_settled(&self) -> bool {
        self.states >= STATES_TO_SETTLE
    }
}

impl Sample {
    /// When, by our time, tick zero would have started, had the sample not been under way at all:
    /// the smaller, the less it was held up.
    fn sent_from(&self, rate: TickRate) -> i128 {
        let sent = rate.starts_at(self.tick, Instant::EPOCH).as_nanos();
        i128::from(self.at.as_nanos())
            - i128::from(sent)
            - i128::from(self.into_us) * 1_000
            - (self.rtt / 2).as_nanos() as i128
    }
}

impl<G: Game> Timeline<G> {
    fn push(&mut self, game: &G, tick: Tick, input: G::Input) {
        self.predictor.predict(tick, input.clone(), |character, input, tick| {
            game.step(character, input, tick);
        });
        self.inputs.push(tick, input);
        self.next = tick.next();
    }

    /// The character is put somewhere else; what it was to do since then it does from there.
    fn reset(&mut self, game: &G, consumed: Tick, character: G::Character) {
        self.predictor.reset(consumed, character);
        for (tick, input) in (consumed.get() + 1..).zip(self.inputs.unconsumed()) {
            self.predictor.predict(Tick::new(tick), input.clone(), |character, input, tick| {
                game.step(character, input, tick);
            });
        }
    }
}
