//! Which zone a character enters by, and its token.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use netcode::crypto::PublicKey;
use netcode::driver::Clock;
use netcode::entropy::Entropy;
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::game::Game;

use crate::access::{Door, Guest, Purpose};
use crate::ids::{Incarnation, ZoneId};
use crate::persistence::{CharacterRow, Ledger, LedgerError};
use crate::world::Layout;

/// Knows every zone's door. Cloned freely.
#[derive(Clone, Debug)]
pub(crate) struct Directory<G> {
    pub(crate) game: G,
    pub(crate) layout: Layout,
    pub(crate) doors: Arc<BTreeMap<ZoneId, (Door, Incarnation)>>,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Clock,
    pub(crate) entropy: Arc<Mutex<Entropy>>,
}

impl<G: Game> Directory<G> {
    /// The way into the world for a guest: to the zone that owns the character, or to the one in
    /// which it last stood, or for a new one to a zone of its own.
    ///
    /// # Errors
    ///
    /// What the ledger says; `Ok(None)` if there is no such character.
    pub(crate) async fn enter(&self, guest: &Guest) -> Result<Option<ZoneAccess>, LedgerError> {
        let Some(row) = self.ledger.character(guest.character).await? else { return Ok(None) };
        let Some((door, _)) = self.doors.get(&self.zone_of(&row)) else { return Ok(None) };
        let unix_ms = self.clock.unix_ms_at_epoch() + self.clock.now().as_nanos() / 1_000_000;
        let mut entropy = self.entropy.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(door.admit(guest, Purpose::Enter, unix_ms / 1_000, &mut entropy)))
    }

    fn zone_of(&self, row: &CharacterRow) -> ZoneId {
        let lives = |owner: &&crate::ids::Owner| {
            self.doors.get(&owner.zone).is_some_and(|(_, life)| *life == owner.incarnation)
        };
        if let Some(owner) = row.owner.as_ref().filter(lives) {
            return owner.zone;
        }
        let stored = row.state.as_ref();
        let stored = stored.and_then(|it| self.game.decode_character(&mut it.as_slice()).ok());
        match stored {
            Some(state) => self.layout.zone_at(self.game.position(&state)),
            None => {
                // Newcomers are spread evenly.
                let zones = u64::from(self.layout.rows() * self.layout.cols());
                ZoneId((row.character.0 % zones) as u32)
            }
        }
    }
}

/// The guest of a request to enter.
pub(crate) fn guest(
    account: crate::ids::AccountId,
    character: crate::ids::CharacterId,
    client_public: [u8; 32],
) -> Guest {
    Guest { account, character, client_public: PublicKey(client_public) }
}
