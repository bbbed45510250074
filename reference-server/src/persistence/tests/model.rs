//! The ledger against a model that says the rules in the plainest way, in memory.
//!
//! Operations come in bursts that share a commit, refused ones in between; with owners that are
//! right, out of date or made up; with transaction ids that repeat.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, prop_oneof, proptest};

use crate::ids::{CharacterId, Epoch, Incarnation, ItemId, Owner, ZoneId};
use crate::persistence::item::{MoveError, TradeSide};
use crate::persistence::register::{ClaimError, FenceError};
use crate::persistence::service::Ledger;
use crate::persistence::tests::writer::ask;
use crate::persistence::tests::{Fixture, audit};

const ZONES: u32 = 3;
const CHARACTERS: u64 = 3;
const ITEMS: u64 = 4;

/// Which owner the asker believes in.
#[derive(Clone, Copy, Debug)]
enum Belief {
    Right,
    EpochBefore,
    OtherZone,
    LifeBefore,
}

#[derive(Clone, Debug)]
enum Op {
    StartZone(u32),
    Claim {
        character: u64,
        zone: u32,
        is_former: bool,
    },
    Transfer {
        character: u64,
        belief: Belief,
        zone: u32,
        is_former: bool,
    },
    Bump {
        character: u64,
        belief: Belief,
    },
    Release {
        character: u64,
        belief: Belief,
    },
    Checkpoint {
        zone: u32,
        is_former: bool,
        epochs_back: u32,
    },
    Mint {
        txid: u128,
        zone: u32,
    },
    PickUp {
        txid: u128,
        character: u64,
        belief: Belief,
        item: u64,
        zone: u32,
    },
    Drop {
        txid: u128,
        character: u64,
        belief: Belief,
        item: u64,
        zone: u32,
    },
    Trade {
        txid: u128,
        character: u64,
        beliefs: [Belief; 2],
        items: [u64; 2],
    },
    /// Something that was asked before, word for word but for the owners.
    Again(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let zone = || 0..ZONES;
    let character = || 1..=CHARACTERS;
    let item = || 1..=ITEMS;
    // Mostly fresh.
    let txid = || prop_oneof![1 => 0..12u128, 5 => 100..10_000u128];
    let seldom = || (0..6).prop_map(|n| n == 0);
    let belief = || {
        (0..8).prop_map(|n| match n {
            0 => Belief::EpochBefore,
            1 => Belief::OtherZone,
            2 => Belief::LifeBefore,
            _ => Belief::Right,
        })
    };
    prop_oneof![
        1 => zone().prop_map(Op::StartZone),
        4 => (character(), zone(), seldom())
            .prop_map(|(character, zone, is_former)| Op::Claim { character, zone, is_former }),
        3 => (character(), belief(), zone(), seldom()).prop_map(
            |(character, belief, zone, is_former)| {
                Op::Transfer { character, belief, zone, is_former }
            }
        ),
        1 => (character(), belief())
            .prop_map(|(character, belief)| Op::Bump { character, belief }),
        1 => (character(), belief())
            .prop_map(|(character, belief)| Op::Release { character, belief }),
        2 => (zone(), seldom(), 0..2u32).prop_map(
            |(zone, is_former, epochs_back)| Op::Checkpoint { zone, is_former, epochs_back }
        ),
        1 => (txid(), zone()).prop_map(|(txid, zone)| Op::Mint { txid, zone }),
        5 => (txid(), character(), belief(), item(), zone()).prop_map(
            |(txid, character, belief, item, zone)| {
                Op::PickUp { txid, character, belief, item, zone }
            }
        ),
        3 => (txid(), character(), belief(), item(), zone()).prop_map(
            |(txid, character, belief, item, zone)| Op::Drop { txid, character, belief, item, zone }
        ),
        8 => (txid(), character(), [belief(), belief()], [0..=ITEMS, 1..=ITEMS]).prop_map(
            |(txid, character, beliefs, items)| Op::Trade { txid, character, beliefs, items }
        ),
        3 => (0..1000usize).prop_map(Op::Again),
    ]
}

/// Where an item is: with a character, or in a zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    With(u64),
    In(u32),
}

/// What a transaction id stands for: what was asked, and the answer.
type Asked = (String, String);

#[derive(Default)]
struct Model {
    lives: BTreeMap<u32, u64>,
    owners: BTreeMap<u64, Owner>,
    epochs: BTreeMap<u64, u32>,
    states: BTreeMap<u64, Vec<u8>>,
    items: BTreeMap<u64, Place>,
    asked: BTreeMap<u128, Asked>,
    trades: u64,
}

impl Model {
    fn life(&self, zone: u32, is_former: bool) -> Incarnation {
        Incarnation(self.lives.get(&zone).map_or(0, |life| life - u64::from(is_former)))
    }

