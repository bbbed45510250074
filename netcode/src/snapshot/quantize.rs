//! Numbers of a game to integers of the wire, and back.
//!
//! Both sides of a connection compute with the values that come out of [`Codec::dequantize`], so
//! that what the server knows and what a client can know are the same.

use thiserror::Error;

/// How one field becomes an integer.
///
/// ```
/// use netcode::snapshot::Codec;
///
/// let metres = Codec::Range { min: -512.0, max: 512.0, precision: 1.0 / 512.0 };
/// let wire = metres.quantize(3.1416)?;
/// assert!((metres.dequantize(wire) - 3.1416).abs() <= 0.5 / 512.0);
/// assert!(metres.quantize(f32::NAN).is_err());
/// # Ok::<(), netcode::snapshot::QuantizeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Codec {
    /// An angle in radians, any turn, in `2^bits` steps of a full turn. 1 to 16 bits.
    Angle {
        /// Steps of a full turn, as a power of two.
        bits: u8,
    },
    /// Whole numbers from `min` to `max`, both included.
    Integer {
        /// Least.
        min: i32,
        /// Greatest.
        max: i32,
    },
    /// Real numbers from `min` to `max`, both included, to the nearest multiple of `precision`
    /// above `min`.
    Range {
        /// Least.
        min: f32,
        /// Greatest.
        max: f32,
        /// Distance of two neighbouring values; the error is at most half of it.
        precision: f32,
    },
}

/// A value that a field cannot hold.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum QuantizeError {
    /// NaN or an infinity.
    #[error("{value} is not a finite number")]
    NotFinite {
        /// As given.
        value: f32,
    },
    /// Outside the bounds of the field.
    #[error("{value} is outside {min}..={max}")]
    OutOfRange {
        /// As given.
        value: f32,
        /// Least.
        min: f32,
        /// Greatest.
        max: f32,
    },
}

impl Codec {
    /// The integer nearest to `value`, in `0..=self.max()`.
    ///
    /// # Errors
    ///
    /// If `value` is not finite, or outside the bounds.
    pub fn quantize(self, value: f32) -> Result<i32, QuantizeError> {
        if !value.is_finite() {
            return Err(QuantizeError::NotFinite { value });
        }
        match self {
            Self::Angle { bits } => {
                let turns = f64::from(value) / core::f64::consts::TAU;
                let steps = f64::from(1_u32 << bits);
                let step = ((turns - turns.floor()) * steps).round() as u32;
                Ok((step & ((1 << bits) - 1)) as i32)
            }
            Self::Integer { min, max } => {
                let (low, high) = (min as f32, max as f32);
                let rounded = f64::from(value).round();
                if rounded < f64::from(min) || rounded > f64::from(max) {
                    return Err(QuantizeError::OutOfRange { value, min: low, max: high });
                }
                Ok((rounded as i64 - i64::from(min)) as i32)
            }
            Self::Range { min, max, precision } => {
                if value < min || value > max {
                    return Err(QuantizeError::OutOfRange { value, min, max });
                }
                let steps = (f64::from(value) - f64::from(min)) / f64::from(precision);
                Ok((steps.round() as i32).min(self.max()))
            }
        }
    }

    /// Like [`quantize`](Self::quantize), with what is out of bounds moved to the nearest bound and
    /// NaN to the least.
    pub fn quantize_clamped(self, value: f32) -> i32 {
        match self {
            Self::Angle { .. } => self.quantize(value).unwrap_or(0),
            Self::Integer { min, max } => {
                let value = if value.is_nan() { min as f32 } else { value };
                let rounded = f64::from(value).round().clamp(f64::from(min), f64::from(max));
                (rounded as i64 - i64::from(min)) as i32
            }
            Self::Range { min, max, .. } => {
                let value = if value.is_nan() { min } else { value.clamp(min, max) };
                self.quantize(value).unwrap_or(0)
            }
        }
    }

    /// The value that `wire` stands for.
    pub fn dequantize(self, wire: i32) -> f32 {
        match self {
            Self::Angle { bits } => {
                (f64::from(wire) * core::f64::consts::TAU / f64::from(1_u32 << bits)) as f32
            }
            Self::Integer { min, .. } => (i64::from(wire) + i64::from(min)) as f32,
            Self::Range { min, precision, .. } => {
                (f64::from(min) + f64::from(wire) * f64::from(precision)) as f32
            }
        }
    }

    /// The greatest integer that a value becomes; the least is 0.
    pub fn max(self) -> i32 {
        match self {
            Self::Angle { bits } => (1 << bits) - 1,
            Self::Integer { min, max } => (i64::from(max) - i64::from(min)) as i32,
            Self::Range { min, max, precision } => {
                ((f64::from(max) - f64::from(min)) / f64::from(precision)).round() as i32
            }
        }
    }

    /// Bits that hold any integer of this field.
    pub fn bits(self) -> u32 {
        32 - (self.max() as u32).leading_zeros()
    }

    /// Whether the bounds make sense: checked once, when a schema is built.
    pub(super) fn is_valid(self) -> bool {
        const INTEGERS_MAX: f64 = (1_u32 << 30) as f64;
        match self {
            Self::Angle { bits } => (1..=16).contains(&bits),
            Self::Integer { min, max } => {
                min <= max && i64::from(max) - i64::from(min) <= INTEGERS_MAX as i64
            }
            Self::Range { min, max, precision } => {
                min.is_finite()
                    && max.is_finite()
                    && precision.is_finite()
                    && min < max
                    && precision > 0.0
                    && (f64::from(max) - f64::from(min)) / f64::from(precision) <= INTEGERS_MAX
            }
        }
    }
}
