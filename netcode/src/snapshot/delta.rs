//! One entity as bits: whole, or as the difference to a baseline.
//!
//! ```text
//!   whole     every field in its full width
//!   changed   mask (a bit a field) and for each changed field its difference
//!
//!   difference of a field with two values      nothing: it is the other one
//!                    with more                 number of order k, or `escape` ones, full width
//! ```
//!
//! The difference d (around the circle for angles) is never 0 and becomes 0, 1, 2, ... for
//! 1, -1, 2, ... An empty mask confirms the entity as it was.

use bitvec::BitArr;
use bitvec::order::Lsb0;

use crate::snapshot::bits::BitReader;
use crate::snapshot::bits::BitWriter;
use crate::snapshot::bits::exponent;
use crate::snapshot::error::SnapshotError;
use crate::snapshot::quantize::Codec;
use crate::snapshot::schema::{EntityState, FIELDS_MAX, Field, KindId, Schema};

/// Which fields of an entity changed.
type Mask = BitArr!(for FIELDS_MAX, in u16, Lsb0);

/// The codings of a schema.
#[derive(Debug)]
pub(super) struct Codings {
    kinds: Vec<Vec<Coding>>,
}

impl Codings {
    /// The codings of every kind of `schema`.
    pub(super) fn new(schema: &Schema) -> Self {
        let kinds = schema.kinds().iter();
        Self { kinds: kinds.map(|kind| kind.fields.iter().map(Coding::new).collect()).collect() }
    }

    /// Those of the fields of `kind`.
    pub(super) fn of(&self, kind: KindId) -> Option<&[Coding]> {
        self.kinds.get(usize::from(kind.0)).map(Vec::as_slice)
    }

    /// Those for `state`.
    ///
    /// # Panics
    ///
    /// If it does not fit the schema.
    pub(super) fn for_state(&self, state: &EntityState) -> &[Coding] {
        let codings = self.of(state.kind()).unwrap_or_default();
        let (values, fits) =
            (state.values(), |(coding, &value): (&Coding, &i32)| (0..=coding.max).contains(&value));
        assert!(
            codings.len() == values.len() && codings.iter().zip(values).all(fits),
            "{state:?} does not fit the schema"
        );
        codings
    }

    /// Bits that hold any kind.
    pub(super) fn kind_bits(&self) -> u32 {
        usize::BITS - (self.kinds.len() - 1).leading_zeros()
    }
}

/// How the differences of one field are coded: follows from its codec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coding {
    max: i32,
    bits: u32,
    /// Order of the number that codes a difference.
    order: u32,
    /// From this exponent on, the full width is shorter.
    escape: u32,
    is_circle: bool,
}

impl Coding {
    /// The coding of a field.
    pub(super) fn new(field: &Field) -> Self {
        let bits = field.codec.bits();
        // A third of the width fits what moves at game speeds: see the tests for sizes.
        let order = bits / 3;
        let is_circle = matches!(field.codec, Codec::Angle { .. });
        Self { max: field.codec.max(), bits, order, escape: (bits - order).div_ceil(2), is_circle }
    }

    fn difference_bits(&self, from: i32, to: i32) -> usize {
        if self.max <= 1 {
            return 0;
        }
        let exponent = exponent(self.difference(from, to), self.order);
        if exponent >= self.escape {
            (self.escape + self.bits) as usize
        } else {
            (2 * exponent + 1 + self.order) as usize
        }
    }

    fn write_difference(&self, from: i32, to: i32, writer: &mut BitWriter<'_>) {
        if self.max <= 1 {
            return;
        }
        let code = self.difference(from, to);
        let exponent = exponent(code, self.order);
        if exponent >= self.escape {
            writer.unary(self.escape);
            writer.bits(to as u32, self.bits);
        } else {
            writer.number(code, self.order);
        }
    }

    fn read_difference(&self, from: i32, reader: &mut BitReader<'_>) -> Result<i32, SnapshotError> {
        if self.max <= 1 {
            return Ok(self.max - from);
        }
        let exponent = reader.unary(self.escape)?;
        if exponent == self.escape {
            return self.read_whole(reader);
        }
        let code = i64::from(reader.mantissa(exponent, self.order)?);
        let difference = if code & 1 == 0 { code / 2 + 1 } else { -(code / 2 + 1) };
        let mut value = i64::from(from) + difference;
        if self.is_circle {
            value &= i64::from(self.max);
        }
        self.checked(value)
    }

    /// The code of the difference.
    fn difference(&self, from: i32, to: i32) -> u32 {
        let mut difference = to - from;
        if self.is_circle {
            // The shorter way round; the width of an angle is at most 16 bits.
            let unused = 32 - self.bits;
            difference = (difference << unused) >> unused;
        }
        let magnitude = difference.unsigned_abs();
        if difference > 0 { 2 * (magnitude - 1) } else { 2 * magnitude.saturating_sub(1) + 1 }
    }

    fn read_whole(&self, reader: &mut BitReader<'_>) -> Result<i32, SnapshotError> {
        self.checked(i64::from(reader.bits(self.bits)?))
    }

