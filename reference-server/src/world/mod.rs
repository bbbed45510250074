//! A zone: the authority over a piece of the world, one tick after the other.
//!
//! ```text
//!   clients ──Connected, Message──▶ ┌───────────────────────────┐ ──Send (Transport)──▶ clients
//!   ledger  ──Claimed, Settled────▶ │ Zone                      │ ──Claim, Move…──────▶ ledger
//!   handoff ──Stage, Activate…────▶ │  inputs → step → attacks  │ ──Cross, Near…──────▶ handoff
//!   zones   ──Ghosts, Attack──────▶ │  → border → replicate     │ ──Ghosts, Attack────▶ zones
//!                                   └───────────────────────────┘ ──Consumed, Happened▶ app
//! ```
//!
//! [`Zone`] is pure: [`Zone::handle`] takes what happened, [`Zone::step`] runs one tick, and
//! [`Zone::poll_output`] says what is to be done. Time is an argument; the socket is behind
//! [`Transport`].
//!
//! # Invariants
//!
//! - Exactly one input is consumed per owned character and tick: the one for that tick, or the last
//!   one held ("starved").
//! - A character that is frozen or staged consumes nothing. Only the zone that the ownership
//!   register names, at its epoch, simulates.
//! - Items are the ledger's: what a zone knows of them is a cache, changed only by answers of the
//!   ledger.
//! - A ghost is never the source of a durable effect: an attack on one is sent to its zone.
//! - Whatever a client says is bounded and checked; a client that breaks the form is closed.
//!
//! Deliberately absent: the protocol of a handoff (`handoff`), SQL, sockets, any rule of a game.

mod border;
mod combat;
mod entity;
mod input;
mod interest;
mod items;
mod layout;
mod link;
mod replicate;
mod scene;
#[cfg(test)]
mod tests;
mod zone;

use bytes::Bytes;
use netcode::channel::SendError;
use netcode::crypto::PublicKey;
use netcode::endpoint::{ConnectionHandle, Endpoint};
use netcode::tick::Tick;
use netcode::wire::{ChannelId, CloseCode, MessageId};
use shardline_protocol::control::ZoneAccess;
use shardline_protocol::game::Point;

use crate::access::Purpose;
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, ItemId, Owner, TradeId, ZoneId};
use crate::image::EntityImage;

pub use layout::{Layout, LayoutError};
pub use zone::{Zone, ZoneConfig, ZoneCounts};

/// What a zone sends through: the endpoint, or a test's stand-in.
pub trait Transport {
    /// Bytes that may be sent to the client now.
    fn budget(&self, connection: ConnectionHandle) -> usize;

    /// Queues a message.
    ///
    /// # Errors
    ///
    /// [`SendError`], at once; nothing is queued then.
    fn send(
        &mut self,
        connection: ConnectionHandle,
        channel: u8,
        payload: Bytes,
    ) -> Result<MessageId, SendError>;
}

impl Transport for Endpoint {
    fn budget(&self, connection: ConnectionHandle) -> usize {
        Self::budget(self, connection)
    }

    fn send(
        &mut self,
        connection: ConnectionHandle,
        channel: u8,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        Self::send(self, connection, ChannelId(channel), payload)
    }
}

