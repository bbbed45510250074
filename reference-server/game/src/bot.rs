//! A scripted player: what the demo's world is full of.
//!
//! A [`Wanderer`] walks from one random place of the world to the next, picks up what lies on its
//! way, attacks whom it passes, gives things away and drops them. It has no hidden knowledge: it
//! sees what a client sees, and only proposes; whether a wish comes true is for the server to say.
//!
//! Pure: the same seed and the same views decide the same.

use std::collections::VecDeque;

use netcode::entropy::Entropy;
use netcode::snapshot::{EntityId, EntityState};
use netcode::tick::Tick;
use shardline_protocol::game::Point;
use shardline_protocol::play::ITEM_ENTITY_BIT;

use crate::angle::Angle;
use crate::character::Character;
use crate::input::Input;
use crate::observe;
use crate::{REACH, ReferenceGame};

/// A waypoint this near counts as reached, in metres.
const ARRIVED: f32 = 1.0;
/// Waypoints keep this far from the edge of the world, in metres.
const MARGIN: f32 = 2.0;
/// A waypoint not reached by then is given up: two minutes.
const WAYPOINT_TICKS: u64 = 120 * 30;
/// Items in sight this near are worth a detour, in metres.
const DETOUR: f32 = 12.0;
/// Whoever holds this many items looks for no more.
const ITEMS_WANTED: usize = 4;
/// Enemies this near are attacked, in metres: a little less than an attack reaches.
const ATTACK_WITHIN: f32 = 20.0;
/// A ready attack starts in one of so many ticks, a ready dash in one of so many.
const ATTACK_ONE_IN: u32 = 30;
const DASH_ONE_IN: u32 = 120;
/// Aim is off by up to this much to either side: about 6 degrees.
const AIM_ERROR: u32 = 1 << 10;
/// From one wish to the next: 2 to 5 seconds.
const WISH_TICKS_MIN: u32 = 60;
const WISH_TICKS_SPREAD: u32 = 90;
/// An item that was wished for or dropped is left alone for so long.
const IGNORED_TICKS: u64 = 15 * 30;
const IGNORED_MAX: usize = 16;

/// What a bot does in one tick.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    /// For the tick that was asked about.
    pub input: Input,
    /// For the reliable channel, now and then.
    pub wish: Option<Wish>,
}

/// Something to ask the zone for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// Leave this item on the ground.
    Drop(u64),
    /// Take this item off the ground.
    PickUp(EntityId),
    /// Offer an item to a character.
    Trade {
        /// The character.
        with: EntityId,
        /// The item.
        give: u64,
    },
}

/// A player who wanders.
#[derive(Clone, Debug)]
pub struct Wanderer {
    own: EntityId,
    world: Point,
    entropy: Entropy,
    waypoint: Point,
    waypoint_until: Tick,
    wish_after: Tick,
    /// Items that it does not want for now, oldest first; at most [`IGNORED_MAX`].
    ignored: VecDeque<(EntityId, Tick)>,
}

impl Wanderer {
    /// A bot that plays the character `own`.
    pub fn new(game: &ReferenceGame, own: EntityId, entropy: Entropy) -> Self {
        Self {
            own,
            world: game.world(),
            entropy,
            waypoint: [0.0; 2],
            waypoint_until: Tick::ZERO,
            wish_after: Tick::ZERO,
            ignored: VecDeque::new(),
        }
    }

    /// What to do in `tick`, given the character as predicted, the newest snapshot, and the items
    /// that the character holds.
    pub fn decide(
        &mut self,
        tick: Tick,
        own: &Character,
        visible: &[(EntityId, EntityState)],
        items_held: &[u64],
    ) -> Decision {
        self.ignored.retain(|&(_, until)| until > tick);
        let at = own.position();
        let item = self.nearest(at, visible, |id| self.is_wanted(id));
        let other = self.nearest(at, visible, |id| self.is_other(id));

        let detour = item.filter(|found| found.metres < DETOUR && items_held.len() < ITEMS_WANTED);
        let goal = match detour {
            Some(item) => item.at,
            None => self.waypoint(tick, at),
        };
        let input = Input {
            walk: toward(at, goal, ARRIVED / 2.0).map(Input::walk_toward),
            dash: own.can_dash() && self.entropy.below(DASH_ONE_IN) == 0,
            attack: self.attack(own, at, other),
        };
        Decision { input, wish: self.wish(tick, item, other, items_held) }
    }

