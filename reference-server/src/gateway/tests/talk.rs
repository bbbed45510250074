//! What players may do once they are in: ask for things, and talk.

use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{
    CancelTicket, CreateParty, Done, Enqueue, EnterWorld, ErrorCode, JoinParty, LeaveParty,
    ServerFrame,
};

use super::{Action, Door, Input, Limits, Output, Rate, check_refused, name, say, wide};
use crate::gateway::{ChatChannel, MatchCommand, SessionId};
use crate::ids::{AccountId, CharacterId, MatchId, PartyId, TicketId};

#[test]
fn commands_reach_the_matchmaker_as_they_are() {
    let table = [
        (Asked::CreateParty(CreateParty {}), MatchCommand::CreateParty),
        (Asked::JoinParty(JoinParty { party_id: 5 }), MatchCommand::JoinParty(PartyId(5))),
        (Asked::LeaveParty(LeaveParty {}), MatchCommand::LeaveParty),
        (Asked::Enqueue(Enqueue { queue: "arena".into() }), MatchCommand::Enqueue("arena".into())),
        (Asked::CancelTicket(CancelTicket { ticket_id: 6 }), MatchCommand::Cancel(TicketId(6))),
    ];
    for (asked, command) in table {
        let mut door = Door::new(wide());
        let session = door.log_in(1);
        let character = CharacterId(1);
        let told = Output::Matchmaking { session, request: 7, character, command };
        assert_eq!(door.ask(session, asked), [Action::Tell(told)]);
    }
    let mut door = Door::new(wide());
    let session = door.log_in(1);
    let giant = Asked::Enqueue(Enqueue { queue: "x".repeat(65) });
    check_refused(&door.ask(session, giant), ErrorCode::NotFound);
}

#[test]
fn the_way_into_the_world_is_bound_to_a_key() {
    let mut door = Door::new(wide());
    let session = door.log_in(1);
    let enter =
        |bytes: usize| Asked::EnterWorld(EnterWorld { client_public_key: vec![9; bytes].into() });
    for bytes in [0, 31, 33] {
        check_refused(&door.ask(session, enter(bytes)), ErrorCode::Malformed);
    }
    let told = Output::EnterWorld {
        session,
        request: 7,
        account: AccountId(1_001),
        character: CharacterId(1),
        name: name(1),
        client_public: [9; 32],
    };
    assert_eq!(door.ask(session, enter(32)), [Action::Tell(told)]);
}

#[test]
fn a_request_is_answered_once_and_its_number_is_its_own() {
    let mut door = Door::new(wide());
    let session = door.log_in(1);
    let ask = |door: &mut Door| door.ask(session, Asked::LeaveParty(LeaveParty {}));
    ask(&mut door);
    check_refused(&ask(&mut door), ErrorCode::Malformed);

    let body = Body::Done(Done {});
    let answer = Input::Reply { session, request: 7, body: body.clone() };
    let frame = ServerFrame { request: 7, body: Some(body) };
    assert_eq!(door.input(answer.clone()), [Action::Send { session, frame }]);
    assert_eq!(door.input(answer), [], "once");
    assert!(matches!(ask(&mut door)[..], [Action::Tell(_)]), "the number is free again");
}

#[test]
fn requests_are_limited_in_rate_and_in_number() {
    let few = Limits { requests: Rate::per_second(10, 2), ..wide() };
    let mut door = Door::new(few);
    let session = door.log_in(1);
    let _ = door.ask(session, say("world", 0, "one"));
    check_refused(&door.ask(session, say("world", 0, "two")), ErrorCode::RateLimited);
    assert_eq!(door.sessions.refused().rate_limited, 1);

    let mut door = Door::new(Limits { requests_waiting_max: 2, ..wide() });
    let session = door.log_in(1);
    let asked: Vec<Vec<Action>> = (1..=3)
        .map(|request| {
            let body = Some(Asked::LeaveParty(LeaveParty {}));
            let frame = shardline_protocol::control::ClientFrame { request, body };
            door.event(super::Event::Frame { session, frame })
        })
        .collect();
    check_refused(&asked[2], ErrorCode::RateLimited);
}

/// Who is sent a chat message, in order.
fn listeners(actions: &[Action]) -> Vec<SessionId> {
    let heard = actions.iter().filter_map(|action| match action {
        Action::Send { session, frame: ServerFrame { request: 0, body: Some(Body::Chat(_)) } } => {
            Some(*session)
        }
        _ => None,
    });
    heard.collect()
}

#[test]
fn a_channel_decides_who_hears() {
    let mut door = Door::new(wide());
    let stranger = door.connect();
    let [one, two, three] = [1, 2, 3].map(|number| door.log_in(number));
    let (match_id, members) = (MatchId(4), vec![CharacterId(1), CharacterId(3)]);
    door.input(Input::MatchStarted { match_id, members });

    let world = door.ask(one, say("world", 0, "hello"));
    assert_eq!(listeners(&world), [one, two, three], "not {stranger:?}");
    assert_eq!(listeners(&door.ask(one, say("match", 0, "hello"))), [one, three]);
    assert_eq!(listeners(&door.ask(one, say("whisper", 2, "hello"))), [two]);

    let (from, text) = (CharacterId(1), "hello".to_owned());
    let record = Output::Chat { from, channel: ChatChannel::World, text };
    assert!(world.ends_with(&[Action::Tell(record)]), "{world:?}");
    let done = ServerFrame { request: 7, body: Some(Body::Done(Done {})) };
    assert!(world.contains(&Action::Send { session: one, frame: done }), "{world:?}");
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut door = Door::new(Limits { chat: Rate::per_second(1, 2), ..wide() });
    let session = door.log_in(1);
    let table = [
        (say("world", 0, ""), ErrorCode::Malformed),
        (say("world", 0, &"x".repeat(257)), ErrorCode::Malformed),
        (say("world", 0, "\x1b[2J"), ErrorCode::Malformed),
        (say("match", 0, "hello"), ErrorCode::Conflict),
        (say("whisper", 99, "hello"), ErrorCode::NotFound),
        (say("guild", 0, "hello"), ErrorCode::NotFound),
    ];
    for (asked, expected) in table {
        check_refused(&door.ask(session, asked), expected);
    }
    // None of these has cost anything.
    assert!(listeners(&door.ask(session, say("world", 0, "one"))).len() == 1);
    assert!(listeners(&door.ask(session, say("world", 0, "two"))).len() == 1);
    check_refused(&door.ask(session, say("world", 0, "three")), ErrorCode::RateLimited);
}

#[test]
fn the_channel_of_a_match_ends_with_it() {
    let mut door = Door::new(wide());
    let session = door.log_in(1);
    let members = vec![CharacterId(1)];
    door.input(Input::MatchStarted { match_id: MatchId(1), members: members.clone() });
    door.input(Input::MatchStarted { match_id: MatchId(2), members });
    door.input(Input::MatchEnded { match_id: MatchId(1) });
    assert_eq!(listeners(&door.ask(session, say("match", 0, "hello"))), [session]);
    door.input(Input::MatchEnded { match_id: MatchId(2) });
    check_refused(&door.ask(session, say("match", 0, "hello")), ErrorCode::Conflict);
}

#[test]
fn pushes_reach_who_is_here() {
    let mut door = Door::new(wide());
    let session = door.log_in(1);
    let body = Body::Done(Done {});
    let push = |number| Input::Push { character: CharacterId(number), body: body.clone() };
    let frame = ServerFrame { request: 0, body: Some(body.clone()) };
    assert_eq!(door.input(push(1)), [Action::Send { session, frame }]);
    assert_eq!(door.input(push(2)), []);
}
