//! The border: who comes near it, who crosses it, and what the other side sees.

use std::sync::Arc;

use netcode::snapshot::{EntityId, EntityState};
use netcode::tick::Tick;
use netcode::wire::CloseCode;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::game::Game;
use shardline_protocol::zone::{Crossed, Offer, OfferWithdrawn, to_client};

use crate::ids::{CharacterId, Epoch, ZoneId};
use crate::world::Output;
use crate::world::entity::{Phase, Readiness};
use crate::world::scene::{Kind, Seen, character_entity};
use crate::world::zone::Zone;

/// Beyond the strip by this much, in world units, a border is no longer near.
const STRIP_HYSTERESIS: f32 = 4.0;
/// How long a character that went over is shown here, if its new zone does not tell of it.
const DEPARTED_TICKS: u64 = 6;
/// How long a neighbour is believed that tells nothing more: it tells every tick.
const GHOSTS_TICKS: u64 = 30;
/// How long attacks are passed on to where a character went: ten seconds at 30 Hz.
const MOVED_TICKS: u64 = 300;

impl<G: Game> Zone<G> {
    /// Finds who comes near a border, goes away from one, or crosses one.
    pub(super) fn cross_borders(&mut self) {
        let ids: Vec<_> = self.characters.keys().copied().collect();
        for id in ids {
            self.watch_borders(id);
            self.cross(id);
        }
    }

    fn watch_borders(&mut self, id: CharacterId) {
        let Some(character) = self.characters.get_mut(&id) else { return };
        if character.phase != Phase::Owned {
            return;
        }
        let at = self.game.position(&character.state);
        let mut gone = Vec::new();
        for to in self.config.layout.zones().filter(|&to| to != self.config.id) {
            let distance = self.config.layout.distance(to, at);
            let is_near = character.near.contains_key(&to);
            if !is_near && distance < self.config.strip && self.links.contains_key(&id) {
                character.near.insert(to, Readiness::Asked);
                let (account, client_public) = (character.account, character.client_public);
                self.outputs.push_back(Output::Near { character: id, account, client_public, to });
            } else if is_near && distance > self.config.strip + STRIP_HYSTERESIS {
                character.near.remove(&to);
                gone.push(to);
            }
        }
        for to in gone {
            self.outputs.push_back(Output::Away { character: id, to });
            let withdrawn = OfferWithdrawn { zone_id: to.0 };
            self.tell(id, to_client::Body::OfferWithdrawn(withdrawn));
        }
    }

    /// Freezes a character that has crossed the line, and hands it to the handoff.
    fn cross(&mut self, id: CharacterId) {
        let Some(character) = self.characters.get_mut(&id) else { return };
        let at = self.game.position(&character.state);
        let to = self.config.layout.zone_at(at);
        let has_dwelt =
            self.tick.saturating_since(character.owned_since) >= u64::from(self.rate.hz());
        let may_cross = character.phase == Phase::Owned
            && to != self.config.id
            && self.config.layout.distance(self.config.id, at) >= self.config.hysteresis
            && character.near.get(&to) == Some(&Readiness::Ready)
            && character.moves_open == 0
            && has_dwelt
            && !self.is_draining;
        if may_cross {
            character.phase = Phase::Frozen;
            let image = Box::new(character.image(&self.game, id));
            self.outputs.push_back(Output::Cross { to, image });
        }
    }

    pub(super) fn on_ready(&mut self, id: CharacterId, to: ZoneId) {
        self.set_readiness(id, to, Readiness::Ready);
    }

    pub(super) fn on_not_ready(&mut self, id: CharacterId, to: ZoneId) {
        self.set_readiness(id, to, Readiness::Asked);
    }

    fn set_readiness(&mut self, id: CharacterId, to: ZoneId, value: Readiness) {
        let character = self.characters.get_mut(&id);
        if let Some(readiness) = character.and_then(|character| character.near.get_mut(&to)) {
            *readiness = value;
        }
    }

    pub(super) fn on_offer(&mut self, id: CharacterId, access: ZoneAccess) {
        if self.characters.contains_key(&id) {
            self.tell(id, to_client::Body::Offer(Offer { access: Some(access) }));
        }
    }

