//! Picking up, dropping and trading: the zone checks and proposes, the ledger decides.

use netcode::tick::Tick;
use shardline_protocol::game::{Game, Point};
use shardline_protocol::zone::{
    ItemMoved, ProposeTrade, Refused, TradeClosed, TradeProposed, to_client,
};

use crate::ids::{CharacterId, ItemId, Owner, TradeId};
use crate::world::entity::{Character, Phase};
use crate::world::layout::distance;
use crate::world::zone::Zone;
use crate::world::{Happened, ItemMove, Output};

/// How long a proposal stands, in ticks.
const PROPOSAL_TICKS: u64 = 150;
/// Moves of one character that the ledger has not answered.
const MOVES_OPEN_MAX: u32 = 4;

/// A proposed trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proposal {
    from: CharacterId,
    to: CharacterId,
    give: Option<ItemId>,
    want: Option<ItemId>,
    until: Tick,
}

/// A move that the ledger has not answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Move {
    asked_by: CharacterId,
    item_move: ItemMove,
}

impl Move {
    fn items(&self) -> impl Iterator<Item = ItemId> + use<> {
        let items = match self.item_move {
            ItemMove::PickUp { item, .. } | ItemMove::Drop { item, .. } => [Some(item), None],
            ItemMove::Trade { sides: [(.., one), (.., other)], .. } => [one, other],
        };
        items.into_iter().flatten()
    }

    fn characters(&self) -> impl Iterator<Item = CharacterId> + use<> {
        let characters = match self.item_move {
            ItemMove::PickUp { character, .. } | ItemMove::Drop { character, .. } => {
                [Some(character), None]
            }
            ItemMove::Trade { sides: [(one, ..), (other, ..)], .. } => [Some(one), Some(other)],
        };
        characters.into_iter().flatten()
    }
}

/// An item's id in a message; 0 is none.
fn some_item(raw: u64) -> Option<ItemId> {
    (raw != 0).then_some(ItemId(raw))
}

impl<G: Game> Zone<G> {
    pub(super) fn on_pick_up(&mut self, id: CharacterId, item: ItemId) {
        let Some((at, owner)) = self.free_hands(id, "pick_up") else { return };
        let is_near =
            self.ground.get(&item).is_some_and(|&place| distance(place, at) <= self.game.reach());
        if !is_near || self.busy_items.contains(&item) {
            self.refuse(id, "pick_up", "out of reach, or somebody else's by now");
            return;
        }
        self.ask_ledger(id, ItemMove::PickUp { character: id, owner, item });
    }

    pub(super) fn on_drop(&mut self, id: CharacterId, item: ItemId) {
        let Some((at, owner)) = self.free_hands(id, "drop") else { return };
        let holds = self.characters.get(&id).is_some_and(|holder| holder.items.contains(&item));
        if !holds || self.busy_items.contains(&item) {
            self.refuse(id, "drop", "not yours, or busy");
            return;
        }
        self.ask_ledger(id, ItemMove::Drop { character: id, owner, item, at });
    }

    pub(super) fn on_propose(&mut self, id: CharacterId, propose: &ProposeTrade) {
        let to = CharacterId(propose.with_character);
        let (give, want) = (some_item(propose.give_item), some_item(propose.want_item));
        let proposal = Proposal { from: id, to, give, want, until: self.tick + PROPOSAL_TICKS };
        if self.free_hands(id, "propose_trade").is_none() {
            return;
        }
        let is_open = self.proposals.values().any(|open| open.from == id);
        if is_open || id == to || (give.is_none() && want.is_none()) || !self.is_fair(&proposal) {
            self.refuse(id, "propose_trade", "out of reach, not theirs to give, or one is open");
            return;
        }
        let trade = TradeId(self.entropy.next_u64());
        self.proposals.insert(trade, proposal);
        let message = TradeProposed {
            trade: trade.0,
            from_character: id.0,
            give_item: propose.give_item,
            want_item: propose.want_item,
        };
        self.tell(to, to_client::Body::TradeProposed(message));
    }

    pub(super) fn on_accept(&mut self, id: CharacterId, trade: TradeId) {
        let is_for = self.proposals.get(&trade).is_some_and(|open| open.to == id);
        if !is_for {
            self.refuse(id, "accept_trade", "no such proposal");
            return;
        }
        let Some(proposal) = self.proposals.remove(&trade) else { return };
        let [one, other] = [proposal.from, proposal.to];
        let epochs = [one, other].map(|who| self.characters.get(&who).map(|it| it.epoch));
        let ([Some(first), Some(second)], true) = (epochs, self.is_fair(&proposal)) else {
            self.close_trade(trade, &proposal, "no longer possible");
            return;
        };
        let sides =
            [(one, self.owner(first), proposal.give), (other, self.owner(second), proposal.want)];
        self.ask_ledger(id, ItemMove::Trade { trade, sides });
    }

    pub(super) fn on_decline(&mut self, id: CharacterId, trade: TradeId) {
        if self.proposals.get(&trade).is_some_and(|open| open.to == id || open.from == id)
            && let Some(proposal) = self.proposals.remove(&trade)
        {
            self.close_trade(trade, &proposal, "declined");
        }
    }

