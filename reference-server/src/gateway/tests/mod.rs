//! The machine by tables and sequences; the service over real QUIC on the loopback.

mod login;
mod quic;
mod talk;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use netcode::time::Instant;
use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{ClientFrame, ErrorCode, Login, Register, SendChat, ServerFrame};

use crate::gateway::admission::Rate;
use crate::gateway::config::Limits;
use crate::gateway::sessions::{Action, CloseReason, Event, Sessions};
use crate::gateway::{FoundAccount, Input, Output, SessionId};
use crate::ids::{AccountId, CharacterId};
use crate::rating::Rating;

const PASSWORD: &str = "correct horse";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Wide enough not to be met by accident.
fn wide() -> Limits {
    Limits {
        attempts_per_address: Rate::per_minute(1_000),
        attempts_per_account: Rate::per_minute(1_000),
        requests: Rate::per_second(1_000, 1_000),
        chat: Rate::per_second(1_000, 1_000),
        ..Limits::default()
    }
}

/// The machine, with everything that it wanted done.
struct Door {
    sessions: Sessions,
    now: Instant,
    last: u64,
}

impl Door {
    fn new(limits: Limits) -> Self {
        Self { sessions: Sessions::new(limits), now: Instant::EPOCH, last: 0 }
    }

    fn drain(&mut self) -> Vec<Action> {
        core::iter::from_fn(|| self.sessions.poll_action()).collect()
    }

    fn event(&mut self, event: Event) -> Vec<Action> {
        self.sessions.handle_event(self.now, event);
        self.drain()
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        self.sessions.handle_input(input);
        self.drain()
    }

    fn wait(&mut self, duration: Duration) -> Vec<Action> {
        self.now += duration;
        self.sessions.handle_timeout(self.now);
        self.drain()
    }

    fn connect(&mut self) -> SessionId {
        self.last += 1;
        let session = SessionId(self.last);
        assert_eq!(self.event(Event::Connected { session, address: ADDRESS }), []);
        session
    }

    /// Says something as request 7.
    fn ask(&mut self, session: SessionId, body: Asked) -> Vec<Action> {
        self.event(Event::Frame { session, frame: ClientFrame { request: 7, body: Some(body) } })
    }

    /// A client that is logged in with the account of `number`.
    fn log_in(&mut self, number: u64) -> SessionId {
        let session = self.connect();
        self.ask(session, login(&name(number), PASSWORD));
        let found = Ok(Some(account(number)));
        self.input(Input::AccountFound { session, request: 7, found });
        let actions = self.event(Event::Verified { session, is_right: true });
        let [.., Action::Tell(Output::LoggedIn { character, .. })] = actions.as_slice() else {
            panic!("logged in, not {actions:?}");
        };
        assert_eq!(*character, CharacterId(number));
        session
    }
}

fn name(number: u64) -> String {
    format!("player-{number}")
}

fn account(number: u64) -> FoundAccount {
    FoundAccount {
        account: AccountId(1_000 + number),
        character: CharacterId(number),
        name: name(number),
        password_hash: "hash".into(),
        rating: Rating::default(),
    }
}

fn login(name: &str, password: &str) -> Asked {
    Asked::Login(Login { name: name.into(), password: password.into() })
}

fn register(name: &str, password: &str) -> Asked {
    Asked::Register(Register { name: name.into(), password: password.into() })
}

fn say(channel: &str, to_character: u64, text: &str) -> Asked {
    Asked::SendChat(SendChat { channel: channel.into(), to_character, text: text.into() })
}

/// The code of an action that sends an error in answer to request 7.
fn code_of(action: &Action) -> Option<ErrorCode> {
    match action {
        Action::Send { frame, .. } => code_in(frame),
        _ => None,
    }
}

fn code_in(frame: &ServerFrame) -> Option<ErrorCode> {
    match &frame.body {
        Some(Body::Error(error)) => Some(error.code()),
        _ => None,
    }
}

#[track_caller]
fn check_refused(actions: &[Action], expected: ErrorCode) {
    let codes: Vec<Option<ErrorCode>> = actions.iter().map(code_of).collect();
    assert_eq!(codes, [Some(expected)], "{actions:?}");
}

#[track_caller]
fn check_closed(actions: &[Action], session: SessionId, expected: CloseReason) {
    let close = Action::Close { session, reason: expected };
    assert!(actions.contains(&close), "{actions:?}");
}
