//! How far the client runs ahead of the server.

use core::time::Duration;
use std::collections::VecDeque;

use crate::tick::TickRate;
use crate::time::Instant;

/// Faster by this share of the time that passes, at most.
const UP_SHARE: i64 = 20;
/// Slower by this share: what was gained is given back with more patience.
const DOWN_SHARE: i64 = 50;
/// Never further ahead, in microseconds: further is unplayable.
const LEAD_MAX_US: i64 = 500_000;
/// A jump is at most this far.
const JUMP_MAX_US: i64 = 100_000;
/// A margin this close to what is wanted is left alone.
const TOLERANCE_US: i64 = 2_000;
/// The server's margins are from arrivals of this long.
const WINDOW: Duration = Duration::from_millis(1100);
/// Ticks without an input for which one report makes more cautious.
const CAUTION_TICKS_MAX: i64 = 3;
/// How long it takes to forget a tick's worth of caution.
const CAUTION_LASTS_US: i64 = 120_000_000;
/// Leads are remembered this far apart, and so many of them.
const HISTORY_STEP: Duration = Duration::from_millis(25);
const HISTORY_MAX: usize = 128;

/// How far the client has to run ahead so that its inputs arrive in time, and no further.
///
/// At `now` the client plays up to the tick of `clock.position_at(now + lead.lead(now))`.
///
/// It is led by the margins that the server reports: how early inputs arrive before their ticks.
/// Before the first, half a round trip has to do. A report tells of the past, so that what it asks
/// for is measured against the leads of that time; the loop cannot overshoot.
///
/// The lead changes by at most 5 % of the time that passes, up, and 2 %, down. Only if inputs come
/// too late altogether does it jump, once for each report that can know of it.
#[derive(Clone, Debug)]
pub struct Lead {
    period_us: i64,
    target_us: i64,
    rtt: Duration,
    at: Instant,
    lead_us: i64,
    wanted_us: i64,
    margin_us: Option<i64>,
    /// Asked for on top of the target since inputs were missing, as of `at`.
    caution_us: i64,
    jumped_at: Option<Instant>,
    /// Oldest first.
    history: VecDeque<(Instant, i64)>,
}

impl Lead {
    /// A client that knows nothing but that a round trip takes about `rtt`.
    pub fn new(rate: TickRate, rtt: Duration) -> Self {
        let period_us = rate.period().as_micros() as i64;
        let target_us = period_us / 2;
        let lead_us = (micros(rtt / 2) + target_us).min(LEAD_MAX_US);
        Self {
            period_us,
            target_us,
            rtt,
            at: Instant::EPOCH,
            lead_us,
            wanted_us: lead_us,
            margin_us: None,
            caution_us: 0,
            jumped_at: None,
            history: VecDeque::with_capacity(HISTORY_MAX),
        }
    }

    /// Asks for inputs to arrive this early: half a tick, unless said otherwise.
    #[must_use]
    pub fn with_target(mut self, margin: Duration) -> Self {
        let target_us = micros(margin).min(LEAD_MAX_US);
        self.wanted_us = (self.wanted_us + target_us - self.target_us).clamp(0, LEAD_MAX_US);
        self.lead_us = self.wanted_us;
        self.target_us = target_us;
        self
    }

    /// A round trip takes about `rtt`.
    pub fn on_rtt(&mut self, now: Instant, rtt: Duration) {
        self.advance(now);
        self.rtt = rtt;
        if self.margin_us.is_none() {
            self.wanted_us = (micros(rtt / 2) + self.target_us).min(LEAD_MAX_US);
        }
    }

    /// The server says that inputs arrive `margin_us` microseconds early; negative is late.
    pub fn on_margin(&mut self, now: Instant, margin_us: i32) {
        self.advance(now);
        self.margin_us = Some(margin_us.into());
        self.wanted_us = self.lead_for(margin_us.into(), now);
    }

    /// The server says that it had no input for `ticks` more ticks. Call this after
    /// [`on_margin`](Self::on_margin) if one message says both, and not for ticks before the first
    /// input that was sent. A state of the server that is newer than all that was predicted
    /// ([`Reconciled::Ahead`](crate::predict::Reconciled::Ahead)) counts as one such tick.
    pub fn on_starved(&mut self, now: Instant, ticks: u64) {
        self.advance(now);
        let wanted_us = match self.margin_us {
            None => self.lead_us + self.period_us,
            Some(margin_us) if margin_us < 0 => self.lead_for(margin_us, now),
            // What never arrived, for packets are lost, was not late: more lead is of use for one
            // lost packet or two, not without end.
            Some(_) => {
                let ticks = i64::try_from(ticks).unwrap_or(CAUTION_TICKS_MAX);
                let asked = ticks.clamp(0, CAUTION_TICKS_MAX) * self.period_us / 2;
                self.caution_us = (self.caution_us + asked).min(self.period_us * 3 / 2);
                return;
            }
        };
        let known_since = |jumped: Instant| now.saturating_since(jumped) > self.rtt + WINDOW;
        if self.jumped_at.is_none_or(known_since) {
            let jump_us = (wanted_us - self.lead_us).clamp(0, JUMP_MAX_US);
            self.lead_us = (self.lead_us + jump_us).min(LEAD_MAX_US);
            self.wanted_us = self.wanted_us.max(self.lead_us);
            self.jumped_at = Some(now);
        }
    }

    /// How far to run ahead at `now`.
    pub fn lead(&self, now: Instant) -> Duration {
        Duration::from_micros(u64::try_from(self.lead_at(now)).unwrap_or(0))
    }

    /// How early inputs should arrive, as things are.
    pub fn target(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.target_us + self.caution_us).unwrap_or(0))
    }

    /// The lead with which the inputs that the margin tells of would have arrived as early as they
    /// should.
    fn lead_for(&self, margin_us: i64, now: Instant) -> i64 {
        let missing = self.target_us + self.caution_us - margin_us;
        if missing.abs() <= TOLERANCE_US {
            return self.lead_us;
        }
        let since = now - (self.rtt + WINDOW);
        // The lead before `since` held on until the first that was remembered after it.
        let first = self.history.partition_point(|(at, _)| *at < since).saturating_sub(1);
        let then = self.history.range(first..).map(|(_, lead)| *lead);
        let then = if missing > 0 { then.min() } else { then.max() };
        (then.unwrap_or(self.lead_us) + missing).clamp(0, LEAD_MAX_US)
    }

    fn lead_at(&self, now: Instant) -> i64 {
        let passed = micros(now.saturating_since(self.at));
        self.lead_us
            + (self.wanted_us - self.lead_us).clamp(-passed / DOWN_SHARE, passed / UP_SHARE)
    }

    fn advance(&mut self, now: Instant) {
        let passed = micros(now.saturating_since(self.at));
        let forgotten = passed.saturating_mul(self.period_us) / CAUTION_LASTS_US;
        self.caution_us = self.caution_us.saturating_sub(forgotten).max(0);
        self.lead_us = self.lead_at(now);
        self.at = self.at.max(now);
        let newest = self.history.back().map(|(at, _)| *at);
        if newest.is_none_or(|newest| now.saturating_since(newest) >= HISTORY_STEP) {
            if self.history.len() >= HISTORY_MAX {
                self.history.pop_front();
            }
            self.history.push_back((now, self.lead_us));
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
