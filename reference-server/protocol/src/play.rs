//! What is frequent between a client and a zone: inputs up, snapshots down.
//!
//! ```text
//!   InputPacket     newest tick (varint) · count (1 B)
//!                   · runs, newest first: repeats-1 (1 B) · input
//!   SnapshotHeader  tick (varint) · flags (1 B) · [own: epoch · override epoch · ticks since the
//!                   last input consumed · starved (varints) · margin (2 B) · length (1 B)
//!                   · character]
//!   then the bytes of `netcode::snapshot`, to the end of the message
//! ```
//!
//! An input packet carries every input that the client does not know to be consumed, so that a
//! lost packet costs nothing; inputs that are held repeat as a run and cost one byte.

use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
use netcode::tick::Tick;
use prost::encoding::{decode_varint, encode_varint};

use crate::game::{CHARACTER_BYTES_MAX, Game, GameDecodeError};

/// Reliable, ordered: [`ToClient`](crate::zone::ToClient) and [`ToZone`](crate::zone::ToZone).
pub const CHANNEL_CONTROL: u8 = 0;
/// Unreliable: [`encode_inputs`].
pub const CHANNEL_INPUT: u8 = 1;
/// Unreliable with receipts: [`SnapshotHeader`] and a delta.
pub const CHANNEL_SNAPSHOT: u8 = 2;

/// Entity ids of items in snapshots: an item's id with this bit set. Ids of characters, which are
/// their entity ids, stay below it.
pub const ITEM_ENTITY_BIT: u64 = 1 << 56;

/// The channels of every connection to a zone; both sides must have the same.
///
/// Inputs go first, because a late one is of no use; then what must arrive; then the snapshot,
/// which fills what room is left.
///
/// ```
/// use shardline_protocol::play::{CHANNEL_SNAPSHOT, channels};
///
/// assert_eq!(channels().channels().len(), usize::from(CHANNEL_SNAPSHOT) + 1);
/// ```
pub fn channels() -> ChannelTable {
    let control = ChannelConfig::new(Delivery::ReliableOrdered).priority(1);
    let input = ChannelConfig::new(Delivery::Unreliable).priority(0);
    let snapshot = ChannelConfig::new(Delivery::Unreliable).priority(2).with_receipts();
    ChannelTable::new(vec![control, input, snapshot]).expect("three channels within their bounds")
}

/// Most inputs in one packet: more than a second of them at 30 Hz is of no more use.
pub const INPUTS_MAX: usize = 32;

/// Appends the inputs for `count` consecutive ticks that end with `newest`, given oldest first.
///
/// # Panics
///
/// With no input or more than [`INPUTS_MAX`].
pub fn encode_inputs<'a, G: Game>(
    game: &G,
    newest: Tick,
    inputs: impl DoubleEndedIterator<Item = &'a G::Input> + ExactSizeIterator,
    out: &mut Vec<u8>,
) {
    let count = inputs.len();
    assert!((1..=INPUTS_MAX).contains(&count), "{count} inputs");
    encode_varint(newest.get(), out);
    out.push(count as u8);
    let mut run: Option<(&G::Input, u8)> = None;
    for input in inputs.rev() {
        run = match run {
            Some((held, repeats)) if held == input => Some((held, repeats + 1)),
            done => {
                write_run(game, done, out);
                Some((input, 0))
            }
        };
    }
    write_run(game, run, out);
}

fn write_run<G: Game>(game: &G, run: Option<(&G::Input, u8)>, out: &mut Vec<u8>) {
    if let Some((input, repeats)) = run {
        out.push(repeats);
        game.encode_input(input, out);
    }
}

/// Reads what [`encode_inputs`] wrote: ticks and their inputs, oldest first.
///
/// # Errors
///
/// For anything else; the bytes come from a stranger.
pub fn decode_inputs<G: Game>(
    game: &G,
    mut bytes: &[u8],
) -> Result<Vec<(Tick, G::Input)>, GameDecodeError> {
    let newest = varint(&mut bytes)?;
    let count = usize::from(byte(&mut bytes)?);
    if !(1..=INPUTS_MAX).contains(&count) || newest < count as u64 - 1 {
        return Err(GameDecodeError::OutOfBounds);
    }
    let mut inputs = Vec::with_capacity(count);
    while inputs.len() < count {
        let repeats = usize::from(byte(&mut bytes)?) + 1;
        let input = game.decode_input(&mut bytes)?;
        if inputs.len() + repeats > count {
            return Err(GameDecodeError::OutOfBounds);
        }
        for _ in 0..repeats {
            inputs.push((Tick::new(newest - inputs.len() as u64), input.clone()));
        }
    }
    if !bytes.is_empty() {
        return Err(GameDecodeError::OutOfBounds);
    }
    inputs.reverse();
    Ok(inputs)
}

