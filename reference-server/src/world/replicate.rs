//! What each client is told of a tick.

use bytes::Bytes;
use netcode::snapshot::Candidate;
use shardline_protocol::game::Game;
use shardline_protocol::play::{CHANNEL_SNAPSHOT, Own, SnapshotHeader};

use crate::ids::CharacterId;
use crate::world::Transport;
use crate::world::entity::Phase;
use crate::world::scene::character_entity;
use crate::world::zone::Zone;

/// Below this many bytes of budget a snapshot is not worth its packet.
const SNAPSHOT_BYTES_MIN: usize = 96;

impl<G: Game> Zone<G> {
    /// Sends every client whose character is ours what it should know, in one datagram each.
    pub(super) fn replicate(&mut self, transport: &mut impl Transport) {
        let clients: Vec<CharacterId> = self
            .characters
            .iter()
            // One that came from a zone that is ahead waits until this one has run its tick.
            .filter(|(_, one)| one.phase == Phase::Owned && one.tick == self.tick)
            .filter(|(id, _)| self.links.contains_key(id))
            .map(|(id, _)| *id)
            .collect();
        for id in clients {
            self.replicate_to(id, transport);
        }
    }

    fn replicate_to(&mut self, id: CharacterId, transport: &mut impl Transport) {
        let (Some(character), Some(link)) = (self.characters.get(&id), self.links.get_mut(&id))
        else {
            return;
        };
        let budget = transport.budget(link.connection).min(self.config.snapshot_bytes_max);
        if budget < SNAPSHOT_BYTES_MIN {
            return;
        }
        let own = Own {
            epoch: character.epoch.0,
            override_epoch: character.override_epoch,
            consumed: character.tick,
            starved: character.queue.starved(),
            margin_us: link.margin.value_us(),
            character: character.state.clone(),
        };
        let mut message = Vec::with_capacity(budget);
        SnapshotHeader { tick: self.tick, own: Some(own) }.encode(&self.game, &mut message);

        let at = self.game.position(&character.state);
        self.found.clear();
        self.scene.query(at, self.config.interest_radius, &mut self.found);
        let itself = character_entity(id);
        let candidates: Vec<_> = self
            .found
            .iter()
            .map(|&(index, distance)| (self.scene.get(index), distance))
            .filter(|(seen, _)| seen.id != itself)
            // Who is near matters more: an entity at arm's length goes out ten times as often as
            // one at the edge of sight, when not all fit.
            .map(|(seen, distance)| Candidate {
                id: seen.id,
                state: &seen.state,
                priority: 1.0 / (1.0 + distance),
            })
            .collect();
        let room = budget.saturating_sub(message.len());
        link.encoder.encode(self.tick, &candidates, room, &mut message);
        let sent = transport.send(link.connection, CHANNEL_SNAPSHOT, Bytes::from(message));
        if let Ok(sent) = sent {
            link.on_sent(sent, self.tick);
        }
    }
}