    fn believed(&self, character: u64, belief: Belief) -> Owner {
        let made_up = Owner { zone: ZoneId(0), incarnation: Incarnation(1), epoch: Epoch(1) };
        let owner = self.owners.get(&character).copied().unwrap_or(made_up);
        match belief {
            Belief::Right => owner,
            Belief::EpochBefore => Owner { epoch: Epoch(owner.epoch.0 - 1), ..owner },
            Belief::OtherZone => Owner { zone: ZoneId((owner.zone.0 + 1) % ZONES), ..owner },
            Belief::LifeBefore => {
                Owner { incarnation: Incarnation(owner.incarnation.0 - 1), ..owner }
            }
        }
    }

    fn lives(&self, owner: Owner) -> bool {
        self.lives.get(&owner.zone.0) == Some(&owner.incarnation.0)
    }

    fn holds(&self, character: u64, owner: Owner) -> bool {
        self.owners.get(&character) == Some(&owner) && self.lives(owner)
    }

    fn own(&mut self, character: u64, zone: u32, incarnation: Incarnation) -> String {
        let epoch = self.epochs.entry(character).or_default();
        *epoch += 1;
        let owner = Owner { zone: ZoneId(zone), incarnation, epoch: Epoch(*epoch) };
        self.owners.insert(character, owner);
        format!("{owner:?}")
    }

    fn claim(&mut self, character: u64, zone: u32, incarnation: Incarnation) -> String {
        let claimant = Owner { zone: ZoneId(zone), incarnation, epoch: Epoch(0) };
        if !self.lives(claimant) {
            return "superseded".into();
        }
        match self.owners.get(&character) {
            Some(owner) if self.lives(*owner) && owner.zone != claimant.zone => {
                format!("owned by {owner:?}")
            }
            _ => self.own(character, zone, incarnation),
        }
    }

    fn transfer(&mut self, character: u64, from: Owner, to: u32, life: Incarnation) -> String {
        let target = Owner { zone: ZoneId(to), incarnation: life, epoch: Epoch(0) };
        if !self.holds(character, from) || !self.lives(target) {
            return "stale".into();
        }
        self.own(character, to, life)
    }

    fn release(&mut self, character: u64, owner: Owner, state: Vec<u8>) -> String {
        if !self.holds(character, owner) {
            return "stale".into();
        }
        self.owners.remove(&character);
        self.states.insert(character, state);
        "done".into()
    }

    fn checkpoint(
        &mut self,
        zone: u32,
        incarnation: Incarnation,
        rows: &[(CharacterId, Epoch, Vec<u8>)],
    ) -> String {
        let mut stored = 0;
        for (character, epoch, state) in rows {
            let owner = Owner { zone: ZoneId(zone), incarnation, epoch: *epoch };
            if self.holds(character.0, owner) {
                self.states.insert(character.0, state.clone());
                stored += 1;
            }
        }
        format!("{stored} stored")
    }

    fn mint(&mut self, txid: u128, zone: u32) -> String {
        let wish = format!("mint {zone}");
        if let Some((earlier, answer)) = self.asked.get(&txid) {
            return if *earlier == wish { answer.clone() } else { "reused".into() };
        }
        if !self.lives.contains_key(&zone) {
            return "error".into();
        }
        let item = self.items.len() as u64 + 1;
        self.items.insert(item, Place::In(zone));
        let answer = format!("item {item}");
        self.asked.insert(txid, (wish, answer.clone()));
        answer
    }

