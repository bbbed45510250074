//! What clients say.

use netcode::endpoint::ConnectionHandle;
use netcode::time::Instant;
use netcode::wire::CloseCode;
use prost::Message;
use shardline_protocol::game::Game;
use shardline_protocol::play::{CHANNEL_CONTROL, CHANNEL_INPUT, decode_inputs};
use shardline_protocol::zone::{ToZone, to_zone};

use crate::ids::{CharacterId, ItemId, TradeId};
use crate::world::zone::Zone;

impl<G: Game> Zone<G> {
    /// A message that breaks the form ends its connection: netcode delivers what was sent, so its
    /// sender is broken or hostile.
    pub(super) fn on_message(
        &mut self,
        now: Instant,
        connection: ConnectionHandle,
        channel: u8,
        payload: &[u8],
    ) {
        let Some(&character) = self.by_connection.get(&connection) else { return };
        let is_well_formed = match channel {
            CHANNEL_INPUT => self.on_inputs(now, character, payload),
            CHANNEL_CONTROL => self.on_request(character, payload),
            _ => false,
        };
        if !is_well_formed {
            self.violations += 1;
            self.close_link(character, CloseCode::Kicked);
            match self.characters.get_mut(&character) {
                Some(owned) => owned.alone_since = Some(self.tick),
                None => self.outputs.push_back(super::Output::AheadLost { character }),
            }
        }
    }

    fn on_inputs(&mut self, now: Instant, id: CharacterId, payload: &[u8]) -> bool {
        let Ok(inputs) = decode_inputs(&self.game, payload) else { return false };
        let Some(link) = self.links.get_mut(&id) else { return true };
        if let Some(&(newest, _)) = inputs.last()
            && newest > link.newest_input
        {
            link.newest_input = newest;
            let starts_at = self.rate.starts_at(newest, self.config.epoch);
            link.margin.on_arrival(newest, now, starts_at);
        }
        let mut owned = self.characters.get_mut(&id);
        for (tick, input) in inputs {
            match &mut owned {
                Some(owned) => {
                    let _ = owned.queue.insert(tick, input);
                }
                None => link.keep_ahead(self.tick, tick, input),
            }
        }
        true
    }

    fn on_request(&mut self, id: CharacterId, payload: &[u8]) -> bool {
        let Ok(ToZone { body: Some(body) }) = ToZone::decode(payload) else { return false };
        match body {
            to_zone::Body::PickUp(pick_up) => self.on_pick_up(id, ItemId(pick_up.item)),
            to_zone::Body::Drop(drop) => self.on_drop(id, ItemId(drop.item)),
            to_zone::Body::ProposeTrade(propose) => self.on_propose(id, &propose),
            to_zone::Body::AcceptTrade(accept) => self.on_accept(id, TradeId(accept.trade)),
            to_zone::Body::DeclineTrade(decline) => self.on_decline(id, TradeId(decline.trade)),
            to_zone::Body::Leave(_) => {
                if let Some(owned) = self.characters.get_mut(&id) {
                    // Released at the end of the tick, or when the ledger has answered for its
                    // items.
                    owned.is_leaving = true;
                }
            }
        }
        true
    }
}
