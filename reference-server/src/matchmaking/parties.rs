//! Players who queue together.

use std::collections::BTreeMap;

use netcode::entropy::Entropy;

use crate::ids::{CharacterId, PartyId};

/// Ids are drawn from this many: who is not told one cannot guess it, and so cannot join. Numbers
/// up to this one survive JSON.
const IDS: u64 = 1 << 53;

/// All parties. None is empty; nobody is in two.
#[derive(Debug, Default)]
pub struct Parties {
    /// Members in the order in which they joined: the first leads.
    members: BTreeMap<PartyId, Vec<CharacterId>>,
}

impl Parties {
    /// A new party of one.
    pub fn create(&mut self, leader: CharacterId, entropy: &mut Entropy) -> PartyId {
        let id = draw_id(entropy, |id| self.members.contains_key(&PartyId(id)));
        self.members.insert(PartyId(id), vec![leader]);
        PartyId(id)
    }

    /// The members, the leader first; none for a party that does not exist.
    pub fn members(&self, party: PartyId) -> &[CharacterId] {
        self.members.get(&party).map_or(&[], Vec::as_slice)
    }

    /// Adds a member to a party that exists.
    pub fn join(&mut self, party: PartyId, character: CharacterId) {
        if let Some(members) = self.members.get_mut(&party) {
            members.push(character);
        }
    }

    /// Takes a member out. A party without members is forgotten.
    pub fn leave(&mut self, party: PartyId, character: CharacterId) {
        if let Some(members) = self.members.get_mut(&party) {
            members.retain(|member| *member != character);
            if members.is_empty() {
                self.members.remove(&party);
            }
        }
    }
}

/// A fresh id: not zero, not taken, not to be guessed.
pub(super) fn draw_id(entropy: &mut Entropy, is_taken: impl Fn(u64) -> bool) -> u64 {
    loop {
        let id = entropy.next_u64() % IDS;
        if id != 0 && !is_taken(id) {
            return id;
        }
    }
}
