//! The machine of the gateway: what clients and the rest of the server say, in; what to do, out.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use netcode::time::Instant;
use shardline_protocol::control::client_frame::Body as Asked;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{ClientFrame, Done, Error, ErrorCode, ServerFrame};

use crate::gateway::admission::{AddressPrefix, Buckets, retry_after_ms};
use crate::gateway::config::Limits;
use crate::gateway::session::{Player, QUEUE_BYTES_MAX, Session, State};
use crate::gateway::{Input, MatchCommand, Output, Password, SessionId};
use crate::ids::{AccountId, CharacterId, MatchId, PartyId, TicketId};

mod chat;
mod login;

/// What the service tells the machine.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A client has connected. Its id is fresh.
    Connected {
        /// Which.
        session: SessionId,
        /// From where.
        address: IpAddr,
    },
    /// A client is gone.
    Disconnected {
        /// Which.
        session: SessionId,
    },
    /// A client said something.
    Frame {
        /// Which.
        session: SessionId,
        /// What.
        frame: ClientFrame,
    },
    /// Answers [`Action::Hash`].
    Hashed {
        /// As asked.
        session: SessionId,
        /// A PHC string; none if that failed.
        hash: Option<String>,
    },
    /// Answers [`Action::Verify`].
    Verified {
        /// As asked.
        session: SessionId,
        /// The password is the account's.
        is_right: bool,
    },
}

/// What the service is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Close a connection, after what was to be sent before. No event of it counts any more.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// Hash a password, then say [`Event::Hashed`].
    Hash {
        /// For which session.
        session: SessionId,
        /// What.
        password: Password,
    },
    /// Send a frame.
    Send {
        /// To whom.
        session: SessionId,
        /// What.
        frame: ServerFrame,
    },
    /// Tell the rest of the server.
    Tell(Output),
    /// Compare a password, then say [`Event::Verified`].
    Verify {
        /// For which session.
        session: SessionId,
        /// What was given.
        password: Password,
        /// What it should be; none if there is no account, which takes as long.
        hash: Option<String>,
    },
}

/// Why the gateway closes a connection, and the QUIC application error code that says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum CloseReason {
    /// Nothing is wrong.
    Done = 0,
    /// Bytes that are no frame, or streams that the protocol does not have.
    Malformed = 1,
    /// Not logged in within the time allowed.
    NotLoggedIn = 2,
    /// The account has logged in elsewhere.
    Replaced = 3,
    /// The server shuts down.
    ShuttingDown = 4,
    /// The client does not read what it is sent.
    SlowReader = 5,
}

/// All sessions. Drain [`poll_action`](Self::poll_action) after every call of `handle_*`.
#[derive(Debug)]
pub struct Sessions {
    limits: Limits,
    sessions: BTreeMap<SessionId, Session>,
    /// Of the sessions that are logged in: one each.
    by_account: BTreeMap<AccountId, SessionId>,
    by_character: BTreeMap<CharacterId, SessionId>,
    /// Of the sessions that are not logged in: one each.
    deadlines: BTreeSet<(Instant, SessionId)>,
    matches: BTreeMap<MatchId, Vec<CharacterId>>,
    match_of: BTreeMap<CharacterId, MatchId>,
    attempts_by_address: Buckets<AddressPrefix>,
    attempts_by_account: Buckets<String>,
    is_draining: bool,
    refused: Refused,
    actions: VecDeque<Action>,
}

/// Requests that the gateway refused itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    /// All.
    pub total: u64,
    /// For asking too often.
    pub rate_limited: u64,
}