    pub(super) fn expire_proposals(&mut self) {
        let now = self.tick;
        let is_over = |open: &Proposal| {
            now >= open.until || ![open.from, open.to].iter().all(|who| self.is_here(*who))
        };
        let over: Vec<_> = self
            .proposals
            .iter()
            .filter(|(_, open)| is_over(open))
            .map(|(trade, open)| (*trade, *open))
            .collect();
        for (trade, proposal) in over {
            self.proposals.remove(&trade);
            self.close_trade(trade, &proposal, "expired");
        }
    }

    /// The ledger has answered.
    pub(super) fn on_settled(&mut self, txid: u128, is_committed: bool) {
        let Some(settled) = self.moves.remove(&txid) else { return };
        for item in settled.items() {
            self.busy_items.remove(&item);
        }
        for id in settled.characters() {
            if let Some(character) = self.characters.get_mut(&id) {
                character.moves_open -= 1;
            }
        }
        match settled.item_move {
            ItemMove::PickUp { character, item, .. } if is_committed => {
                self.ground.remove(&item);
                self.moved_item(item, None, Some(character));
            }
            ItemMove::Drop { character, item, at, .. } if is_committed => {
                self.ground.insert(item, at);
                self.moved_item(item, Some(character), None);
            }
            ItemMove::Trade { trade, sides: [(one, _, gives), (other, _, wants)] } => {
                self.on_trade_settled(trade, (one, gives), (other, wants), is_committed);
            }
            ItemMove::PickUp { .. } | ItemMove::Drop { .. } => {
                self.refuse(settled.asked_by, "item", "the ledger refused");
            }
        }
    }

    fn on_trade_settled(
        &mut self,
        trade: TradeId,
        (one, gives): (CharacterId, Option<ItemId>),
        (other, wants): (CharacterId, Option<ItemId>),
        is_committed: bool,
    ) {
        if is_committed {
            for (item, from, to) in [(gives, one, other), (wants, other, one)] {
                if let Some(item) = item {
                    self.moved_item(item, Some(from), Some(to));
                }
            }
            self.happened(Happened::Traded { trade, sides: [(one, gives), (other, wants)] });
        }
        let reason = if is_committed { "" } else { "the ledger refused" };
        for who in [one, other] {
            let message =
                TradeClosed { trade: trade.0, committed: is_committed, reason: reason.into() };
            self.tell(who, to_client::Body::TradeClosed(message));
        }
    }

    fn moved_item(&mut self, item: ItemId, from: Option<CharacterId>, to: Option<CharacterId>) {
        if let Some(giver) = from.and_then(|from| self.characters.get_mut(&from)) {
            giver.items.remove(&item);
        }
        if let Some(taker) = to.and_then(|to| self.characters.get_mut(&to)) {
            taker.items.insert(item);
        }
        let raw = |who: Option<CharacterId>| who.map_or(0, |who| who.0);
        for who in [from, to].into_iter().flatten() {
            let message =
                ItemMoved { item: item.0, from_character: raw(from), to_character: raw(to) };
            self.tell(who, to_client::Body::ItemMoved(message));
        }
        self.happened(Happened::ItemMoved { item, from, to });
    }

    fn ask_ledger(&mut self, asked_by: CharacterId, item_move: ItemMove) {
        let txid = u128::from(self.entropy.next_u64()) << 64 | u128::from(self.entropy.next_u64());
        let open = Move { asked_by, item_move };
        self.busy_items.extend(open.items());
        for id in open.characters() {
            if let Some(character) = self.characters.get_mut(&id) {
                character.moves_open += 1;
            }
        }
        self.moves.insert(txid, open);
        self.outputs.push_back(Output::Move { txid, item_move });
    }

    /// Where the character stands and by which right it acts, if it may move items now.
    fn free_hands(&mut self, id: CharacterId, request: &str) -> Option<(Point, Owner)> {
        let free = self.characters.get(&id).filter(|character| {
            character.phase == Phase::Owned && character.moves_open < MOVES_OPEN_MAX
        });
        let Some(character) = free else {
            self.refuse(id, request, "busy, or between two zones");
            return None;
        };
        Some((self.game.position(&character.state), self.owner(character.epoch)))
    }

    fn is_here(&self, id: CharacterId) -> bool {
        self.characters.get(&id).is_some_and(|character| character.phase == Phase::Owned)
    }

    /// Both are here and near, and each has what it is to give.
    fn is_fair(&self, proposal: &Proposal) -> bool {
        let characters = [proposal.from, proposal.to].map(|who| self.characters.get(&who));
        let [Some(from), Some(to)] = characters else { return false };
        let has = |owner: &Character<G>, item: Option<ItemId>| {
            item.is_none_or(|item| owner.items.contains(&item) && !self.busy_items.contains(&item))
        };
        let [one, other] = [from, to].map(|who| self.game.position(&who.state));
        self.is_here(proposal.from)
            && self.is_here(proposal.to)
            && distance(one, other) <= self.game.reach()
            && has(from, proposal.give)
            && has(to, proposal.want)
    }

    fn close_trade(&mut self, trade: TradeId, proposal: &Proposal, reason: &str) {
        for who in [proposal.from, proposal.to] {
            let message = TradeClosed { trade: trade.0, committed: false, reason: reason.into() };
            self.tell(who, to_client::Body::TradeClosed(message));
        }
    }

    fn refuse(&mut self, id: CharacterId, request: &str, reason: &str) {
        let message = Refused { request: request.into(), reason: reason.into() };
        self.tell(id, to_client::Body::Refused(message));
    }
}
