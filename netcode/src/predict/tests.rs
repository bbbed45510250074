//! A client and a server with a network between them, in virtual time.

use core::time::Duration;
use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::predict::clock::{Position, TickClock};
use crate::predict::input::InputBuffer;
use crate::predict::lead::Lead;
use crate::predict::margin::Margin;
use crate::predict::queue::InputQueue;
use crate::predict::rollback::{PREDICTED_MAX, Predictor, Reconciled};
use crate::tick::{Tick, TickRate};
use crate::time::Instant;

/// Numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From -1 to 1, and mostly in the middle.
    fn bell(&mut self) -> f64 {
        let sum: u64 = (0..6).map(|_| self.below(1 << 20)).sum();
        sum as f64 / f64::from(3 << 20) - 1.0
    }
}

/// One way of a network: what is sent now arrives after a delay, or not.
#[derive(Clone, Copy, Debug)]
struct Way {
    delay_us: f64,
    jitter_us: f64,
    loss_percent: u64,
}

impl Way {
    fn arrival(&self, now: u64, dice: &mut Dice) -> Option<u64> {
        // The bell has a deviation of a quarter.
        let delay = self.delay_us + dice.bell() * 4.0 * self.jitter_us;
        (dice.below(100) >= self.loss_percent).then_some(now + delay.max(100.0) as u64)
    }
}

/// A step in which order and every input matter.
fn step(state: &mut u64, input: &u64, tick: Tick) {
    *state = (state.rotate_left(5) ^ input).wrapping_add(tick.get());
}

/// What the server says after a tick.
#[derive(Clone, Copy, Debug)]
struct Report {
    tick: Tick,
    state: u64,
    starved: u64,
    margin_us: Option<i32>,
}

/// Client and server over `way`, one way like the other.
struct Game {
    rate: TickRate,
    way: Way,
    dice: Dice,
    /// What the client's idea of the server's time is wrong by.
    bias_us: i64,
    now: u64,
    queue: InputQueue<u64>,
    margin: Margin,
    state: u64,
    states: BTreeMap<Tick, u64>,
    inputs: InputBuffer<u64>,
    predictor: Predictor<u64, u64>,
    lead: Lead,
    starved: Option<u64>,
    up: Vec<(u64, Vec<(Tick, u64)>)>,
    down: Vec<(u64, Report)>,
    corrections: usize,
    leads: Vec<u64>,
}