    /// Moves, each from where to where, for actors who claim to be owned so.
    fn relocate(
        &mut self,
        txid: u128,
        wish: String,
        actors: &[(u64, Owner)],
        moves: &[(u64, Place, Place)],
    ) -> String {
        if let Some((earlier, answer)) = self.asked.get(&txid) {
            return if *earlier == wish { answer.clone() } else { "reused".into() };
        }
        if let Some((character, _)) =
            actors.iter().find(|(character, owner)| !self.holds(*character, *owner))
        {
            return format!("stale {character}");
        }
        let missing = moves.iter().find(|(item, from, _)| self.items.get(item) != Some(from));
        let answer = match missing {
            Some((item, ..)) => format!("not there {item}"),
            None => {
                // A zone that never was is no place: the database's own rule, nothing recorded.
                let is_somewhere = |place: &Place| match place {
                    Place::In(zone) => self.lives.contains_key(zone),
                    Place::With(_) => true,
                };
                if !moves.iter().all(|(_, _, to)| is_somewhere(to)) {
                    return "error".into();
                }
                for (item, _, to) in moves {
                    self.items.insert(*item, *to);
                }
                self.trades += u64::from(actors.len() == 2);
                "done".into()
            }
        };
        self.asked.insert(txid, (wish, answer.clone()));
        answer
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// Asks the model, and gives back what it says with the same question to the ledger.
fn start<'a>(model: &mut Model, ledger: &'a Ledger, n: u8, op: &Op) -> (String, Answer<'a>) {
    match *op {
        Op::StartZone(zone) => {
            let life = model.lives.entry(zone).or_default();
            *life += 1;
            let answer = async move {
                format!("{}", ledger.start_zone(ZoneId(zone)).await.expect("starts"))
            };
            (life.to_string(), Box::pin(answer))
        }
        Op::Claim { character, zone, is_former } => {
            let life = model.life(zone, is_former);
            let expected = model.claim(character, zone, life);
            let answer = async move {
                match ledger.claim(CharacterId(character), ZoneId(zone), life).await {
                    Ok(claimed) => format!("{:?}", claimed.owner),
                    Err(ClaimError::OwnedBy(owner)) => format!("owned by {owner:?}"),
                    Err(ClaimError::Superseded) => "superseded".into(),
                    Err(error) => error.to_string(),
                }
            };
            (expected, Box::pin(answer))
        }
        Op::Transfer { character, belief, zone, is_former } => {
            let (from, life) = (model.believed(character, belief), model.life(zone, is_former));
            let expected = model.transfer(character, from, zone, life);
            let answer = async move {
                fenced(ledger.transfer(CharacterId(character), from, ZoneId(zone), life).await)
            };
            (expected, Box::pin(answer))
        }
        Op::Bump { character, belief } => {
            let from = model.believed(character, belief);
            let expected = model.transfer(character, from, from.zone.0, from.incarnation);
            let answer = async move { fenced(ledger.bump(CharacterId(character), from).await) };
            (expected, Box::pin(answer))
        }
        Op::Release { character, belief } => {
            let owner = model.believed(character, belief);
            let expected = model.release(character, owner, vec![n]);
            let answer = async move {
                match ledger.release(CharacterId(character), owner, vec![n]).await {
                    Ok(()) => "done".into(),
                    Err(FenceError::Stale) => "stale".into(),
                    Err(error) => error.to_string(),
                }
            };
            (expected, Box::pin(answer))
        }
        Op::Checkpoint { zone, is_former, epochs_back } => {
            let life = model.life(zone, is_former);
            let rows: Vec<_> = (1..=CHARACTERS)
                .map(|character| {
                    let epoch = model.epochs.get(&character).copied().unwrap_or(1);
                    (CharacterId(character), Epoch(epoch - epochs_back.min(epoch)), vec![n])
                })
                .collect();
            let expected = model.checkpoint(zone, life, &rows);
            let answer = async move {
                let stored = ledger.checkpoint(ZoneId(zone), life, rows).await;
                format!("{} stored", stored.expect("a checkpoint"))
            };
            (expected, Box::pin(answer))
        }
        Op::Mint { .. } | Op::PickUp { .. } | Op::Drop { .. } | Op::Trade { .. } => {
            start_item(model, ledger, op)
        }
        Op::Again(_) => unreachable!("is replaced by what it repeats"),
    }
}

fn start_item<'a>(model: &mut Model, ledger: &'a Ledger, op: &Op) -> (String, Answer<'a>) {
    let wish = |text: &str, rest: &dyn std::fmt::Debug| format!("{text} {rest:?}");
    let at = [1.0, 2.0];
    match *op {
        Op::PickUp { txid, character, belief, item, zone } => {
            let owner = model.believed(character, belief);
            let moves = [(item, Place::In(zone), Place::With(character))];
            let wish = wish("pick up", &(character, item, zone));
            let expected = model.relocate(txid, wish, &[(character, owner)], &moves);
            let (who, what) = (CharacterId(character), ItemId(item));
            let answer =
                async move { moved(&ledger.pick_up(txid, who, owner, what, ZoneId(zone)).await) };
            (expected, Box::pin(answer))
        }
        Op::Drop { txid, character, belief, item, zone } => {
            let owner = model.believed(character, belief);
            let moves = [(item, Place::With(character), Place::In(zone))];
            let wish = wish("drop", &(character, item, zone));
            let expected = model.relocate(txid, wish, &[(character, owner)], &moves);
            let (who, what) = (CharacterId(character), ItemId(item));
            let answer = async move {
                moved(&ledger.drop_item(txid, who, owner, what, ZoneId(zone), at).await)
            };
            (expected, Box::pin(answer))
        }
        Op::Trade { txid, character: left, beliefs, items } => {
            let right = left % CHARACTERS + 1;
            let [left_owner, right_owner] =
                [(left, beliefs[0]), (right, beliefs[1])].map(|(who, b)| model.believed(who, b));
            // 0 stands for nothing.
            let gives = (items[0] != 0).then_some(items[0]);
            let mut moves = Vec::new();
            moves.extend(gives.map(|item| (item, Place::With(left), Place::With(right))));
            moves.push((items[1], Place::With(right), Place::With(left)));
            let wish = wish("trade", &(left, items));
            let actors = [(left, left_owner), (right, right_owner)];
            let expected = model.relocate(txid, wish, &actors, &moves);
            let side = |character, owner, gives: Option<u64>| TradeSide {
                character: CharacterId(character),
                owner,
                gives: gives.map(ItemId),
            };
            let left = side(left, left_owner, gives);
            let right = side(right, right_owner, Some(items[1]));
            (expected, Box::pin(async move { moved(&ledger.trade(txid, left, right).await) }))
        }
        Op::Mint { txid, zone } => {
            let expected = model.mint(txid, zone);
            let answer = async move {
                match ledger.mint(txid, ZoneId(zone), at).await {
                    Ok(item) => format!("item {item}"),
                    Err(error) => moved(&Err(error)),
                }
            };
            (expected, Box::pin(answer))
        }
        _ => unreachable!("not about items"),
    }
}

