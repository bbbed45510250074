//! What a game may read off its client.

use std::collections::BTreeSet;

use netcode::snapshot::{EntityId, EntityState};
use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::game::Game;

use crate::client::Client;
use crate::event::ZoneId;
use crate::session::SessionState;
use crate::stats::ClientStats;

/// What there is to see.
impl<G: Game> Client<G> {
    /// The rules.
    pub fn game(&self) -> &G {
        &self.game
    }

    /// Where the player is.
    pub fn state(&self) -> SessionState {
        self.session.state()
    }

    /// Whether the gateway knows the player.
    pub fn is_logged_in(&self) -> bool {
        self.session.is_logged_in()
    }

    /// The player's character, as predicted from every input so far. `None` until it is shown.
    pub fn character(&self) -> Option<&G::Character> {
        self.world.play()?.character()
    }

    /// The tick after which the character is as [`character`](Self::character) says.
    pub fn character_tick(&self) -> Option<Tick> {
        self.world.play()?.character_tick()
    }

    /// The character's id, which is its entity id too.
    pub fn character_id(&self) -> Option<u64> {
        self.world.character_id()
    }

    /// Everything in view, in no order that means anything: the newest snapshot of the zone that
    /// owns the character. The server decides whether the player's own character is among them.
    pub fn entities(&self) -> impl Iterator<Item = (EntityId, &EntityState)> {
        self.world.replica().into_iter().flat_map(|replica| replica.entities())
    }

    /// One entity, if it is in view.
    pub fn entity(&self, id: EntityId) -> Option<&EntityState> {
        self.world.replica()?.entity(id)
    }

    /// The tick that [`entities`](Self::entities) shows.
    pub fn view_tick(&self) -> Option<Tick> {
        self.world.replica()?.tick()
    }

    /// The items that the character holds.
    pub fn items(&self) -> &BTreeSet<u64> {
        static NONE: BTreeSet<u64> = BTreeSet::new();
        self.world.items().unwrap_or(&NONE)
    }

    /// The zone that owns the character, or is being entered.
    pub fn zone(&self) -> Option<ZoneId> {
        self.world.owner()
    }

    /// The zones that are connected, the owner among them.
    pub fn connected_zones(&self) -> impl Iterator<Item = ZoneId> + '_ {
        self.world.zones().open()
    }

    /// Counters and gauges.
    pub fn stats(&self, now: Instant) -> ClientStats {
        let (traffic, counters) = (self.traffic, self.world.counters());
        let (snapshots, snapshot_errors, malformed) = self.world.received();
        let zone = self.world.owner().and_then(|owner| self.world.zones().stats(owner));
        let play = self.world.play();
        ClientStats {
            bytes_in: traffic.bytes_in,
            bytes_out: traffic.bytes_out,
            datagrams_in: traffic.datagrams_in,
            datagrams_out: traffic.datagrams_out,
            datagrams_dropped: traffic.dropped,
            zone_rtt: zone.map_or_else(Default::default, |stats| stats.rtt),
            corrections: counters.corrections,
            correction_max: counters.correction_max,
            reconciled: counters.reconciled,
            overrides: counters.overrides,
            resyncs: counters.resyncs,
            crossings: self.world.crossings(),
            epoch: play.map_or(0, |play| play.epoch()),
            starved: play.map_or(0, |play| play.starved()),
            lead_ms: play.map_or(0.0, |play| play.lead(now).as_secs_f32() * 1e3),
            margin_ms: play.map_or(0.0, |play| play.margin() as f32 / 1e3),
            inputs_unconsumed: play.map_or(0, |play| play.unconsumed()),
            inputs: counters.inputs,
            snapshots,
            snapshot_errors,
            malformed,
            requests: self.lobby.sent(),
            requests_open: self.lobby.waiting(),
            events_dropped: traffic.events_dropped,
        }
    }
}