/// What a zone is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client is here; its connect token said who and why.
    Connected {
        /// Its connection.
        connection: ConnectionHandle,
        /// Its player.
        account: AccountId,
        /// Its character.
        character: CharacterId,
        /// Its key.
        client_public: PublicKey,
        /// Why it came.
        purpose: Purpose,
    },
    /// The connection is over.
    Disconnected {
        /// Which.
        connection: ConnectionHandle,
    },
    /// A message of a client.
    Message {
        /// From which connection.
        connection: ConnectionHandle,
        /// On which channel.
        channel: u8,
        /// Its bytes.
        payload: Bytes,
    },
    /// The fate of a snapshot.
    Receipt {
        /// To which connection it went.
        connection: ConnectionHandle,
        /// As [`Transport::send`] named it.
        message: MessageId,
        /// It arrived.
        is_acked: bool,
    },
    /// The ledger's answer to [`Output::Claim`].
    Claimed {
        /// Whose.
        character: CharacterId,
        /// Its state, or `None` if another zone owns it.
        claim: Option<Claim>,
    },
    /// The ledger's answer to [`Output::Move`].
    Settled {
        /// Which move.
        txid: u128,
        /// The items have moved.
        is_committed: bool,
    },
    /// Items that lie in the zone, at its start.
    Ground {
        /// What and where.
        items: Vec<(ItemId, Point)>,
    },
    /// A neighbour tells what lies near the border.
    Ghosts {
        /// Which neighbour.
        zone: ZoneId,
        /// States after this tick.
        tick: Tick,
        /// The entities: id, state.
        entities: Vec<(netcode::snapshot::EntityId, netcode::snapshot::EntityState)>,
    },
    /// A character of a neighbour hit one of ours.
    Attack(RemoteAttack),
    /// What an attack of one of ours did in a neighbour zone.
    HitDone(HitDone),
    /// The target of a handoff holds a place for the character: crossing is possible.
    Ready {
        /// Who.
        character: CharacterId,
        /// Where to.
        to: ZoneId,
    },
    /// The target is no longer ready.
    NotReady {
        /// Who.
        character: CharacterId,
        /// Where to.
        to: ZoneId,
    },
    /// Tell the client how to connect ahead.
    Offer {
        /// Whose client.
        character: CharacterId,
        /// What it needs.
        access: ZoneAccess,
    },
    /// The crossing is committed: the character belongs to the target.
    Committed {
        /// Who.
        character: CharacterId,
        /// Where it is.
        to: ZoneId,
        /// The new epoch.
        epoch: Epoch,
    },
    /// The crossing is off: go on, at the new epoch.
    Resume {
        /// Who.
        character: CharacterId,
        /// The new epoch.
        epoch: Epoch,
    },
    /// The register names this zone: go on from the image.
    Activate {
        /// The new epoch.
        epoch: Epoch,
        /// The state, and inputs that wait.
        image: Box<EntityImage>,
    },
    /// The character went away from the border: its connection ahead is of no more use.
    Forget {
        /// Who.
        character: CharacterId,
    },
    /// The register says that a frozen character is not this zone's: let go of it.
    Lost {
        /// Who.
        character: CharacterId,
    },
    /// Shut down: release every character and let nobody in.
    Drain,
}

/// A character that this zone may simulate from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The row of the register.
    pub epoch: Epoch,
    /// Its name.
    pub name: String,
    /// As it was when last stored; `None` for one that was never in the world.
    pub state: Option<Vec<u8>>,
    /// What it holds.
    pub items: Vec<ItemId>,
}

/// An attack on a character of another zone.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteAttack {
    /// The attacker's zone.
    pub from: ZoneId,
    /// Who attacked.
    pub attacker: CharacterId,
    /// Who was hit.
    pub target: CharacterId,
    /// `Game::encode_attack`.
    pub attack: Vec<u8>,
    /// When.
    pub tick: Tick,
    /// How often it was passed on to where the target went.
    pub hops: u8,
}

/// What a hit did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HitDone {
    /// Who attacked.
    pub attacker: CharacterId,
    /// Who was hit.
    pub target: CharacterId,
    /// Health taken.
    pub damage: u32,
    /// The target starts anew.
    pub defeated: bool,
    /// When.
    pub tick: Tick,
}

/// A change of an item's owner, for the ledger to make or refuse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ItemMove {
    /// Off the ground.
    PickUp {
        /// By whom.
        character: CharacterId,
        /// Its fence.
        owner: Owner,
        /// What.
        item: ItemId,
    },
    /// To the ground.
    Drop {
        /// By whom.
        character: CharacterId,
        /// Its fence.
        owner: Owner,
        /// What.
        item: ItemId,
        /// Where.
        at: Point,
    },
    /// From hand to hand.
    Trade {
        /// As proposed.
        trade: TradeId,
        /// Who gives what.
        sides: [(CharacterId, Owner, Option<ItemId>); 2],
    },
}