fn fenced(result: Result<Owner, FenceError>) -> String {
    match result {
        Ok(owner) => format!("{owner:?}"),
        Err(FenceError::Stale) => "stale".into(),
        Err(error) => error.to_string(),
    }
}

fn moved(result: &Result<(), MoveError>) -> String {
    match result {
        Ok(()) => "done".into(),
        Err(MoveError::NotOwned(item)) => format!("not there {item}"),
        Err(MoveError::Stale(character)) => format!("stale {character}"),
        Err(MoveError::TxidReused) => "reused".into(),
        Err(MoveError::Ledger(_)) => "error".into(),
    }
}

/// Every character in a zone, with an item at least.
fn opening() -> Vec<Op> {
    let belief = Belief::Right;
    let mut ops: Vec<_> = (0..ZONES).map(Op::StartZone).collect();
    ops.extend((1..=CHARACTERS).map(|n| Op::Claim { character: n, zone: 0, is_former: false }));
    for item in 1..=ITEMS {
        let (txid, character) = (u128::from(item) + 20, (item - 1) % CHARACTERS + 1);
        ops.push(Op::Mint { txid, zone: 1 });
        ops.push(Op::PickUp { txid: txid + 10, character, belief, item, zone: 1 });
    }
    ops
}

async fn check(mut bursts: Vec<Vec<Op>>) {
    bursts.insert(0, opening());

    let fixture = Fixture::new().await;
    for n in 1..=CHARACTERS {
        assert_eq!(fixture.character(&format!("player{n}")).await, CharacterId(n));
    }
    let mut model = Model::default();
    let mut earlier = Vec::new();
    for (n, burst) in bursts.into_iter().enumerate() {
        let mut asked = Vec::new();
        for op in burst {
            let op = match op {
                Op::Again(which) => Op::clone(&earlier[which % earlier.len()]),
                fresh => fresh,
            };
            asked.push((op.clone(), start(&mut model, &fixture.ledger, n as u8, &op)));
            earlier.push(op);
        }
        asked.iter_mut().for_each(|(_, (_, answer))| ask(answer.as_mut()));
        for (op, (expected, answer)) in asked {
            assert_eq!(answer.await, expected, "{op:?} in burst {n}");
        }
    }
    compare(&model, &fixture).await;
    fixture.ledger.close().await;
}

async fn compare(model: &Model, fixture: &Fixture) {
    let owners: Vec<_> =
        model.owners.iter().map(|(who, owner)| (CharacterId(*who), *owner)).collect();
    assert_eq!(fixture.ledger.owners().await.expect("owners"), owners);
    for character in 1..=CHARACTERS {
        let row = fixture.ledger.character(CharacterId(character)).await;
        let state = row.expect("reads").expect("exists").state;
        assert_eq!(state.as_ref(), model.states.get(&character), "state of {character}");
    }
    let places: BTreeMap<i64, _> = model
        .items
        .iter()
        .map(|(item, place)| {
            let held = match place {
                Place::With(character) => (Some(*character as i64), None),
                Place::In(zone) => (None, Some(i64::from(*zone))),
            };
            (*item as i64, held)
        })
        .collect();
    assert_eq!(audit(&fixture.path()).await, places);
    let counts = fixture.ledger.counts().await.expect("counts");
    let items = model.items.len() as u64;
    assert_eq!(
        (counts.items_created, counts.items_present, counts.trades_committed),
        (items, items, model.trades)
    );
}

proptest! {
    // Each case is a file and some dozens of commits.
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn ledger_does_what_the_model_does(bursts in vec(vec(op(), 1..16), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(check(bursts));
    }
}
