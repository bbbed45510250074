//! Kinds of entities and their fields.

use core::fmt;
use core::hash::Hasher;

use siphasher::sip::SipHasher24;
use thiserror::Error;

use crate::snapshot::quantize::Codec;

/// Most fields of one kind. An [`EntityState`] holds them inline.
pub const FIELDS_MAX: usize = 16;
/// Most kinds of one schema.
pub const KINDS_MAX: usize = 64;

/// An entity's name, the same on the server and on every client, never used again.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EntityId(pub u64);

/// Which [`Kind`] of its schema an entity is: an index.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KindId(pub u8);

/// One number of an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// For people and for the hash of the schema.
    pub name: &'static str,
    /// How it becomes an integer.
    pub codec: Codec,
}

/// A kind of entity: its fields, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// For people and for the hash of the schema.
    pub name: &'static str,
    /// At most [`FIELDS_MAX`].
    pub fields: Vec<Field>,
}

/// What the entities of a world are made of. Both sides have the same, or do not connect.
///
/// ```
/// use netcode::snapshot::{Codec, Field, Kind, Schema};
///
/// let metres = Codec::Range { min: 0.0, max: 1024.0, precision: 1.0 / 64.0 };
/// let fields = vec![Field { name: "x", codec: metres }, Field { name: "y", codec: metres }];
/// let schema = Schema::new(vec![Kind { name: "crate", fields }])?;
/// assert_eq!(schema.kinds().len(), 1);
/// # Ok::<(), netcode::snapshot::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    kinds: Vec<Kind>,
    hash: u64,
}

/// A schema that cannot work.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bounds of a field make no sense, or need more than 30 bits.
    #[error("field `{field}` of kind `{kind}` has unusable bounds")]
    Bounds {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        field: &'static str,
    },
    /// No kind, or more than [`KINDS_MAX`].
    #[error("{count} kinds; a schema has 1 to {KINDS_MAX}")]
    KindCount {
        /// As given.
        count: usize,
    },
    /// More than [`FIELDS_MAX`].
    #[error("kind `{kind}` has {count} fields; at most {FIELDS_MAX} fit")]
    FieldCount {
        /// Its name.
        kind: &'static str,
        /// As given.
        count: usize,
    },
}

impl Schema {
    /// A schema of these kinds; a [`KindId`] is an index into them.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] says which bound is broken.
    pub fn new(kinds: Vec<Kind>) -> Result<Self, SchemaError> {
        if kinds.is_empty() || kinds.len() > KINDS_MAX {
            return Err(SchemaError::KindCount { count: kinds.len() });
        }
        for kind in &kinds {
            if kind.fields.len() > FIELDS_MAX {
                let count = kind.fields.len();
                return Err(SchemaError::FieldCount { kind: kind.name, count });
            }
            if let Some(field) = kind.fields.iter().find(|field| !field.codec.is_valid()) {
                return Err(SchemaError::Bounds { kind: kind.name, field: field.name });
            }
        }
        let hash = hash(&kinds);
        Ok(Self { kinds, hash })
    }

    /// The kinds, in order.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The fields of `kind`, or `None` if there is no such kind.
    pub fn fields(&self, kind: KindId) -> Option<&[Field]> {
        self.kinds.get(usize::from(kind.0)).map(|kind| kind.fields.as_slice())
    }

    /// A number that differs when anything about the schema does. Compared in the handshake.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

fn hash(kinds: &[Kind]) -> u64 {
    let mut hasher = SipHasher24::new();
    for kind in kinds {
        hasher.write(kind.name.as_bytes());
        hasher.write_u8(0xff);
        for field in &kind.fields {
            hasher.write(field.name.as_bytes());
            hasher.write_u8(0xfe);
            match field.codec {
                Codec::Angle { bits } => hasher.write(&[0, bits]),
                Codec::Integer { min, max } => {
                    hasher.write_u8(1);
                    hasher.write(&min.to_le_bytes());
                    hasher.write(&max.to_le_bytes());
                }
                Codec::Range { min, max, precision } => {
                    hasher.write_u8(2);
                    for bound in [min, max, precision] {
                        hasher.write(&bound.to_bits().to_le_bytes());
                    }
                }
            }
        }
    }
    hasher.finish()
}

/// One entity at one tick, in integers of the wire. Cheap to copy.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct EntityState {
    kind: KindId,
    count: u8,
    values: [i32; FIELDS_MAX],
}

impl EntityState {
    /// The state with these values, as [`Codec::quantize`] gives them.
    ///
    /// # Panics
    ///
    /// With more than [`FIELDS_MAX`] values.
    pub fn new(kind: KindId, values: &[i32]) -> Self {
        let mut inline = [0; FIELDS_MAX];
        inline[..values.len()].copy_from_slice(values);
        Self { kind, count: values.len() as u8, values: inline }
    }

    /// Its kind.
    pub fn kind(&self) -> KindId {
        self.kind
    }

    /// Its values, in the order of the fields of its kind.
    pub fn values(&self) -> &[i32] {
        &self.values[..usize::from(self.count)]
    }

    /// Its values, to be changed.
    pub fn values_mut(&mut self) -> &mut [i32] {
        &mut self.values[..usize::from(self.count)]
    }
}

impl fmt::Debug for EntityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}", self.kind, self.values())
    }
}
