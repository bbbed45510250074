//! One machine at a time, then several in a storm.

mod register;
mod sim;
mod world;

use core::time::Duration;

use netcode::crypto::{PublicKey, SecretKey};
use netcode::entropy::Entropy;
use netcode::time::Instant;
use shardline_protocol::control::ZoneAccess;

use crate::access::Door;
use crate::handoff::{
    ASK_AGAIN, Handoff, INQUIRE_AFTER, Input, Message, Output, PLACE_LASTS, PREPARE_AGAIN,
    PREPARE_MAX, TOKEN_AGAIN,
};
use crate::ids::{AccountId, CharacterId, Epoch, Incarnation, Owner, ZoneId};
use crate::image::EntityImage;

const US: ZoneId = ZoneId(0);
const THEM: ZoneId = ZoneId(1);
const OTHERS: ZoneId = ZoneId(2);
const OUR_LIFE: Incarnation = Incarnation(7);
const THEIR_LIFE: Incarnation = Incarnation(4);
const ANN: CharacterId = CharacterId(10);
const TICK: Duration = Duration::from_millis(33);

fn door(zone: ZoneId, entropy: &mut Entropy) -> Door {
    Door {
        zone,
        address: "127.0.0.1:7000".parse().unwrap(),
        server_public: SecretKey::generate(entropy).public(),
        token_key: Door::zone_key(&[1; 32], zone),
    }
}

fn image_at(epoch: u32, tick: u64) -> Box<EntityImage> {
    Box::new(EntityImage { character_raw: ANN.0, epoch_raw: epoch, tick, ..EntityImage::default() })
}

/// The machine of [`US`], and its clock.
struct Bench {
    handoff: Handoff,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut entropy = Entropy::from_simulation_seed(1);
        let door = door(US, &mut entropy);
        Self { handoff: Handoff::new(door, OUR_LIFE, entropy), now: Instant::from_millis(1_000) }
    }

    /// A character of ours that may cross to [`THEM`].
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.near(THEM);
        bench.hears(THEM, Message::Connected { character: ANN, incarnation: THEIR_LIFE });
        bench
    }

    /// One that crosses at epoch 3.
    fn crossing() -> Self {
        let mut bench = Self::ready();
        let outputs = bench.told(Input::Cross { to: THEM, image: image_at(3, 50) });
        assert!(outputs.contains(&Output::Started { character: ANN }));
        bench
    }

    /// One whose commit is under way.
    fn transferring() -> Self {
        let mut bench = Self::crossing();
        let outputs = bench.hears(THEM, Message::Prepared { character: ANN, epoch: Epoch(3) });
        assert_eq!(outputs, [transfer(3)]);
        bench
    }

    /// A place here for a character of [`THEM`].
    fn with_place() -> Self {
        let mut bench = Self::new();
        let outputs = bench.hears(THEM, request());
        assert!(matches!(
            &outputs[..],
            [Output::Send { message: Message::AccessGranted { .. }, .. }]
        ));
        bench
    }

    fn told(&mut self, input: Input) -> Vec<Output> {
        self.handoff.handle(self.now, 1_000, input);
        self.outputs()
    }

    fn hears(&mut self, from: ZoneId, message: Message) -> Vec<Output> {
        self.told(Input::Message { from, message })
    }

    fn near(&mut self, to: ZoneId) -> Vec<Output> {
        let (account, client_public) = (AccountId(1), PublicKey([9; 32]));
        self.told(Input::Near { character: ANN, account, client_public, to })
    }

    fn prepared_for(&mut self, life: Incarnation, epoch: u32) -> Vec<Output> {
        let image = image_at(epoch, 50);
        self.hears(THEM, Message::Prepare { target_incarnation: life, image })
    }

    /// Runs ticks for so long.
    fn after(&mut self, wait: Duration) -> Vec<Output> {
        let until = self.now + wait;
        let mut outputs = Vec::new();
        while self.now < until {
            self.now += TICK;
            self.handoff.handle_timeout(self.now);
            outputs.extend(self.outputs());
        }
        outputs
    }

    fn outputs(&mut self) -> Vec<Output> {
        core::iter::from_fn(|| self.handoff.poll_output()).collect()
    }
}

