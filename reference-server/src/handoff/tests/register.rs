//! A model of the ownership register: the rules of `persistence`, and nothing of its SQL.

use std::collections::BTreeMap;

use crate::ids::{CharacterId, Epoch, Incarnation, Owner, ZoneId};

/// Rows, and which life of each zone is the present one.
#[derive(Debug, Default)]
pub(super) struct Register {
    rows: BTreeMap<CharacterId, Owner>,
    present: BTreeMap<ZoneId, Incarnation>,
    /// The highest epoch that each character ever had.
    highest: BTreeMap<CharacterId, Epoch>,
}

impl Register {
    pub(super) fn start_zone(&mut self, zone: ZoneId) -> Incarnation {
        let present = self.present.entry(zone).or_default();
        present.0 += 1;
        *present
    }

    pub(super) fn row(&self, character: CharacterId) -> Option<Owner> {
        self.rows.get(&character).copied()
    }

    /// Whether the row names the present life of its zone.
    pub(super) fn is_alive(&self, owner: Owner) -> bool {
        self.present.get(&owner.zone) == Some(&owner.incarnation)
    }

    pub(super) fn claim(
        &mut self,
        character: CharacterId,
        zone: ZoneId,
        incarnation: Incarnation,
    ) -> Option<Owner> {
        let is_superseded = self.present.get(&zone) != Some(&incarnation);
        let is_taken =
            self.row(character).is_some_and(|row| self.is_alive(row) && row.zone != zone);
        if is_superseded || is_taken {
            return None;
        }
        Some(self.write(character, zone, incarnation))
    }

    pub(super) fn transfer(
        &mut self,
        character: CharacterId,
        from: Owner,
        to: ZoneId,
        incarnation: Incarnation,
    ) -> Option<Owner> {
        let holds = self.row(character) == Some(from) && self.is_alive(from);
        if !holds || self.present.get(&to) != Some(&incarnation) {
            return None;
        }
        Some(self.write(character, to, incarnation))
    }

    pub(super) fn release(&mut self, character: CharacterId, owner: Owner) {
        if self.row(character) == Some(owner) && self.is_alive(owner) {
            self.rows.remove(&character);
        }
    }

    fn write(&mut self, character: CharacterId, zone: ZoneId, incarnation: Incarnation) -> Owner {
        let highest = self.highest.entry(character).or_default();
        highest.0 += 1;
        let owner = Owner { zone, incarnation, epoch: *highest };
        self.rows.insert(character, owner);
        owner
    }
}