/// Something that others may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// A hit on a character of this zone.
    Hit(HitDone),
    /// An item has a new owner; `None` is the ground.
    ItemMoved {
        /// What.
        item: ItemId,
        /// From whom.
        from: Option<CharacterId>,
        /// To whom.
        to: Option<CharacterId>,
    },
    /// A trade was made.
    Traded {
        /// Which.
        trade: TradeId,
        /// Who gave what.
        sides: [(CharacterId, Option<ItemId>); 2],
    },
}

/// One character's use of one tick.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Consumption {
    /// Who.
    pub character: CharacterId,
    /// By which right.
    pub epoch: Epoch,
    /// Which tick's input.
    pub tick: Tick,
    /// None had arrived: the last one was held.
    pub is_starved: bool,
}

/// How a character came over the border.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// Who.
    pub character: CharacterId,
    /// By which right.
    pub epoch: Epoch,
    /// The source simulated up to this tick.
    pub source_tick: Tick,
    /// Ticks that had to be caught up with: nobody simulated them in time.
    pub gap_ticks: u64,
    /// Ticks whose inputs had reached the source and were not consumed there.
    pub waiting: Vec<Tick>,
}

/// What is to be done for a zone.
#[derive(Clone, Debug)]
pub enum Output {
    /// End a connection.
    Close {
        /// Which.
        connection: ConnectionHandle,
        /// Why.
        code: CloseCode,
    },
    /// Ask the register for a character; [`Input::Claimed`] answers.
    Claim {
        /// Who.
        character: CharacterId,
    },
    /// Store a character that leaves the world.
    Release {
        /// Who.
        character: CharacterId,
        /// The row that goes.
        owner: Owner,
        /// `Game::encode_character`.
        state: Vec<u8>,
    },
    /// Store where characters are, in case the zone dies.
    Checkpoint {
        /// The zone's life.
        incarnation: Incarnation,
        /// Character, epoch, `Game::encode_character`.
        rows: Vec<(CharacterId, Epoch, Vec<u8>)>,
    },
    /// Move items; [`Input::Settled`] answers.
    Move {
        /// Names the move for ever: the same one is never made twice.
        txid: u128,
        /// What moves.
        item_move: ItemMove,
    },
    /// A character comes near a border.
    Near {
        /// Who.
        character: CharacterId,
        /// Its player.
        account: AccountId,
        /// Its client's key.
        client_public: PublicKey,
        /// Which zone is near.
        to: ZoneId,
    },
    /// A character went away from a border, or from the world.
    Away {
        /// Who.
        character: CharacterId,
        /// Which zone is no longer near.
        to: ZoneId,
    },
    /// A character has crossed the line; it is frozen until the handoff answers.
    Cross {
        /// Where to.
        to: ZoneId,
        /// The character.
        image: Box<EntityImage>,
    },
    /// A client connected ahead of a crossing.
    AheadConnected {
        /// Whose.
        character: CharacterId,
    },
    /// A client that was connected ahead is gone.
    AheadLost {
        /// Whose.
        character: CharacterId,
    },
    /// Tell a neighbour what lies near the border.
    Ghosts {
        /// Whom.
        to: ZoneId,
        /// States after this tick.
        tick: Tick,
        /// The entities: id, state.
        entities: Vec<(netcode::snapshot::EntityId, netcode::snapshot::EntityState)>,
    },
    /// Tell a neighbour of an attack.
    Attack {
        /// Whom.
        to: ZoneId,
        /// The attack.
        attack: RemoteAttack,
    },
    /// Tell the attacker's zone what its attack did.
    HitDone {
        /// Whom.
        to: ZoneId,
        /// What.
        hit: HitDone,
    },
    /// Tell a client something, reliably: an encoded `ToClient`.
    Tell {
        /// Whom.
        connection: ConnectionHandle,
        /// What.
        message: Bytes,
    },
    /// Inputs were consumed.
    Consumed(Vec<Consumption>),
    /// A character came from another zone.
    Arrived(Arrival),
    /// A character left the world.
    Left {
        /// Who.
        character: CharacterId,
    },
    /// Something for the event bus.
    Happened(Happened),
}
