//! One player's character, in integers.
//!
//! # Invariants
//!
//! - Every value of this type can be encoded, and decodes to itself: a position is inside its
//!   world, health is above zero, cooldowns are within their bounds, and what has no meaning
//!   (the direction of a dash that is over) is zero.
//! - Nothing outside this crate can make one that is not so.

use shardline_protocol::game::Point;

use crate::angle::Angle;

/// Health of a new character, and the most there is.
pub const HEALTH_MAX: u8 = 100;

/// Units of a position to the metre. A power of two: positions are exact as `f32`.
pub(crate) const UNITS_PER_METRE: u32 = 256;

/// A place in the world, in 1/256 m from its origin. Both parts are at most the world's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) x: u32,
    pub(crate) y: u32,
}

impl Place {
    pub(crate) fn point(self) -> Point {
        [self.x, self.y].map(|units| units as f32 / UNITS_PER_METRE as f32)
    }

    /// The place so far from this one, or the nearest that is inside `world`.
    pub(crate) fn moved(self, (dx, dy): (i64, i64), world: Self) -> Self {
        let part = |from: u32, by: i64, limit: u32| (i64::from(from) + by).clamp(0, limit.into());
        Self { x: part(self.x, dx, world.x) as u32, y: part(self.y, dy, world.y) as u32 }
    }

    pub(crate) fn is_inside(self, world: Self) -> bool {
        self.x <= world.x && self.y <= world.y
    }

    /// From `other` to this place.
    pub(crate) fn minus(self, other: Self) -> (i64, i64) {
        (i64::from(self.x) - i64::from(other.x), i64::from(self.y) - i64::from(other.y))
    }
}

/// A dash under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Dash {
    /// In 1/256 turn or finer.
    pub(crate) heading: Angle,
    /// From 1 to the length of a dash.
    pub(crate) ticks_left: u8,
}

/// The state of one player's character. What it owns is not here: items are in the ledger.
///
/// ```
/// use reference_game::{Input, ReferenceGame};
/// use shardline_protocol::Game;
/// use netcode::tick::Tick;
///
/// let game = ReferenceGame::new(384.0, 384.0)?;
/// let mut character = game.spawn([10.0, 10.0]);
/// game.step(&mut character, &Input { walk: Some(0), ..Input::default() }, Tick::ZERO);
/// assert!(game.position(&character)[0] > 10.0);
/// assert_eq!(character.health(), 100);
/// # Ok::<(), reference_game::WorldSizeError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Character {
    pub(crate) place: Place,
    pub(crate) facing: Angle,
    /// From 1 to [`HEALTH_MAX`].
    pub(crate) health: u8,
    pub(crate) dash: Option<Dash>,
    /// Ticks until the next dash.
    pub(crate) dash_cooldown: u8,
    /// Ticks until the next attack.
    pub(crate) attack_cooldown: u8,
}

impl Character {
    pub(crate) fn new(place: Place) -> Self {
        Self {
            place,
            facing: Angle::default(),
            health: HEALTH_MAX,
            dash: None,
            dash_cooldown: 0,
            attack_cooldown: 0,
        }
    }

    /// Where the character stands, in metres.
    pub fn position(&self) -> Point {
        self.place.point()
    }

    /// Where the character looks.
    pub fn facing(&self) -> Angle {
        self.facing
    }

    /// From 1 to [`HEALTH_MAX`].
    pub fn health(&self) -> u8 {
        self.health
    }

    /// Whether a dash is under way.
    pub fn is_dashing(&self) -> bool {
        self.dash.is_some()
    }

    /// Whether a dash could start in the next tick.
    pub fn can_dash(&self) -> bool {
        self.dash_cooldown <= 1 && self.dash.is_none()
    }

    /// Whether an attack could start in the next tick.
    pub fn can_attack(&self) -> bool {
        self.attack_cooldown <= 1
    }
}
