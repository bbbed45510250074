//! What there is to see in a zone at one tick: quantised once, for every client alike.

use netcode::snapshot::{EntityId, EntityState};
use shardline_protocol::game::Point;
use shardline_protocol::play::ITEM_ENTITY_BIT;

use crate::ids::{CharacterId, ItemId, ZoneId};
use crate::world::interest::Grid;

/// Whose an entity is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Item,
    Own,
    /// A character of another zone.
    Ghost(ZoneId),
}

/// One entity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) id: EntityId,
    pub(super) at: Point,
    pub(super) state: EntityState,
    pub(super) kind: Kind,
}

/// All entities, in order of their ids, and the grid over them.
#[derive(Debug)]
pub(super) struct Scene {
    entities: Vec<Seen>,
    grid: Grid,
}

impl Scene {
    pub(super) fn new(grid: Grid) -> Self {
        Self { entities: Vec::new(), grid }
    }

    /// Replaces everything. Of two entities with one id, the first that was given stays: give what
    /// the zone owns before what others say.
    pub(super) fn rebuild(&mut self, entities: impl Iterator<Item = Seen>) {
        self.entities.clear();
        self.entities.extend(entities);
        self.entities.sort_by_key(|seen| seen.id);
        self.entities.dedup_by_key(|seen| seen.id);
        self.grid.rebuild(self.entities.iter().map(|seen| seen.at));
    }

    pub(super) fn entities(&self) -> &[Seen] {
        &self.entities
    }

    /// Appends what is within `radius` of `at`: index and distance, in order of the ids.
    pub(super) fn query(&self, at: Point, radius: f32, found: &mut Vec<(u32, f32)>) {
        self.grid.query(at, radius, found);
    }

    pub(super) fn get(&self, index: u32) -> &Seen {
        &self.entities[index as usize]
    }
}

/// The name of a character in snapshots.
pub(super) fn character_entity(character: CharacterId) -> EntityId {
    EntityId(character.0)
}

/// The character that a snapshot names; `None` for an item.
pub(super) fn entity_character(entity: EntityId) -> Option<CharacterId> {
    (entity.0 & ITEM_ENTITY_BIT == 0).then_some(CharacterId(entity.0))
}

/// The name of an item in snapshots.
pub(super) fn item_entity(item: ItemId) -> EntityId {
    EntityId(item.0 | ITEM_ENTITY_BIT)
}