impl Game {
    fn new(seed: u64, way: Way, bias_us: i64) -> Self {
        let rate = TickRate::new(30).unwrap();
        Self {
            rate,
            way,
            dice: Dice(seed),
            bias_us,
            now: 0,
            queue: InputQueue::new(Tick::new(1)),
            margin: Margin::new(),
            state: 7,
            states: BTreeMap::new(),
            inputs: InputBuffer::new(32),
            predictor: Predictor::new(Tick::ZERO, 7),
            lead: Lead::new(rate, Duration::from_micros((2.0 * way.delay_us) as u64)),
            starved: None,
            up: Vec::new(),
            down: Vec::new(),
            corrections: 0,
            leads: Vec::new(),
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + seconds * 1_000_000;
        while self.now < end {
            self.now += 1_000;
            self.client_hears();
            self.client_plays();
            self.server();
        }
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(self.now * 1_000)
    }

    fn server(&mut self) {
        let now = self.now;
        let mut arrived: Vec<_> = self.up.extract_if(.., |(at, _)| *at <= now).collect();
        arrived.sort_by_key(|(at, _)| *at);
        for (at, inputs) in arrived {
            for (tick, input) in inputs {
                let starts_at = self.rate.starts_at(tick, Instant::EPOCH);
                self.margin.on_arrival(tick, Instant::from_nanos(at * 1_000), starts_at);
                self.queue.insert(tick, input);
            }
        }
        if self.rate.starts_at(self.queue.next(), Instant::EPOCH) > self.instant() {
            return;
        }
        let consumed = self.queue.consume();
        step(&mut self.state, &consumed.input, consumed.tick);
        self.states.insert(consumed.tick, self.state);
        let report = Report {
            tick: consumed.tick,
            state: self.state,
            starved: self.queue.starved(),
            margin_us: self.margin.is_known().then(|| self.margin.value_us()),
        };
        if let Some(at) = self.way.arrival(now, &mut self.dice) {
            self.down.push((at, report));
        }
    }

    fn client_hears(&mut self) {
        let (now, instant) = (self.now, self.instant());
        let mut arrived: Vec<_> = self.down.extract_if(.., |(at, _)| *at <= now).collect();
        arrived.sort_by_key(|(at, _)| *at);
        for (_, report) in arrived {
            self.inputs.on_consumed(report.tick);
            if let Some(margin_us) = report.margin_us {
                self.lead.on_margin(instant, margin_us);
                let starved = report.starved - self.starved.unwrap_or(report.starved);
                if starved > 0 {
                    self.lead.on_starved(instant, starved);
                }
                self.starved = Some(report.starved);
            }
            let reconciled = self.predictor.reconcile(report.tick, report.state, u64::eq, step);
            match reconciled {
                Reconciled::Corrected { .. } => self.corrections += 1,
                Reconciled::Ahead => self.lead.on_starved(instant, 1),
                Reconciled::Confirmed | Reconciled::Stale => {}
            }
        }
    }

    fn client_plays(&mut self) {
        let lead = self.lead.lead(self.instant());
        self.leads.push(lead.as_micros() as u64);
        let ahead = self.now.saturating_add_signed(self.bias_us) + lead.as_micros() as u64;
        let target = self.rate.tick_at(Instant::from_nanos(ahead * 1_000), Instant::EPOCH);
        if target <= self.predictor.tick() {
            return;
        }
        while self.predictor.tick() < target {
            let tick = self.predictor.tick().next();
            let input = self.dice.below(1000);
            self.inputs.push(tick, input);
            self.predictor.predict(tick, input, step);
        }
        let oldest = self.inputs.oldest().unwrap();
        let packet = (oldest.get()..).map(Tick::new).zip(self.inputs.unconsumed().copied());
        let packet: Vec<_> = packet.collect();
        if let Some(at) = self.way.arrival(self.now, &mut self.dice) {
            self.up.push((at, packet));
        }
    }

    /// Ticks starved in a minute, and least, mean and greatest lead beyond one way, in ms, over
    /// the next `seconds`.
    fn measure(&mut self, seconds: u64) -> (f64, [f64; 3]) {
        self.leads.clear();
        let starved = self.queue.starved();
        self.run(seconds);
        let starved = (self.queue.starved() - starved) as f64 * 60.0 / seconds as f64;
        let beyond = |lead: f64| (lead + self.bias_us as f64 - self.way.delay_us) / 1_000.0;
        let mean = self.leads.iter().sum::<u64>() as f64 / self.leads.len() as f64;
        let (least, greatest) = (self.leads.iter().min(), self.leads.iter().max());
        let leads = [*least.unwrap() as f64, mean, *greatest.unwrap() as f64];
        (starved, leads.map(beyond))
    }
}

const LAN: Way = Way { delay_us: 500.0, jitter_us: 100.0, loss_percent: 0 };
const GOOD: Way = Way { delay_us: 25_000.0, jitter_us: 2_000.0, loss_percent: 1 };
const REFERENCE: Way = Way { delay_us: 50_000.0, jitter_us: 10_000.0, loss_percent: 5 };

#[test]
fn inputs_arrive_in_time_and_not_much_earlier() {
    for (name, way, starved_max, mean_max, swing_max) in [
        ("lan", LAN, 0.0, 35.0, 5.0),
        ("good", GOOD, 1.0, 50.0, 50.0),
        ("reference", REFERENCE, 3.0, 90.0, 80.0),
    ] {
        for (seed, bias_us) in [(1, 0), (2, 20_000), (3, -20_000), (4, 0)] {
            let mut game = Game::new(seed, way, bias_us);
            game.run(20);
            let (starved, [least, mean, greatest]) = game.measure(120);
            assert!(starved <= starved_max, "{name}, seed {seed}: {starved} starved a minute");
            assert!(mean <= mean_max, "{name}, seed {seed}: {mean} ms early");
            assert!(greatest - least <= swing_max, "{name}, seed {seed}: {least} to {greatest}");
        }
    }
}

#[test]
fn what_arrives_in_time_is_never_corrected() {
    let mut game = Game::new(5, LAN, 0);
    game.run(3);
    let (starved, corrections) = (game.queue.starved(), game.corrections);
    game.run(30);
    assert_eq!(game.queue.starved(), starved);
    assert_eq!(game.corrections, corrections);
    assert!(game.predictor.confirmed() > Tick::new(900));
}

#[test]
fn after_every_starvation_the_prediction_comes_true_again() {
    let mut game = Game::new(6, REFERENCE, -60_000);
    game.run(60);
    assert!(game.corrections > 0, "this should start with late inputs");
    // Nothing more is lost, and the server pushes the character.
    game.way = LAN;
    game.state ^= 0xdead_beef;
    game.run(2);
    let predicted = (game.predictor.tick(), *game.predictor.state());
    while !game.states.contains_key(&predicted.0) {
        game.run(1);
    }
    assert_eq!(game.states[&predicted.0], predicted.1);
}

#[test]
fn a_lead_that_is_far_off_is_put_right_without_a_swing() {
    // Too early by 150 ms: 2 % down.
    let far = Way { delay_us: 200_000.0, jitter_us: 2_000.0, loss_percent: 0 };
    let mut game = Game::new(7, far, 150_000);
    game.run(20);
    let (starved, [least, _, greatest]) = game.measure(30);
    assert_eq!(starved, 0.0);
    assert!(least > 0.0 && greatest < 50.0, "{least} to {greatest}");

    // Too late by 100 ms: a jump, then 5 % up.
    let mut game = Game::new(8, far, -100_000);
    game.run(5);
    let (starved, [least, _, greatest]) = game.measure(30);
    assert!(starved <= 2.0, "{starved}");
    assert!(least > 0.0 && greatest < 60.0, "{least} to {greatest}");
}

#[test]
fn the_lead_moves_slowly_and_within_bounds_whatever_it_hears() {
    let rate = TickRate::new(30).unwrap();
    let mut dice = Dice(11);
    let mut lead = Lead::new(rate, Duration::from_millis(80));
    let mut now = Instant::EPOCH;
    let mut before = lead.lead(now);
    for round in 0..20_000 {
        let margin = dice.next() as i32 >> dice.below(31);
        match dice.below(4) {
            0 => lead.on_margin(now, margin),
            1 => lead.on_rtt(now, Duration::from_nanos(dice.next() >> dice.below(64))),
            2 if round % 100 == 0 => lead.on_starved(now, dice.next()),
            _ => {}
        }
        let jumped = lead.lead(now).saturating_sub(before);
        assert!(jumped <= Duration::from_millis(101), "{jumped:?}");
        before = lead.lead(now);
        assert!(before <= Duration::from_millis(500));
        let passed = Duration::from_micros(dice.below(50_000));
        now += passed;
        let after = lead.lead(now);
        assert!(after.abs_diff(before) <= passed / 20 + Duration::from_micros(1));
        before = after;
    }
}

/// Nanoseconds from tick zero to `position`.
fn nanos(rate: TickRate, position: Position) -> i64 {
    let start = rate.starts_at(position.tick, Instant::EPOCH).as_nanos() as i64;
    start + i64::from(position.micros) * 1_000
}

#[test]
fn the_clock_converges_and_does_not_jump() {
    let rate = TickRate::new(30).unwrap();
    for (seed, first_is_late_ms) in [(1, 0), (2, 90), (3, 1500), (4, -1500)] {
        let mut dice = Dice(seed);
        let mut clock = TickClock::new(rate);
        let offset = 5_000_000_000_i64;
        let mut before: Option<(i64, i64)> = None;
        for sample in 0..3_000_i64 {
            // Snapshots at 30 Hz; the server is `offset` ahead, the way takes 50 ms and more.
            let sent = 10_000_000_000 + sample * 33_333_333;
            let late = if sample == 0 { first_is_late_ms * 1_000_000 } else { 0 };
            let jitter = (dice.bell().abs() * 20e6) as i64;
            let now = Instant::from_nanos((sent + 50_000_000 + jitter) as u64);
            let sent = Instant::from_nanos((sent + offset + late) as u64);
            let tick = rate.tick_at(sent, Instant::EPOCH);
            let start = rate.starts_at(tick, Instant::EPOCH);
            let micros = (sent - start).as_micros() as u32;
            if let Some((at, before)) = &mut before {
                let position = nanos(rate, clock.position_at(now).unwrap());
                let passed = now.as_nanos() as i64 - *at;
                assert!((position - *before - passed).abs() <= passed.abs() / 20 + 2_000);
                *before = position;
            }
            clock.on_sample(now, tick, micros, Duration::from_millis(100));
            let position = nanos(rate, clock.position_at(now).unwrap());
            if let Some((_, before)) = before {
                let jump = (position - before).abs();
                assert!(jump <= 100_002_000, "sample {sample}: {jump} ns");
            }
            before = Some((now.as_nanos() as i64, position));
            let truth = now.as_nanos() as i64 + offset;
            if sample > 300 {
                let error = (position - truth).abs();
                assert!(error < 12_000_000, "seed {seed}, sample {sample}: {error} ns");
            }
        }
    }
}

proptest! {
    #[test]
    fn clocks_survive_any_sample(
        samples in prop::collection::vec(
            (any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>()), 1..100,
        ),
    ) {
        let mut clock = TickClock::new(TickRate::new(60).unwrap());
        for (now, tick, micros, rtt) in samples {
            let now = Instant::from_nanos(now);
            clock.on_sample(now, Tick::new(tick), micros, Duration::from_nanos(rtt));
            prop_assert!(clock.position_at(now).unwrap().micros < 16_667);
            prop_assert!(clock.starts_at(Tick::new(tick), now).is_some());
        }
    }

    #[test]
    fn predictions_survive_any_tick(
        ticks in prop::collection::vec(
            (any::<bool>(), prop_oneof![0..300_u64, any::<u64>(), Just(u64::MAX)]), 1..200,
        ),
    ) {
        let mut predictor = Predictor::new(Tick::new(10), 0);
        for (is_server, tick) in ticks {
            let tick = Tick::new(tick);
            let before = predictor.tick();
            if is_server {
                let confirmed = predictor.confirmed();
                let reconciled = predictor.reconcile(tick, 1, u64::eq, step);
                prop_assert_eq!(predictor.tick(), before.max(tick));
                prop_assert!(tick > confirmed || reconciled == Reconciled::Stale);
                if let Reconciled::Corrected { replayed, .. } = reconciled {
                    prop_assert!(replayed <= PREDICTED_MAX);
                }
            } else {
                predictor.predict(tick, 3, step);
                prop_assert_eq!(predictor.tick(), before.max(tick));
            }
        }
    }

    /// Whatever the server does, and whichever of its states arrive, the client ends where it does.
    #[test]
    fn predictions_end_where_the_server_does(
        pushes in prop::collection::vec((any::<bool>(), any::<bool>(), 0..5_u64), 1..200),
    ) {
        let mut predictor = Predictor::new(Tick::ZERO, 7);
        let (mut server, mut reports) = (7, Vec::new());
        let last = pushes.len() as u64;
        for (tick, (is_pushed, arrives, behind)) in (1..).zip(pushes) {
            let tick = Tick::new(tick);
            predictor.predict(tick, tick.get() * 3, step);
            step(&mut server, &(tick.get() * 3), tick);
            server ^= u64::from(is_pushed);
            if arrives || tick.get() == last {
                reports.push((tick, server, tick.get() + behind));
            }
            for (tick, state, _) in reports.extract_if(.., |(.., at)| *at <= tick.get()) {
                predictor.reconcile(tick, state, u64::eq, step);
            }
        }
        for (tick, state, _) in reports {
            predictor.reconcile(tick, state, u64::eq, step);
        }
        prop_assert_eq!((predictor.tick(), *predictor.state()), (Tick::new(last), server));
    }
}

#[test]
fn skipped_ticks_hold_the_last_input_even_if_it_is_confirmed() {
    let add = |state: &mut u64, input: &u64, _: Tick| *state += input;
    let mut predictor = Predictor::new(Tick::ZERO, 0);
    predictor.predict(Tick::new(1), 10, add);
    assert_eq!(predictor.reconcile(Tick::new(1), 10, u64::eq, add), Reconciled::Confirmed);
    predictor.predict(Tick::new(4), 1, add);
    assert_eq!(*predictor.state(), 31);
    assert_eq!(predictor.reconcile(Tick::new(3), 30, u64::eq, add), Reconciled::Confirmed);
    assert_eq!(predictor.reconcile(Tick::new(3), 99, u64::eq, add), Reconciled::Stale);
    assert_eq!(predictor.reconcile(Tick::new(6), 50, u64::eq, add), Reconciled::Ahead);
    assert_eq!((predictor.tick(), *predictor.state()), (Tick::new(6), 50));
}

#[test]
fn the_lead_jumps_once_for_what_one_report_can_know() {
    let rate = TickRate::new(30).unwrap();
    let mut lead = Lead::new(rate, Duration::from_millis(80));
    let before = lead.lead(Instant::EPOCH);
    for _ in 0..10 {
        lead.on_starved(Instant::EPOCH, 1);
    }
    assert!(lead.lead(Instant::EPOCH) - before <= rate.period());
    let later = Instant::from_millis(1500);
    lead.on_starved(later, 1);
    assert!(lead.lead(later) - before > rate.period());
}

#[test]
fn the_clock_does_not_follow_samples_that_were_held_up() {
    let rate = TickRate::new(10).unwrap();
    let mut clock = TickClock::new(rate);
    for number in 1..200_u64 {
        // Every other one waits 80 ms on its way down, which a round trip shows as much.
        let held_up = if number % 2 == 0 { 80 } else { 0 };
        let now = Instant::from_millis(number * 100 + 30 + held_up);
        if let Some(position) = clock.position_at(now) {
            let error = (nanos(rate, position) - now.as_nanos() as i64).abs();
            assert!(error < 10_000, "sample {number}: {error} ns");
        }
        clock.on_sample(now, Tick::new(number), 0, Duration::from_millis(60 + held_up));
    }
}