    /// Where to go, if nothing is more interesting.
    fn waypoint(&mut self, tick: Tick, at: Point) -> Point {
        if tick >= self.waypoint_until || distance(at, self.waypoint) < ARRIVED {
            self.waypoint = self.world.map(|side| {
                let room = (side - 2.0 * MARGIN).max(0.0);
                (side - room) / 2.0 + room * self.entropy.unit() as f32
            });
            self.waypoint_until = tick + WAYPOINT_TICKS;
        }
        self.waypoint
    }

    fn attack(&mut self, own: &Character, at: Point, other: Option<Found>) -> Option<Angle> {
        let enemy = other.filter(|enemy| enemy.metres < ATTACK_WITHIN && own.can_attack())?;
        if self.entropy.below(ATTACK_ONE_IN) != 0 {
            return None;
        }
        let aim = toward(at, enemy.at, 0.0)?;
        let error = self.entropy.below(2 * AIM_ERROR + 1) as u16;
        Some(Angle(aim.0.wrapping_add(error).wrapping_sub(AIM_ERROR as u16)))
    }

    fn wish(
        &mut self,
        tick: Tick,
        item: Option<Found>,
        other: Option<Found>,
        items_held: &[u64],
    ) -> Option<Wish> {
        if tick < self.wish_after {
            return None;
        }
        let in_reach = |found: &Found| found.metres < REACH * 0.8;
        let pick = self.entropy.below(items_held.len() as u32) as usize;
        let wish = match (item.filter(in_reach), other.filter(in_reach), items_held.get(pick)) {
            (Some(item), ..) if items_held.len() < ITEMS_WANTED => Wish::PickUp(item.id),
            (_, Some(other), Some(&give)) => Wish::Trade { with: other.id, give },
            (_, _, Some(&item)) if items_held.len() >= ITEMS_WANTED => Wish::Drop(item),
            _ => return None,
        };
        self.wish_after =
            tick + u64::from(WISH_TICKS_MIN + self.entropy.below(WISH_TICKS_SPREAD + 1));
        match wish {
            Wish::PickUp(item) => self.ignore(item, tick),
            Wish::Drop(item) => self.ignore(EntityId(item | ITEM_ENTITY_BIT), tick),
            Wish::Trade { .. } => {}
        }
        Some(wish)
    }

    fn ignore(&mut self, item: EntityId, tick: Tick) {
        if self.ignored.len() == IGNORED_MAX {
            self.ignored.pop_front();
        }
        self.ignored.push_back((item, tick + IGNORED_TICKS));
    }

    fn is_wanted(&self, id: EntityId) -> bool {
        id.0 & ITEM_ENTITY_BIT != 0 && self.ignored.iter().all(|&(item, _)| item != id)
    }

    fn is_other(&self, id: EntityId) -> bool {
        id.0 & ITEM_ENTITY_BIT == 0 && id != self.own
    }

    /// The nearest visible entity of those that `is_meant`; of two as near, the first.
    fn nearest(
        &self,
        from: Point,
        visible: &[(EntityId, EntityState)],
        is_meant: impl Fn(EntityId) -> bool,
    ) -> Option<Found> {
        let meant = visible.iter().filter(|(id, _)| is_meant(*id));
        let found = meant.map(|(id, state)| {
            let at = observe::position(state);
            Found { id: *id, at, metres: distance(from, at) }
        });
        found.min_by(|one, other| one.metres.total_cmp(&other.metres))
    }
}

/// An entity that is near.
#[derive(Clone, Copy, Debug)]
struct Found {
    id: EntityId,
    at: Point,
    metres: f32,
}

fn distance(one: Point, other: Point) -> f32 {
    (one[0] - other[0]).hypot(one[1] - other[1])
}

/// The direction of a place that is not as near as `stop`.
fn toward(from: Point, to: Point, stop: f32) -> Option<Angle> {
    if distance(from, to) <= stop {
        return None;
    }
    Angle::toward([to[0] - from[0], to[1] - from[1]])
}

#[cfg(test)]
mod tests {
    use netcode::entropy::Entropy;
    use netcode::snapshot::{EntityId, EntityState};
    use netcode::tick::Tick;
    use shardline_protocol::Game;
    use shardline_protocol::game::Point;
    use shardline_protocol::play::ITEM_ENTITY_BIT;

    use super::{Decision, WISH_TICKS_MIN, Wanderer, Wish};
    use crate::{Character, ReferenceGame};