/// What precedes the entities in a snapshot message.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotHeader<C> {
    /// The state is the one after this tick.
    pub tick: Tick,
    /// The receiver's own character; only the zone that owns it sends this.
    pub own: Option<Own<C>>,
}

/// The receiver's own character, exactly, and how its inputs fare.
#[derive(Clone, Debug, PartialEq)]
pub struct Own<C> {
    /// Rises with every change of owner: the client obeys the highest.
    pub epoch: u32,
    /// Rises with every discontinuity that the server declares: a respawn, a teleport.
    pub override_epoch: u32,
    /// Inputs up to this tick are consumed. At most `tick`.
    pub consumed: Tick,
    /// Ticks so far for which no input had arrived in time.
    pub starved: u64,
    /// How early the newest inputs arrive before their tick, in microseconds; negative is late.
    pub margin_us: i32,
    /// The character after `consumed`.
    pub character: C,
}

const OWN: u8 = 1;
/// The margin travels in steps of this many microseconds, within ±2 s.
const MARGIN_STEP_US: i32 = 64;

impl<C> SnapshotHeader<C> {
    /// Appends the header.
    pub fn encode<G: Game<Character = C>>(&self, game: &G, out: &mut Vec<u8>) {
        encode_varint(self.tick.get(), out);
        out.push(if self.own.is_some() { OWN } else { 0 });
        let Some(own) = &self.own else { return };
        encode_varint(own.epoch.into(), out);
        encode_varint(own.override_epoch.into(), out);
        encode_varint(self.tick.saturating_since(own.consumed), out);
        encode_varint(own.starved, out);
        let steps = (own.margin_us / MARGIN_STEP_US).clamp(i16::MIN.into(), i16::MAX.into());
        out.extend_from_slice(&(steps as i16).to_le_bytes());
        let length_at = out.len();
        out.push(0);
        game.encode_character(&own.character, out);
        out[length_at] = u8::try_from(out.len() - length_at - 1).expect("bounded by the trait");
    }

    /// Reads a header; what follows it stays in `bytes`.
    ///
    /// # Errors
    ///
    /// For bytes that [`encode`](Self::encode) does not write.
    pub fn decode<G: Game<Character = C>>(
        game: &G,
        bytes: &mut &[u8],
    ) -> Result<Self, GameDecodeError> {
        let tick = Tick::new(varint(bytes)?);
        let own = match byte(bytes)? {
            0 => None,
            OWN => Some(Self::decode_own(game, tick, bytes)?),
            _ => return Err(GameDecodeError::OutOfBounds),
        };
        Ok(Self { tick, own })
    }

    fn decode_own<G: Game<Character = C>>(
        game: &G,
        tick: Tick,
        bytes: &mut &[u8],
    ) -> Result<Own<C>, GameDecodeError> {
        let small = |value: u64| u32::try_from(value).map_err(|_| GameDecodeError::OutOfBounds);
        let epoch = small(varint(bytes)?)?;
        let override_epoch = small(varint(bytes)?)?;
        let behind = varint(bytes)?;
        let consumed = tick.get().checked_sub(behind).ok_or(GameDecodeError::OutOfBounds)?;
        let starved = varint(bytes)?;
        let margin_steps = i16::from_le_bytes([byte(bytes)?, byte(bytes)?]);
        let length = usize::from(byte(bytes)?);
        if length > CHARACTER_BYTES_MAX {
            return Err(GameDecodeError::OutOfBounds);
        }
        let (mut body, rest) = bytes.split_at_checked(length).ok_or(GameDecodeError::Truncated)?;
        let character = game.decode_character(&mut body)?;
        if !body.is_empty() {
            return Err(GameDecodeError::OutOfBounds);
        }
        *bytes = rest;
        Ok(Own {
            epoch,
            override_epoch,
            consumed: Tick::new(consumed),
            starved,
            margin_us: i32::from(margin_steps) * MARGIN_STEP_US,
            character,
        })
    }
}

fn byte(bytes: &mut &[u8]) -> Result<u8, GameDecodeError> {
    let (first, rest) = bytes.split_first().ok_or(GameDecodeError::Truncated)?;
    *bytes = rest;
    Ok(*first)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, GameDecodeError> {
    decode_varint(bytes).map_err(|_| GameDecodeError::Truncated)
}
