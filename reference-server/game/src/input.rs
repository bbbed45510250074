//! What a player wants in one tick.

use crate::angle::Angle;

/// What a player wants in one tick. The default is to stand still.
///
/// Directions exist only where they mean something, so that inputs that do the same are equal, and
/// a player who holds a key sends runs of one input.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Input {
    /// Where to walk, in 256 steps of a turn; `None` is to stand.
    pub walk: Option<u8>,
    /// Start a dash, if it is ready: where the player walks, or else where the character looks.
    pub dash: bool,
    /// Attack in this direction, if it is ready.
    pub attack: Option<Angle>,
}

impl Input {
    /// The direction of [`walk`](Self::walk).
    pub(crate) fn heading(&self) -> Option<Angle> {
        self.walk.map(|step| Angle(u16::from(step) << 8))
    }

    /// The nearest of the directions that a player can walk in.
    pub fn walk_toward(angle: Angle) -> u8 {
        (angle.0.wrapping_add(0x80) >> 8) as u8
    }
}