    /// The register names the target: here, the character is a ghost.
    pub(super) fn on_committed(&mut self, id: CharacterId, to: ZoneId, epoch: Epoch) {
        let Some(character) = self.characters.remove(&id) else { return };
        let entity = character_entity(id);
        let ghost = Seen {
            id: entity,
            at: self.game.position(&character.state),
            state: self.game.observe_character(&character.state),
            kind: Kind::Ghost(to),
        };
        self.departed.insert(entity, (ghost, self.tick + DEPARTED_TICKS));
        self.moved.insert(id, (to, self.tick));
        match self.links.get_mut(&id) {
            Some(link) => link.reset_snapshots(Arc::clone(&self.schema)),
            None => self.outputs.push_back(Output::AheadLost { character: id }),
        }
        let tick = self.tick.get();
        self.tell(id, to_client::Body::Crossed(Crossed { zone_id: to.0, epoch: epoch.0, tick }));
    }

    /// The crossing is off: catch up, and go on.
    pub(super) fn on_resume(&mut self, id: CharacterId, epoch: Epoch) {
        let Some(mut character) = self.characters.remove(&id) else { return };
        character.epoch = epoch;
        character.phase = Phase::Owned;
        character.owned_since = self.tick;
        self.catch_up(id, character);
    }

    /// Another zone acts for the character, or nobody does: what is held here is history.
    pub(super) fn on_lost(&mut self, id: CharacterId) {
        if self.characters.remove(&id).is_some() {
            self.outputs.push_back(Output::Left { character: id });
            self.close_link(id, CloseCode::Moved);
        }
    }

    /// A connection ahead is of no more use; one to a character of ours is.
    pub(super) fn on_forget(&mut self, id: CharacterId) {
        if !self.characters.contains_key(&id) && !self.claiming.contains_key(&id) {
            self.close_link(id, CloseCode::Moved);
        }
    }

    pub(super) fn on_ghosts(&mut self, zone: ZoneId, entities: &[(EntityId, EntityState)]) {
        let seen = entities.iter().map(|&(id, state)| Seen {
            id,
            at: self.game.observed_position(&state),
            state,
            kind: if super::scene::entity_character(id).is_some() {
                Kind::Ghost(zone)
            } else {
                Kind::Item
            },
        });
        let seen: Vec<_> = seen.collect();
        for ghost in &seen {
            self.departed.remove(&ghost.id);
        }
        self.ghosts.insert(zone, (seen, self.tick + GHOSTS_TICKS));
    }

    pub(super) fn forget_departed(&mut self) {
        let now = self.tick;
        self.departed.retain(|_, (_, until)| now < *until);
        self.ghosts.retain(|_, (_, until)| now < *until);
        self.moved.retain(|_, (_, since): &mut (ZoneId, Tick)| {
            now.saturating_since(*since) < MOVED_TICKS
        });
    }

    /// Tells every other zone what its clients could see on this side.
    pub(super) fn tell_neighbours(&mut self) {
        for to in self.config.layout.zones().filter(|&to| to != self.config.id) {
            let is_seen = |seen: &&Seen| {
                let is_own = match seen.kind {
                    Kind::Own => true,
                    Kind::Item => self.ground.contains_key(&crate::ids::ItemId(
                        seen.id.0 & !shardline_protocol::play::ITEM_ENTITY_BIT,
                    )),
                    Kind::Ghost(_) => false,
                };
                is_own && self.config.layout.distance(to, seen.at) < self.config.interest_radius
            };
            let seen = self.scene.entities().iter().filter(is_seen);
            let entities: Vec<_> = seen.map(|seen| (seen.id, seen.state)).collect();
            // Told once more when there is nothing left, so that the other side forgets.
            let is_news = !entities.is_empty() || self.ghosts_told.contains(&to);
            if entities.is_empty() {
                self.ghosts_told.remove(&to);
            } else {
                self.ghosts_told.insert(to);
            }
            if is_news {
                self.outputs.push_back(Output::Ghosts { to, tick: self.tick, entities });
            }
        }
    }
}
