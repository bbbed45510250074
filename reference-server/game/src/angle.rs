//! Directions in whole steps of a turn, and their sines in integers.
//!
//! The same bits on every machine: no operation here rounds by the platform's mathematics library
//! except [`Angle::toward`], which only players and bots use to aim.

use core::f64::consts::TAU;

/// A direction: 65,536 steps to the full turn, from the x axis towards the y axis.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Angle(pub u16);

/// Sines and cosines are in units of `1 / UNIT`.
pub(crate) const UNIT: i64 = 1 << 14;

/// Steps of the table in a quarter turn; between them, sines are interpolated.
const QUARTER: usize = 64;
/// The sines of a quarter turn, both ends included.
const SINES: [i64; QUARTER + 1] = sines();

impl Angle {
    /// The direction of the vector, or `None` for one without length.
    ///
    /// ```
    /// use reference_game::angle::Angle;
    ///
    /// assert_eq!(Angle::toward([1.0, 0.0]), Some(Angle(0)));
    /// assert_eq!(Angle::toward([0.0, 3.0]), Some(Angle(0x4000)));
    /// assert_eq!(Angle::toward([0.0, 0.0]), None);
    /// ```
    pub fn toward([x, y]: [f32; 2]) -> Option<Self> {
        if !(x.is_finite() && y.is_finite()) || (x == 0.0 && y == 0.0) {
            return None;
        }
        let turns = f64::from(y).atan2(f64::from(x)) / TAU;
        Some(Self((turns * 65_536.0).round() as i64 as u16))
    }

    /// In radians, from 0 to a full turn.
    pub fn radians(self) -> f32 {
        (f64::from(self.0) * TAU / 65_536.0) as f32
    }

    /// Cosine and sine, in units of `1 / UNIT`.
    pub(crate) fn vector(self) -> (i64, i64) {
        (sine(self.0.wrapping_add(0x4000)), sine(self.0))
    }
}

fn sine(angle: u16) -> i64 {
    let within = usize::from(angle & 0x3fff);
    match angle >> 14 {
        0 => quarter(within),
        1 => quarter(0x4000 - within),
        2 => -quarter(within),
        _ => -quarter(0x4000 - within),
    }
}

/// The sine of an angle in the first quarter turn, its end included.
fn quarter(angle: usize) -> i64 {
    let (index, fraction) = (angle >> 8, (angle & 0xff) as i64);
    let low = SINES[index];
    let high = SINES[(index + 1).min(QUARTER)];
    low + (((high - low) * fraction + 128) >> 8)
}

/// Taylor's series, evaluated by the compiler: additions and products of `f64` are exact in the
/// same way everywhere.
const fn sines() -> [i64; QUARTER + 1] {
    let mut table = [0; QUARTER + 1];
    let mut index = 0;
    while index <= QUARTER {
        let x = index as f64 * (TAU / 4.0) / QUARTER as f64;
        let mut term = x;
        let mut sum = x;
        let mut power = 1;
        while power < 21 {
            term = -term * x * x / ((power + 1) * (power + 2)) as f64;
            sum += term;
            power += 2;
        }
        table[index] = (sum * UNIT as f64 + 0.5) as i64;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Angle, UNIT};

    #[test]
    fn every_sine_is_close_to_the_real_one() {
        for step in 0..=u16::MAX {
            let (cosine, sine) = Angle(step).vector();
            let (real_sine, real_cosine) = f64::from(Angle(step).radians()).sin_cos();
            for (ours, real) in [(sine, real_sine), (cosine, real_cosine)] {
                let off = (ours as f64 - real * UNIT as f64).abs();
                assert!(off < 3.0, "{step}: {ours} is {off} off");
            }
        }
    }

    #[test]
    fn toward_finds_the_angle_whose_vector_it_is_given() {
        for step in (0..=u16::MAX).step_by(97) {
            let (x, y) = Angle(step).vector();
            let found = Angle::toward([x as f32, y as f32]).unwrap();
            let off = found.0.wrapping_sub(step) as i16;
            assert!(off.abs() <= 4, "{step}: {off}");
        }
    }
}