    fn checked(&self, value: i64) -> Result<i32, SnapshotError> {
        if value < 0 || value > i64::from(self.max) {
            return Err(SnapshotError::OutOfBounds);
        }
        Ok(value as i32)
    }
}

/// Bits that [`write_whole`] writes.
pub(super) fn whole_bits(codings: &[Coding]) -> usize {
    codings.iter().map(|coding| coding.bits as usize).sum()
}

/// Writes every value.
pub(super) fn write_whole(codings: &[Coding], values: &[i32], writer: &mut BitWriter<'_>) {
    for (coding, &value) in codings.iter().zip(values) {
        writer.bits(value as u32, coding.bits);
    }
}

/// Appends what [`write_whole`] wrote to `values`.
pub(super) fn read_whole(
    codings: &[Coding],
    reader: &mut BitReader<'_>,
    values: &mut Vec<i32>,
) -> Result<(), SnapshotError> {
    for coding in codings {
        values.push(coding.read_whole(reader)?);
    }
    Ok(())
}

/// Bits that [`write_changed`] writes.
pub(super) fn changed_bits(codings: &[Coding], from: &[i32], to: &[i32]) -> usize {
    let mut bits = mask_bits(codings) as usize;
    for ((coding, &from), &to) in codings.iter().zip(from).zip(to) {
        if from != to {
            bits += coding.difference_bits(from, to);
        }
    }
    bits
}

/// Writes the values that differ.
pub(super) fn write_changed(
    codings: &[Coding],
    from: &[i32],
    to: &[i32],
    writer: &mut BitWriter<'_>,
) {
    let mut mask = Mask::ZERO;
    for (index, (from, to)) in from.iter().zip(to).enumerate() {
        mask.set(index, from != to);
    }
    writer.bits(u32::from(mask.data[0]), mask_bits(codings));
    for index in mask.iter_ones() {
        codings[index].write_difference(from[index], to[index], writer);
    }
}

/// Appends the values to which [`write_changed`] changes `from` to `values`.
pub(super) fn read_changed(
    codings: &[Coding],
    from: &[i32],
    reader: &mut BitReader<'_>,
    values: &mut Vec<i32>,
) -> Result<(), SnapshotError> {
    let mask = Mask::new([reader.bits(mask_bits(codings))? as u16]);
    for ((coding, &from), is_changed) in codings.iter().zip(from).zip(mask.iter().by_vals()) {
        values.push(if is_changed { coding.read_difference(from, reader)? } else { from });
    }
    Ok(())
}

fn mask_bits(codings: &[Coding]) -> u32 {
    codings.len() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Coding, changed_bits, read_changed, write_changed};
    use crate::snapshot::bits::{BitReader, BitWriter};
    use crate::snapshot::quantize::Codec;
    use crate::snapshot::schema::Field;

    /// A field with two values of it, near or far.
    fn change() -> impl Strategy<Value = (Coding, i32, i32)> {
        let codec = prop_oneof![
            (1..=16_u8).prop_map(|bits| Codec::Angle { bits }),
            (0..30_u32, any::<i32>()).prop_map(|(bits, min)| {
                let max = i64::from(min) + (1_i64 << bits) - 1;
                Codec::Integer { min, max: max.min(i64::from(i32::MAX)) as i32 }
            }),
            Just(Codec::Range { min: -512.0, max: 512.0, precision: 1.0 / 512.0 }),
        ];
        (codec, any::<u32>(), any::<i32>(), 0..32_u32).prop_map(|(codec, from, by, shift)| {
            let values = i64::from(codec.max()) + 1;
            let from = i64::from(from) % values;
            let to = (from + i64::from(by >> shift)).rem_euclid(values);
            (Coding::new(&Field { name: "field", codec }), from as i32, to as i32)
        })
    }

    #[test]
    fn an_angle_takes_the_shorter_way_round() {
        let heading = Coding::new(&Field { name: "heading", codec: Codec::Angle { bits: 10 } });
        for (from, to) in [(1023, 0), (0, 1023), (512, 511), (1020, 3)] {
            assert!(changed_bits(&[heading], &[from], &[to]) <= 7, "{from} to {to}");
        }
    }

    proptest! {
        #[test]
        fn what_was_changed_is_read_and_costs_what_was_said(
            changes in prop::collection::vec(change(), 0..16),
        ) {
            let codings: Vec<_> = changes.iter().map(|(coding, ..)| *coding).collect();
            let from: Vec<_> = changes.iter().map(|(_, from, _)| *from).collect();
            let to: Vec<_> = changes.iter().map(|(.., to)| *to).collect();
            let bits = changed_bits(&codings, &from, &to);
            let mut out = Vec::new();
            let mut writer = BitWriter::new(&mut out, bits);
            write_changed(&codings, &from, &to, &mut writer);
            writer.finish();
            prop_assert_eq!(out.len(), bits.div_ceil(8));
            let (mut reader, mut values) = (BitReader::new(&out), Vec::new());
            read_changed(&codings, &from, &mut reader, &mut values).unwrap();
            prop_assert_eq!(values, to);
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
