//! A character in the hands of its zone.

use std::collections::{BTreeMap, BTreeSet};

use netcode::crypto::PublicKey;
use netcode::predict::InputQueue;
use netcode::tick::Tick;
use shardline_protocol::game::Game;

use crate::ids::{AccountId, CharacterId, Epoch, ItemId, ZoneId};
use crate::image::{EntityImage, WaitingInput};

/// May the character be simulated?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// Yes.
    Owned,
    /// No: it crossed the line, and the register has not spoken.
    Frozen,
}

/// One character.
#[derive(Debug)]
pub(super) struct Character<G: Game> {
    pub(super) account: AccountId,
    pub(super) name: String,
    pub(super) client_public: PublicKey,
    pub(super) epoch: Epoch,
    pub(super) override_epoch: u32,
    pub(super) phase: Phase,
    pub(super) state: G::Character,
    /// The state is the one after this tick.
    pub(super) tick: Tick,
    pub(super) queue: InputQueue<G::Input>,
    /// A copy of what the ledger says.
    pub(super) items: BTreeSet<ItemId>,
    /// Zones whose border is near, and whether they are ready for a crossing.
    pub(super) near: BTreeMap<ZoneId, Readiness>,
    /// When this zone became its owner.
    pub(super) owned_since: Tick,
    /// Moves of items that the ledger has not answered.
    pub(super) moves_open: u32,
    /// Since when no client is there.
    pub(super) alone_since: Option<Tick>,
    /// Its player said goodbye.
    pub(super) is_leaving: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Readiness {
    Asked,
    Ready,
}

impl<G: Game> Character<G> {
    /// A copy that can travel.
    pub(super) fn image(&self, game: &G, character: CharacterId) -> EntityImage {
        let encode = |input: &G::Input| {
            let mut bytes = Vec::new();
            game.encode_input(input, &mut bytes);
            bytes
        };
        let waiting = self.queue.waiting();
        EntityImage {
            character_raw: character.0,
            account_raw: self.account.0,
            name: self.name.clone(),
            client_public: self.client_public.0.to_vec(),
            epoch_raw: self.epoch.0,
            override_epoch: self.override_epoch,
            tick: self.tick.get(),
            state: self.encoded(game),
            last_input: encode(self.queue.last()),
            waiting: waiting
                .map(|(tick, input)| WaitingInput { tick: tick.get(), input: encode(input) })
                .collect(),
            starved: self.queue.starved(),
            items_raw: self.items.iter().map(|item| item.0).collect(),
        }
    }

    /// The character of an image; `None` if the image is not one of this game.
    pub(super) fn from_image(game: &G, image: &EntityImage, epoch: Epoch) -> Option<Self> {
        let state = game.decode_character(&mut image.state.as_slice()).ok()?;
        let last = game.decode_input(&mut image.last_input.as_slice()).ok()?;
        let tick = Tick::new(image.tick);
        let mut queue = InputQueue::restore(tick.next(), last, image.starved);
        for waiting in &image.waiting {
            let input = game.decode_input(&mut waiting.input.as_slice()).ok()?;
            let _ = queue.insert(Tick::new(waiting.tick), input);
        }
        Some(Self {
            account: image.account(),
            name: image.name.clone(),
            client_public: PublicKey(image.client_public.as_slice().try_into().ok()?),
            epoch,
            override_epoch: image.override_epoch,
            phase: Phase::Owned,
            state,
            tick,
            queue,
            items: image.items().collect(),
            near: BTreeMap::new(),
            owned_since: tick,
            moves_open: 0,
            alone_since: None,
            is_leaving: false,
        })
    }

    /// The state, as the store keeps it.
    pub(super) fn encoded(&self, game: &G) -> Vec<u8> {
        let mut bytes = Vec::new();
        game.encode_character(&self.state, &mut bytes);
        bytes
    }
}
