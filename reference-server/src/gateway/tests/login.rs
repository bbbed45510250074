//! From a connection to a player, and all the ways in which it does not get there.

use core::time::Duration;

use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{ClientFrame, ErrorCode, LeaveParty, ServerFrame};

use super::{
    Action, CloseReason, Door, Event, Input, Limits, Output, PASSWORD, Rate, account, check_closed,
    check_refused, code_of, login, name, register, wide,
};
use crate::gateway::{CreateAccountError, Password, SessionId, Unavailable};
use crate::ids::{AccountId, CharacterId};

#[test]
fn an_account_is_created_with_a_hash() {
    let mut door = Door::new(wide());
    let session = door.connect();
    let password = Password::new(PASSWORD.into());
    let asked = door.ask(session, register("alice", PASSWORD));
    assert_eq!(asked, [Action::Hash { session, password }]);

    let password_hash = "$argon2id$...".to_owned();
    let hashed = door.event(Event::Hashed { session, hash: Some(password_hash.clone()) });
    let create = Output::CreateAccount { session, request: 7, name: "alice".into(), password_hash };
    assert_eq!(hashed, [Action::Tell(create)]);

    let created =
        door.input(Input::AccountCreated { session, request: 7, result: Ok(AccountId(9)) });
    let [
        Action::Send {
            frame: ServerFrame { request: 7, body: Some(Body::Registered(it)) }, ..
        },
    ] = created.as_slice()
    else {
        panic!("registered, not {created:?}");
    };
    assert_eq!(it.account_id, 9);
    // And goes on to log in.
    assert!(matches!(door.ask(session, login("alice", PASSWORD))[..], [Action::Tell(_)]));
}

#[test]
fn attempts_fail_with_the_code_of_their_reason() {
    type Answer = fn(&mut Door, SessionId) -> Vec<Action>;
    let found: Answer = |door, session| {
        let found = Ok(Some(account(1)));
        door.input(Input::AccountFound { session, request: 7, found });
        door.event(Event::Verified { session, is_right: false })
    };
    let not_found: Answer = |door, session| {
        let verify = door.input(Input::AccountFound { session, request: 7, found: Ok(None) });
        // Compared all the same, so that the time tells nothing.
        assert!(matches!(verify[..], [Action::Verify { hash: None, .. }]), "{verify:?}");
        door.event(Event::Verified { session, is_right: true })
    };
    let store_away: Answer = |door, session| {
        door.input(Input::AccountFound { session, request: 7, found: Err(Unavailable) })
    };
    let taken: Answer = |door, session| {
        door.event(Event::Hashed { session, hash: Some("hash".into()) });
        let result = Err(CreateAccountError::NameTaken);
        door.input(Input::AccountCreated { session, request: 7, result })
    };
    let no_hash: Answer = |door, session| door.event(Event::Hashed { session, hash: None });
    let table = [
        (login(&name(1), PASSWORD), found, ErrorCode::BadCredentials),
        (login(&name(1), PASSWORD), not_found, ErrorCode::BadCredentials),
        (login(&name(1), PASSWORD), store_away, ErrorCode::Unavailable),
        (register(&name(1), PASSWORD), taken, ErrorCode::NameTaken),
        (register(&name(1), PASSWORD), no_hash, ErrorCode::Internal),
    ];
    for (asked, answer, expected) in table {
        let mut door = Door::new(wide());
        let session = door.connect();
        door.ask(session, asked);
        check_refused(&answer(&mut door, session), expected);
        // Whatever happened, another attempt is possible.
        assert!(matches!(door.ask(session, login(&name(1), PASSWORD))[..], [Action::Tell(_)]));
    }
}

#[test]
fn requests_out_of_bounds_or_out_of_place_are_refused() {
    let mut door = Door::new(wide());
    let session = door.connect();
    let table = [
        (login("al", PASSWORD), ErrorCode::Malformed),
        (register("not a name", PASSWORD), ErrorCode::Malformed),
        (register("alice", "short"), ErrorCode::Malformed),
        (Asked::LeaveParty(LeaveParty {}), ErrorCode::Unauthenticated),
        (super::say("world", 0, "hello"), ErrorCode::Unauthenticated),
        (Asked::EnterWorld(Default::default()), ErrorCode::Unauthenticated),
    ];
    for (asked, expected) in table {
        check_refused(&door.ask(session, asked), expected);
    }
    let unknown = ClientFrame { request: 7, body: None };
    check_refused(&door.event(Event::Frame { session, frame: unknown }), ErrorCode::Unsupported);
    let unnamed = ClientFrame { request: 0, body: Some(login("alice", PASSWORD)) };
    check_refused(&door.event(Event::Frame { session, frame: unnamed }), ErrorCode::Malformed);

    door.ask(session, login("alice", PASSWORD));
    check_refused(&door.ask(session, login("alice", PASSWORD)), ErrorCode::Conflict);
    let player = door.log_in(1);
    check_refused(&door.ask(player, register("alice", PASSWORD)), ErrorCode::Conflict);
    check_refused(&door.ask(player, Asked::EnterWorld(Default::default())), ErrorCode::Malformed);
    assert_eq!(door.sessions.refused().total, 11);
}

