//! How strong a player is, and how sure we are: the numbers of Glicko-2.

/// A player's strength. [`Default`] is a player of whom nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// The estimate; 1500 is average.
    pub value: f64,
    /// Half the width of the 68 % interval around it.
    pub deviation: f64,
    /// How much the true strength moves from match to match.
    pub volatility: f64,
}

impl Default for Rating {
    fn default() -> Self {
        Self { value: 1500.0, deviation: 350.0, volatility: 0.06 }
    }
}