fn request() -> Message {
    let (account, client_public) = (AccountId(1), PublicKey([9; 32]));
    Message::AccessRequest { character: ANN, account, client_public }
}

fn owner(zone: ZoneId, incarnation: Incarnation, epoch: u32) -> Owner {
    Owner { zone, incarnation, epoch: Epoch(epoch) }
}

fn transfer(epoch: u32) -> Output {
    let from = owner(US, OUR_LIFE, epoch);
    Output::Transfer { character: ANN, from, to: THEM, incarnation: THEIR_LIFE }
}

fn send(to: ZoneId, message: Message) -> Output {
    Output::Send { to, message }
}

fn activates(outputs: &[Output], at: u32) -> bool {
    let is_it = |output: &Output| matches!(output, Output::Activate { epoch, .. } if epoch.0 == at);
    outputs.iter().any(is_it)
}

#[test]
fn a_crossing_commits_and_leaves_nothing_behind() {
    let mut bench = Bench::transferring();
    let owner = Some(owner(THEM, THEIR_LIFE, 4));
    let outputs = bench.told(Input::Transferred { character: ANN, owner });
    let (character, epoch) = (ANN, Epoch(4));
    let expected = [
        send(THEM, Message::Committed { character, epoch }),
        Output::Committed { character, to: THEM, epoch },
    ];
    assert_eq!(outputs, expected);
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn what_was_prepared_is_staged_once_and_activated_once() {
    let mut bench = Bench::with_place();
    let prepared = send(THEM, Message::Prepared { character: ANN, epoch: Epoch(3) });
    for _ in 0..2 {
        assert_eq!(bench.prepared_for(OUR_LIFE, 3), core::slice::from_ref(&prepared));
    }
    assert_eq!(bench.handoff.under_way(), 1);
    let committed = Message::Committed { character: ANN, epoch: Epoch(4) };
    assert!(activates(&bench.hears(THEM, committed.clone()), 4));
    assert_eq!(bench.hears(THEM, committed.clone()), []);
    // A copy that comes late finds the epoch passed, also together with a late commit.
    assert_eq!(bench.prepared_for(OUR_LIFE, 3), []);
    assert_eq!(bench.hears(THEM, committed), []);
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn an_older_image_does_not_replace_a_newer_one() {
    let mut bench = Bench::with_place();
    bench.prepared_for(OUR_LIFE, 5);
    assert_eq!(bench.prepared_for(OUR_LIFE, 3), []);
    let committed = Message::Committed { character: ANN, epoch: Epoch(6) };
    assert!(activates(&bench.hears(THEM, committed), 6));
}

#[test]
fn a_newer_image_replaces_an_older_one() {
    let mut bench = Bench::with_place();
    bench.prepared_for(OUR_LIFE, 3);
    bench.prepared_for(OUR_LIFE, 5);
    let committed = |epoch| Message::Committed { character: ANN, epoch: Epoch(epoch) };
    assert_eq!(bench.hears(THEM, committed(4)), []);
    assert!(activates(&bench.hears(THEM, committed(6)), 6));
}

#[test]
fn what_was_prepared_for_another_life_is_ignored() {
    let mut bench = Bench::with_place();
    assert_eq!(bench.prepared_for(Incarnation(OUR_LIFE.0 - 1), 3), []);
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn a_target_that_misses_the_commit_finds_it_in_the_register() {
    let mut bench = Bench::with_place();
    bench.prepared_for(OUR_LIFE, 3);
    let outputs = bench.after(INQUIRE_AFTER);
    assert_eq!(outputs, [Output::Inquire { character: ANN }]);
    // Not yet, and then it is.
    let row = Some(owner(THEM, THEIR_LIFE, 3));
    assert_eq!(bench.told(Input::Inquired { character: ANN, owner: row }), []);
    assert_eq!(bench.after(INQUIRE_AFTER), [Output::Inquire { character: ANN }]);
    let row = Some(owner(US, OUR_LIFE, 4));
    assert!(activates(&bench.told(Input::Inquired { character: ANN, owner: row }), 4));
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn what_the_register_has_passed_is_dropped() {
    let rows = [
        None,
        Some(owner(THEM, THEIR_LIFE, 4)),
        Some(owner(OTHERS, THEIR_LIFE, 9)),
        // Ours, but by another way: claimed after the source had released it.
        Some(owner(US, OUR_LIFE, 5)),
        // That of a former life is nobody's.
        Some(owner(US, Incarnation(OUR_LIFE.0 - 1), 4)),
    ];
    for row in rows {
        let mut bench = Bench::with_place();
        bench.prepared_for(OUR_LIFE, 3);
        bench.after(INQUIRE_AFTER);
        assert_eq!(bench.told(Input::Inquired { character: ANN, owner: row }), [], "{row:?}");
        assert_eq!(bench.handoff.under_way(), 0, "{row:?}");
    }
}

#[test]
fn an_image_is_of_no_more_use_once_the_character_is_claimed() {
    let mut bench = Bench::with_place();
    bench.prepared_for(OUR_LIFE, 3);
    // The source died, and the claim raised the epoch to that of a commit.
    bench.told(Input::Claimed { character: ANN, epoch: Epoch(4) });
    let row = Some(owner(US, OUR_LIFE, 4));
    assert_eq!(bench.told(Input::Inquired { character: ANN, owner: row }), []);
    assert_eq!(bench.prepared_for(OUR_LIFE, 3), []);
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn an_abort_drops_what_is_staged_at_its_epoch_only() {
    let mut bench = Bench::with_place();
    bench.prepared_for(OUR_LIFE, 3);
    bench.hears(THEM, Message::Aborted { character: ANN, epoch: Epoch(2) });
    assert_eq!(bench.handoff.under_way(), 1);
    bench.hears(THEM, Message::Aborted { character: ANN, epoch: Epoch(3) });
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn a_target_that_does_not_answer_is_given_up_by_raising_the_epoch() {
    let mut bench = Bench::crossing();
    let outputs = bench.after(PREPARE_MAX + TICK);
    let is_prepare =
        |it: &&Output| matches!(it, Output::Send { message: Message::Prepare { .. }, .. });
    let again = PREPARE_MAX.as_millis() / PREPARE_AGAIN.as_millis() - 1;
    assert!(outputs.iter().filter(is_prepare).count() as u128 >= again / 2);
    let bump = Output::Bump { character: ANN, owner: owner(US, OUR_LIFE, 3) };
    assert_eq!(outputs.last(), Some(&bump));
    // Too late: nothing is asked of the register.
    assert_eq!(bench.hears(THEM, Message::Prepared { character: ANN, epoch: Epoch(3) }), []);
    let raised = Some(owner(US, OUR_LIFE, 4));
    let outputs = bench.told(Input::Bumped { character: ANN, owner: raised });
    let aborted = Message::Aborted { character: ANN, epoch: Epoch(3) };
    let resume = Output::Resume { character: ANN, epoch: Epoch(4) };
    assert_eq!(outputs, [send(THEM, aborted), resume]);
    assert_eq!(bench.handoff.under_way(), 0);
}

#[test]
fn a_commit_that_is_refused_is_aborted_by_raising_the_epoch() {
    let mut bench = Bench::transferring();
    // However long it takes, it is not taken for failed.
    let outputs = bench.after(PREPARE_MAX * 4);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Bump { .. })));
    let outputs = bench.told(Input::Transferred { character: ANN, owner: None });
    assert_eq!(outputs, [Output::Bump { character: ANN, owner: owner(US, OUR_LIFE, 3) }]);
}

#[test]
fn an_abort_that_fails_lets_go_and_kills_nothing() {
    let mut bench = Bench::transferring();
    bench.told(Input::Transferred { character: ANN, owner: None });
    let outputs = bench.told(Input::Bumped { character: ANN, owner: None });
    // It may have been committed after all: then the target needs what it holds.
    assert_eq!(outputs, [Output::Lost { character: ANN }]);
    // Nothing is asked for on behalf of a character that is not ours.
    assert_eq!(bench.after(ASK_AGAIN * 2), []);
}

#[test]
fn a_client_that_went_away_in_the_same_tick_stops_a_crossing() {
    let mut bench = Bench::ready();
    let outputs = bench.hears(THEM, Message::Gone { character: ANN });
    assert_eq!(outputs, [Output::NotReady { character: ANN, to: THEM }]);
    let outputs = bench.told(Input::Cross { to: THEM, image: image_at(3, 50) });
    assert_eq!(outputs, [Output::Resume { character: ANN, epoch: Epoch(3) }]);
}

#[test]
fn a_place_lapses_unless_it_is_asked_for_again() {
    let mut bench = Bench::with_place();
    bench.told(Input::AheadConnected { character: ANN });
    for _ in 0..10 {
        assert_eq!(bench.after(PLACE_LASTS / 2), []);
        let connected = Message::Connected { character: ANN, incarnation: OUR_LIFE };
        assert_eq!(bench.hears(THEM, request()), [send(THEM, connected)]);
    }
    assert_eq!(bench.after(PLACE_LASTS), [Output::Forget { character: ANN }]);
    // Whoever comes to a place that has lapsed is sent away.
    let outputs = bench.told(Input::AheadConnected { character: ANN });
    assert_eq!(outputs, [Output::Forget { character: ANN }]);
}

#[test]
fn a_token_that_is_not_used_is_replaced() {
    let mut bench = Bench::with_place();
    let mut granted = 0;
    for _ in 0..25 {
        bench.after(ASK_AGAIN);
        granted += bench.hears(THEM, request()).len();
    }
    assert_eq!(granted as u64, 25 / TOKEN_AGAIN.as_secs());
}

#[test]
fn only_who_asked_for_a_place_gives_it_up() {
    let mut bench = Bench::with_place();
    assert_eq!(bench.hears(OTHERS, Message::Forget { character: ANN }), []);
    let outputs = bench.hears(THEM, Message::Forget { character: ANN });
    assert_eq!(outputs, [Output::Forget { character: ANN }]);
}

#[test]
fn walking_back_uses_the_connection_that_is_there() {
    let mut bench = Bench::transferring();
    let row = Some(owner(THEM, THEIR_LIFE, 4));
    bench.told(Input::Transferred { character: ANN, owner: row });
    let connected = Message::Connected { character: ANN, incarnation: OUR_LIFE };
    assert_eq!(bench.hears(THEM, request()), [send(THEM, connected)]);
    let prepared = Message::Prepared { character: ANN, epoch: Epoch(4) };
    assert_eq!(bench.prepared_for(OUR_LIFE, 4), [send(THEM, prepared)]);
    let committed = Message::Committed { character: ANN, epoch: Epoch(5) };
    assert!(activates(&bench.hears(THEM, committed), 5));
}

#[test]
fn an_offer_goes_only_to_a_character_that_is_near() {
    let mut bench = Bench::new();
    let access = ZoneAccess { zone_id: THEM.0, ..ZoneAccess::default() };
    let granted = Message::AccessGranted { character: ANN, access: access.clone() };
    assert_eq!(bench.hears(THEM, granted.clone()), []);
    bench.near(THEM);
    assert_eq!(bench.hears(OTHERS, granted.clone()), []);
    assert_eq!(bench.hears(THEM, granted), [Output::Offer { character: ANN, access }]);
    let forget = Message::Forget { character: ANN };
    assert_eq!(bench.told(Input::Away { character: ANN, to: THEM }), [send(THEM, forget)]);
    let connected = Message::Connected { character: ANN, incarnation: THEIR_LIFE };
    assert_eq!(bench.hears(THEM, connected), []);
}