/// Why a request is refused.
type Refusal = (ErrorCode, &'static str, Option<Duration>);

fn because(code: ErrorCode, message: &'static str) -> Refusal {
    (code, message, None)
}

impl Sessions {
    /// Nobody is here.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: BTreeMap::new(),
            by_account: BTreeMap::new(),
            by_character: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            matches: BTreeMap::new(),
            match_of: BTreeMap::new(),
            attempts_by_address: Buckets::new(limits.attempts_per_address, limits.keys_max),
            attempts_by_account: Buckets::new(limits.attempts_per_account, limits.keys_max),
            is_draining: false,
            refused: Refused::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes what the service says.
    pub fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected { session, address } => {
                let deadline = now + self.limits.login_within;
                let prefix = AddressPrefix::of(address);
                self.sessions.insert(session, Session::new(prefix, deadline));
                self.deadlines.insert((deadline, session));
            }
            Event::Disconnected { session } => self.forget(session),
            Event::Frame { session, frame } => self.on_frame(now, session, frame),
            Event::Hashed { session, hash } => self.on_hashed(session, hash),
            Event::Verified { session, is_right } => self.on_verified(session, is_right),
        }
    }

    /// Takes what the rest of the server says.
    pub fn handle_input(&mut self, input: Input) {
        match input {
            Input::AccountFound { session, request, found } => {
                self.on_account_found(session, request, found);
            }
            Input::AccountCreated { session, request, result } => {
                self.on_account_created(session, request, result);
            }
            Input::Reply { session, request, body } => {
                let waiting = self.sessions.get_mut(&session).map(|it| &mut it.waiting);
                if waiting.is_some_and(|waiting| waiting.remove(&request)) {
                    self.send(session, request, body);
                }
            }
            Input::Push { character, body } => {
                if let Some(session) = self.by_character.get(&character).copied() {
                    self.send(session, 0, body);
                }
            }
            Input::MatchStarted { match_id, members } => self.on_match_started(match_id, members),
            Input::MatchEnded { match_id } => self.on_match_ended(match_id),
            Input::Drain => self.is_draining = true,
        }
    }

    /// Closes who has not logged in in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, session)) = self.deadlines.first().copied().filter(|it| it.0 <= now) {
            self.close(session, CloseReason::NotLoggedIn);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Closes everybody, for a reason that concerns all.
    pub fn close_all(&mut self, reason: CloseReason) {
        let all: Vec<SessionId> = self.sessions.keys().copied().collect();
        all.into_iter().for_each(|session| self.close(session, reason));
    }

    /// Sessions that are logged in.
    pub fn logged_in(&self) -> usize {
        self.by_account.len()
    }

    /// What was refused so far.
    pub fn refused(&self) -> Refused {
        self.refused
    }

    fn on_frame(&mut self, now: Instant, session: SessionId, frame: ClientFrame) {
        let request = frame.request;
        if let Err((code, message, wait)) = self.on_request(now, session, frame) {
            self.refused.total += 1;
            self.refused.rate_limited += u64::from(code == ErrorCode::RateLimited);
            let retry_after_ms = wait.map_or(0, retry_after_ms);
            let error = Error { code: code.into(), message: message.into(), retry_after_ms };
            self.send(session, request, Body::Error(error));
        }
    }

    fn on_request(
        &mut self,
        now: Instant,
        session: SessionId,
        frame: ClientFrame,
    ) -> Result<(), Refusal> {
        let request = frame.request;
        // Said before it was closed.
        let Some(it) = self.sessions.get_mut(&session) else { return Ok(()) };
        it.requests
            .take(now, self.limits.requests)
            .map_err(|wait| (ErrorCode::RateLimited, "too many requests", Some(wait)))?;
        if request == 0 || it.waiting.contains(&request) {
            let message = "a request has a number of its own, and never 0";
            return Err(because(ErrorCode::Malformed, message));
        }
        let Some(asked) = frame.body else {
            return Err(because(ErrorCode::Unsupported, "unknown request"));
        };
        let command = match asked {
            Asked::Register(register) => return self.register(now, session, request, register),
            Asked::Login(login) => return self.login(now, session, request, login),
            Asked::SendChat(chat) => return self.chat(now, session, request, chat),
            Asked::EnterWorld(enter) => {
                let client_public = <[u8; 32]>::try_from(&enter.client_public_key[..]);
                return self.enter_world(session, request, client_public.ok());
            }
            Asked::CreateParty(_) => MatchCommand::CreateParty,
            Asked::JoinParty(join) => MatchCommand::JoinParty(PartyId(join.party_id)),
            Asked::LeaveParty(_) => MatchCommand::LeaveParty,
            Asked::Enqueue(enqueue) => MatchCommand::Enqueue(enqueue.queue),
            Asked::CancelTicket(cancel) => MatchCommand::Cancel(TicketId(cancel.ticket_id)),
        };
        self.matchmaking(session, request, command)
    }

    fn enter_world(
        &mut self,
        session: SessionId,
        request: u64,
        client_public: Option<[u8; 32]>,
    ) -> Result<(), Refusal> {
        let Player { account, character, name } = self.player(session)?.clone();
        let Some(client_public) = client_public else {
            return Err(because(ErrorCode::Malformed, "a public key has 32 bytes"));
        };
        self.wait_for(session, request)?;
        self.tell(Output::EnterWorld { session, request, account, character, name, client_public });
        Ok(())
    }

    fn matchmaking(
        &mut self,
        session: SessionId,
        request: u64,
        command: MatchCommand,
    ) -> Result<(), Refusal> {
        let character = self.player(session)?.character;
        if let MatchCommand::Enqueue(queue) = &command
            && queue.len() > QUEUE_BYTES_MAX
        {
            return Err(because(ErrorCode::NotFound, "no such queue"));
        }
        self.wait_for(session, request)?;
        self.tell(Output::Matchmaking { session, request, character, command });
        Ok(())
    }

    /// Remembers that the rest of the server owes an answer.
    fn wait_for(&mut self, session: SessionId, request: u64) -> Result<(), Refusal> {
        let Some(it) = self.sessions.get_mut(&session) else { return Ok(()) };
        if it.waiting.len() >= self.limits.requests_waiting_max {
            let wait = Some(Duration::from_secs(1));
            return Err((ErrorCode::RateLimited, "too many requests wait for an answer", wait));
        }
        it.waiting.insert(request);
        Ok(())
    }

    fn player(&self, session: SessionId) -> Result<&Player, Refusal> {
        let player = self.sessions.get(&session).and_then(Session::player);
        player.ok_or_else(|| because(ErrorCode::Unauthenticated, "log in first"))
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.forget(session);
        self.actions.push_back(Action::Close { session, reason });
    }

    /// The session is over, whoever ended it.
    fn forget(&mut self, session: SessionId) {
        let Some(it) = self.sessions.remove(&session) else { return };
        self.deadlines.remove(&(it.deadline, session));
        if let State::LoggedIn(player) = it.state {
            self.by_account.remove(&player.account);
            self.by_character.remove(&player.character);
            self.tell(Output::LoggedOut { session, character: player.character });
        }
    }

    fn done(&mut self, session: SessionId, request: u64) {
        self.send(session, request, Body::Done(Done {}));
    }

    fn send(&mut self, session: SessionId, request: u64, body: Body) {
        let frame = ServerFrame { request, body: Some(body) };
        self.actions.push_back(Action::Send { session, frame });
    }

    fn tell(&mut self, output: Output) {
        self.actions.push_back(Action::Tell(output));
    }
}