#[test]
fn a_second_login_replaces_the_first() {
    let mut door = Door::new(wide());
    let first = door.log_in(1);
    let second = door.connect();
    door.ask(second, login(&name(1), PASSWORD));
    door.input(Input::AccountFound { session: second, request: 7, found: Ok(Some(account(1))) });
    let actions = door.event(Event::Verified { session: second, is_right: true });
    check_closed(&actions, first, CloseReason::Replaced);
    let told: Vec<&Output> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Tell(output) => Some(output),
            _ => None,
        })
        .collect();
    let logged_out = Output::LoggedOut { session: first, character: CharacterId(1) };
    assert!(
        matches!(
            told[..],
            [out, Output::LoggedIn { session, .. }] if *out == logged_out && *session == second
        ),
        "{told:?}"
    );
    assert_eq!(door.sessions.logged_in(), 1);

    // The end of the first says nothing about the second.
    assert_eq!(door.event(Event::Disconnected { session: first }), []);
    assert_eq!(door.sessions.logged_in(), 1);
    let out = door.event(Event::Disconnected { session: second });
    assert!(
        matches!(out[..], [Action::Tell(Output::LoggedOut { session, .. })] if session == second)
    );
}

#[test]
fn attempts_are_limited_by_address_and_by_account() {
    let by_address = Limits { attempts_per_address: Rate::per_minute(3), ..wide() };
    let by_account = Limits { attempts_per_account: Rate::per_minute(3), ..wide() };
    for (limits, names) in [
        (by_address, ["one", "two", "three", "four"]),
        (by_account, ["alice", "Alice", "ALICE", "aLICE"]),
    ] {
        let mut door = Door::new(limits);
        let results = names.map(|name| {
            let session = door.connect();
            door.ask(session, login(name, PASSWORD))
        });
        assert!(results[..3].iter().all(|it| matches!(it[..], [Action::Tell(_)])), "{results:?}");
        check_refused(&results[3], ErrorCode::RateLimited);
        let retry = results[3].iter().find_map(|action| match action {
            Action::Send { frame, .. } => match &frame.body {
                Some(Body::Error(error)) => Some(error.retry_after_ms),
                _ => None,
            },
            _ => None,
        });
        assert_eq!(retry, Some(20_000));
        door.now += Duration::from_secs(20);
        let session = door.connect();
        assert_eq!(code_of(&door.ask(session, login("alice", PASSWORD))[0]), None);
    }
}

#[test]
fn who_does_not_log_in_does_not_stay() {
    let mut door = Door::new(wide());
    let (idle, player) = (door.connect(), door.log_in(1));
    let within = wide().login_within;
    assert_eq!(door.wait(within - Duration::from_millis(1)), []);
    check_closed(&door.wait(Duration::from_millis(1)), idle, CloseReason::NotLoggedIn);
    assert_eq!((door.sessions.poll_timeout(), door.sessions.logged_in()), (None, 1));
    assert!(!door.ask(player, super::say("world", 0, "here")).is_empty());
    assert_eq!(door.ask(idle, login("alice", PASSWORD)), [], "closed is closed");
}

#[test]
fn a_draining_server_lets_nobody_in_and_nobody_down() {
    let mut door = Door::new(wide());
    let (player, half_way, late) = (door.log_in(1), door.connect(), door.connect());
    door.ask(half_way, login(&name(2), PASSWORD));
    door.input(Input::Drain);
    check_refused(&door.ask(late, register("alice", PASSWORD)), ErrorCode::Unavailable);
    let found = Ok(Some(account(2)));
    door.input(Input::AccountFound { session: half_way, request: 7, found });
    let verified = door.event(Event::Verified { session: half_way, is_right: true });
    check_refused(&verified, ErrorCode::Unavailable);
    assert!(!door.ask(player, super::say("world", 0, "still here")).is_empty());

    door.sessions.close_all(CloseReason::ShuttingDown);
    let actions = door.drain();
    for session in [player, half_way, late] {
        check_closed(&actions, session, CloseReason::ShuttingDown);
    }
    let out = Output::LoggedOut { session: player, character: CharacterId(1) };
    assert!(actions.contains(&Action::Tell(out)));
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut door = Door::new(wide());
    let (fresh, player) = (door.connect(), door.log_in(1));
    for session in [fresh, player, SessionId(99)] {
        let found = Ok(Some(account(5)));
        assert_eq!(door.input(Input::AccountFound { session, request: 7, found }), []);
        let result = Ok(AccountId(5));
        assert_eq!(door.input(Input::AccountCreated { session, request: 7, result }), []);
        assert_eq!(door.event(Event::Verified { session, is_right: true }), []);
        assert_eq!(door.event(Event::Hashed { session, hash: Some("hash".into()) }), []);
        let body = Body::Done(Default::default());
        assert_eq!(door.input(Input::Reply { session, request: 7, body }), []);
    }
    assert_eq!(door.sessions.logged_in(), 1);

    // Nor do answers to another request than the one that waits.
    door.ask(fresh, login(&name(2), PASSWORD));
    let found = Ok(Some(account(2)));
    assert_eq!(door.input(Input::AccountFound { session: fresh, request: 8, found }), []);
}
