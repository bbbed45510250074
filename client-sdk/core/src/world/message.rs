//! What zones say.

use bytes::Bytes;
use netcode::tick::Tick;
use netcode::time::Instant;
use prost::Message as _;
use shardline_protocol::game::Game;
use shardline_protocol::play::{CHANNEL_CONTROL, CHANNEL_SNAPSHOT, SnapshotHeader};
use shardline_protocol::zone::{Crossed, ItemMoved, ToClient, Welcome, to_client};

use crate::error::DisconnectReason;
use crate::event::ZoneId;
use crate::play::Seen;
use crate::world::{Phase, World, WorldEvent};
use crate::zones::ZoneEvent;

/// Items that are remembered; a character that holds more is shown without the rest.
const ITEMS_MAX: usize = 4096;

impl<G: Game> World<G> {
    /// Takes in everything that the connections have to tell.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Some((zone, event)) = self.zones.poll_event() {
            match event {
                ZoneEvent::Connected => {
                    if let Some(stay) = &mut self.stay {
                        stay.replica.on_connected(zone);
                    }
                }
                ZoneEvent::Message { channel, payload } => match channel.0 {
                    CHANNEL_CONTROL => self.on_control(now, zone, payload),
                    CHANNEL_SNAPSHOT => self.on_snapshot(now, zone, &payload),
                    _ => self.malformed += 1,
                },
                ZoneEvent::Closed(error) => self.on_closed(now, zone, error),
            }
        }
    }

    fn on_control(&mut self, now: Instant, zone: ZoneId, payload: Bytes) {
        let Ok(message) = ToClient::decode(payload) else {
            self.malformed += 1;
            return;
        };
        match message.body {
            Some(to_client::Body::Welcome(welcome)) => self.on_welcome(now, zone, &welcome),
            Some(to_client::Body::Offer(offer)) => {
                // One that is not usable is no loss: the owner lets nobody cross unconnected.
                let access = offer.access.unwrap_or_default();
                if !self.connect(now, &access) {
                    self.malformed += 1;
                }
            }
            Some(to_client::Body::OfferWithdrawn(withdrawn)) => {
                let offered = ZoneId(withdrawn.zone_id);
                let is_owner = self.stay.as_ref().is_none_or(|stay| stay.owner == offered);
                if !is_owner && offered != zone {
                    self.zones.close(now, offered);
                    if let Some(stay) = &mut self.stay {
                        stay.replica.on_closed(now, offered);
                    }
                }
            }
            Some(to_client::Body::Crossed(crossed)) => self.on_crossed(now, zone, &crossed),
            Some(to_client::Body::ItemMoved(moved)) => {
                self.on_item_moved(&moved);
                self.tell(to_client::Body::ItemMoved(moved));
            }
            Some(body) => self.tell(body),
            // Of a later version.
            None => {}
        }
    }

    fn tell(&mut self, body: to_client::Body) {
        if self.playing_mut().is_some() {
            self.events.push_back(WorldEvent::Message(body));
        }
    }

    fn on_welcome(&mut self, now: Instant, zone: ZoneId, welcome: &Welcome) {
        let rtt = self.zones.stats(zone).map_or_else(Default::default, |stats| stats.rtt);
        let hz = u32::from(self.game.tick_rate().hz());
        let Some(stay) = &mut self.stay else { return };
        if welcome.tick_hz != hz {
            if zone == stay.owner {
                self.end(now, Some(DisconnectReason::Incompatible));
            } else {
                self.zones.close(now, zone);
            }
            return;
        }
        if zone != stay.owner {
            return;
        }
        if !stay.is_welcome {
            stay.is_welcome = true;
            stay.play.on_server_tick(now, Tick::new(welcome.tick), welcome.tick_micros, rtt);
            stay.items = welcome.items.iter().copied().take(ITEMS_MAX).collect();
        }
    }

    fn on_crossed(&mut self, now: Instant, zone: ZoneId, crossed: &Crossed) {
        let Some(stay) = &mut self.stay else { return };
        let is_news = zone == stay.owner && crossed.epoch > stay.play.epoch();
        if is_news && stay.phase == Phase::Playing {
            stay.phase = Phase::Crossing(None);
            stay.deadline = Some(now + self.timing.crossing);
            self.events.push_back(WorldEvent::Crossing);
        }
    }

    fn on_item_moved(&mut self, moved: &ItemMoved) {
        let Some(stay) = &mut self.stay else { return };
        if moved.to_character == stay.character_id {
            if stay.items.len() < ITEMS_MAX {
                stay.items.insert(moved.item);
            }
        } else if moved.from_character == stay.character_id {
            stay.items.remove(&moved.item);
        }
    }

    fn on_snapshot(&mut self, now: Instant, zone: ZoneId, payload: &[u8]) {
        self.snapshots += 1;
        let mut bytes = payload;
        let Ok(header) = SnapshotHeader::decode(&self.game, &mut bytes) else {
            self.snapshot_errors += 1;
            return;
        };
        let rtt = self.zones.stats(zone).map_or_else(Default::default, |stats| stats.rtt);
        let Some(stay) = &mut self.stay else { return };
        // Even one that comes too early to be shown: the zone takes it for a baseline.
        if !stay.replica.on_snapshot(now, zone, header.tick, bytes) {
            self.snapshot_errors += 1;
        }
        let Some(own) = header.own else { return };
        // The first zone says by its welcome what the character holds; it is shown with that.
        if matches!(stay.phase, Phase::Asked | Phase::Leaving) || !stay.is_welcome {
            return;
        }
        if let Seen::Shown { is_new_epoch, is_overridden } =
            stay.play.on_own(now, header.tick, own, rtt)
        {
            self.on_shown(now, zone, is_new_epoch, is_overridden);
        }
    }

    /// The owner has shown the character.
    fn on_shown(&mut self, now: Instant, zone: ZoneId, is_new_epoch: bool, is_overridden: bool) {
        let Some(stay) = &mut self.stay else { return };
        let epoch = stay.play.epoch();
        let from = stay.owner;
        match stay.phase {
            Phase::Joining => {
                (stay.owner, stay.phase, stay.deadline) = (zone, Phase::Playing, None);
                stay.replica.follow(now, zone);
                let (request, character_id) = (stay.request, stay.character_id);
                self.events.push_back(WorldEvent::Joined { request, zone, character_id });
            }
            Phase::Playing | Phase::Crossing(_) if is_new_epoch && zone != from => {
                (stay.owner, stay.phase, stay.deadline) = (zone, Phase::Playing, None);
                stay.replica.follow(now, zone);
                self.zones.on_crossed(now, from, zone);
                self.crossings += 1;
                self.events.push_back(WorldEvent::Crossed { from, to: zone, epoch });
            }
            // The handoff was called off: the owner before has a new epoch.
            Phase::Crossing(_) if is_new_epoch => {
                (stay.phase, stay.deadline) = (Phase::Playing, None);
                self.events.push_back(WorldEvent::Stayed);
            }
            _ => {}
        }
        if is_overridden {
            let override_epoch = stay.play.override_epoch();
            self.events.push_back(WorldEvent::Overridden { override_epoch });
        }
    }
}