    const OWN: EntityId = EntityId(1);
    const ITEM: EntityId = EntityId(7 | ITEM_ENTITY_BIT);

    #[test]
    fn it_crosses_the_middle_of_a_world_within_a_minute_again_and_again() {
        let (game, mut character, mut bot) = start([10.0, 10.0]);
        let mut crossings = 0;
        for tick in 0..60 * 60 {
            let before = character.position();
            let decision = bot.decide(Tick::new(tick), &character, &[], &[]);
            game.step(&mut character, &decision.input, Tick::new(tick));
            let after = character.position();
            crossings += (0..2).filter(|&i| (before[i] < 192.0) != (after[i] < 192.0)).count();
        }
        assert!(crossings >= 2, "{crossings} crossings in two minutes");
    }

    #[test]
    fn it_walks_to_an_item_and_wants_it_once() {
        let (game, mut character, mut bot) = start([100.0, 100.0]);
        let visible = [(ITEM, game.observe_item([106.0, 100.0]))];
        let wishes = play(&game, &mut character, &mut bot, &visible, &[]);
        assert_eq!(wishes, [(wishes[0].0, Wish::PickUp(ITEM))]);
    }

    #[test]
    fn it_drops_and_trades_what_it_has_too_much_of_and_not_too_often() {
        let held = [3, 4, 5, 6];
        let (game, mut character, mut bot) = start([100.0, 100.0]);
        let wishes = play(&game, &mut character, &mut bot, &[], &held);
        assert!(wishes.iter().all(|(_, wish)| matches!(wish, Wish::Drop(3..=6))));
        let often = |pair: &[(u64, Wish)]| pair[1].0 - pair[0].0 < u64::from(WISH_TICKS_MIN);
        assert!(wishes.len() > 1 && !wishes.windows(2).any(often));

        let (game, mut character, mut bot) = start([100.0, 100.0]);
        let visible = [(EntityId(2), game.observe_character(&character))];
        let wishes = play(&game, &mut character, &mut bot, &visible, &held[..1]);
        assert_eq!(wishes[0].1, Wish::Trade { with: EntityId(2), give: 3 });
    }

    #[test]
    fn it_attacks_others_and_hits_but_never_itself() {
        let (game, mut character, mut bot) = start([100.0, 100.0]);
        let enemy = [104.0, 96.0];
        let visible = [
            (OWN, game.observe_character(&character)),
            (EntityId(2), game.observe_character(&game.spawn(enemy))),
        ];
        let (mut attacks, mut hits) = (0, 0);
        for tick in (0..3_000).map(Tick::new) {
            let Decision { input, .. } = bot.decide(tick, &character, &visible, &[]);
            let place = character.place;
            if let Some(attack) = game.step(&mut character, &input, tick) {
                attacks += 1;
                hits += usize::from(game.aim(&attack, &[(EntityId(2), enemy)]).is_some());
            }
            character.place = place;
        }
        assert!(attacks > 30 && hits * 2 > attacks, "{hits} of {attacks}");
        let alone = &visible[..1];
        let attacked = (3_000..6_000)
            .any(|tick| bot.decide(Tick::new(tick), &character, alone, &[]).input.attack.is_some());
        assert!(!attacked);
    }

    #[test]
    fn the_same_seed_decides_the_same() {
        let runs = [(); 2].map(|()| {
            let (game, mut character, mut bot) = start([50.0, 60.0]);
            for tick in (0..500).map(Tick::new) {
                let decision = bot.decide(tick, &character, &[], &[]);
                game.step(&mut character, &decision.input, tick);
            }
            character
        });
        assert_eq!(runs[0], runs[1]);
    }

    /// Ten seconds; the wishes and their ticks.
    fn play(
        game: &ReferenceGame,
        character: &mut Character,
        bot: &mut Wanderer,
        visible: &[(EntityId, EntityState)],
        held: &[u64],
    ) -> Vec<(u64, Wish)> {
        let mut wishes = Vec::new();
        for tick in 0..300 {
            let decision = bot.decide(Tick::new(tick), character, visible, held);
            game.step(character, &decision.input, Tick::new(tick));
            wishes.extend(decision.wish.map(|wish| (tick, wish)));
        }
        wishes
    }

    fn start(at: Point) -> (ReferenceGame, Character, Wanderer) {
        let game = ReferenceGame::new(384.0, 384.0).unwrap();
        let character = game.spawn(at);
        let bot = Wanderer::new(&game, OWN, Entropy::from_simulation_seed(9));
        (game, character, bot)
    }
}
