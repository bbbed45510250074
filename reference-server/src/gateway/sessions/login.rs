//! Registering and logging in: the store is asked, and a password is hashed, one after the other.

use core::mem;

use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{Error, ErrorCode, Login, Register, Registered};

use crate::gateway::session::{Player, Session, State, is_name, is_password};
use crate::gateway::sessions::{Action, CloseReason, Refusal, Sessions, because};
use crate::gateway::{CreateAccountError, FoundAccount, Output, Password, SessionId, Unavailable};
use crate::ids::AccountId;

impl Sessions {
    pub(super) fn register(
        &mut self,
        now: Instant,
        session: SessionId,
        request: u64,
        register: Register,
    ) -> Result<(), Refusal> {
        let (name, password) = (register.name, register.password);
        self.may_try(now, session, &name, &password)?;
        self.set_state(session, State::Hashing { request, name });
        let password = Password::new(password);
        self.actions.push_back(Action::Hash { session, password });
        Ok(())
    }

    pub(super) fn login(
        &mut self,
        now: Instant,
        session: SessionId,
        request: u64,
        login: Login,
    ) -> Result<(), Refusal> {
        let (name, password) = (login.name, login.password);
        self.may_try(now, session, &name, &password)?;
        // However it is written, it is one account.
        self.attempts_by_account
            .take(now, &name.to_ascii_lowercase())
            .map_err(|wait| (ErrorCode::RateLimited, "too many attempts", Some(wait)))?;
        let password = Password::new(password);
        self.set_state(session, State::Finding { request, password });
        self.tell(Output::FindAccount { session, request, name });
        Ok(())
    }

    pub(super) fn on_hashed(&mut self, session: SessionId, hash: Option<String>) {
        match self.take_state(session) {
            Some(State::Hashing { request, name }) => match hash {
                Some(password_hash) => {
                    self.set_state(session, State::Creating { request });
                    self.tell(Output::CreateAccount { session, request, name, password_hash });
                }
                None => self.fail(session, request, ErrorCode::Internal, "hashing failed"),
            },
            other => self.put_back(session, other),
        }
    }

    pub(super) fn on_account_created(
        &mut self,
        session: SessionId,
        request: u64,
        result: Result<AccountId, CreateAccountError>,
    ) {
        match self.take_state(session) {
            Some(State::Creating { request: expected }) if expected == request => {}
            other => return self.put_back(session, other),
        }
        match result {
            Ok(account) => {
                let registered = Registered { account_id: account.0 };
                self.send(session, request, Body::Registered(registered));
            }
            Err(CreateAccountError::NameTaken) => {
                self.fail(session, request, ErrorCode::NameTaken, "the name is taken");
            }
            Err(CreateAccountError::Unavailable) => self.fail_for_store(session, request),
        }
    }

    pub(super) fn on_account_found(
        &mut self,
        session: SessionId,
        request: u64,
        found: Result<Option<FoundAccount>, Unavailable>,
    ) {
        let password = match self.take_state(session) {
            Some(State::Finding { request: expected, password }) if expected == request => password,
            other => return self.put_back(session, other),
        };
        match found {
            Ok(found) => {
                let hash = found.as_ref().map(|found| found.password_hash.clone());
                let found = found.map(Box::new);
                self.set_state(session, State::Verifying { request, found });
                self.actions.push_back(Action::Verify { session, password, hash });
            }
            Err(Unavailable) => self.fail_for_store(session, request),
        }
    }

    pub(super) fn on_verified(&mut self, session: SessionId, is_right: bool) {
        let (request, found) = match self.take_state(session) {
            Some(State::Verifying { request, found }) => (request, found),
            other => return self.put_back(session, other),
        };
        match found {
            Some(found) if is_right && !self.is_draining => {
                self.on_authenticated(session, request, *found);
            }
            Some(_) if is_right => self.fail_for_drain(session, request),
            _ => {
                let message = "name or password is wrong";
                self.fail(session, request, ErrorCode::BadCredentials, message);
            }
        }
    }

    fn on_authenticated(&mut self, session: SessionId, request: u64, found: FoundAccount) {
        let FoundAccount { account, character, name, rating, .. } = found;
        if let Some(earlier) = self.by_account.get(&account).copied() {
            self.close(earlier, CloseReason::Replaced);
        }
        self.by_account.insert(account, session);
        self.by_character.insert(character, session);
        if let Some(it) = self.sessions.get(&session) {
            self.deadlines.remove(&(it.deadline, session));
        }
        let player = Player { account, character, name: name.clone() };
        self.set_state(session, State::LoggedIn(player));
        let body = shardline_protocol::control::Session {
            account_id: account.0,
            character_id: character.0,
            name: name.clone(),
            rating: rating.value,
            rating_deviation: rating.deviation,
        };
        self.send(session, request, Body::Session(body));
        self.tell(Output::LoggedIn { session, account, character, name, rating });
    }

    /// The checks that registering and logging in share, the cheapest first.
    fn may_try(
        &mut self,
        now: Instant,
        session: SessionId,
        name: &str,
        password: &str,
    ) -> Result<(), Refusal> {
        let Some(it) = self.sessions.get(&session) else { return Ok(()) };
        match it.state {
            State::Fresh => {}
            State::LoggedIn(_) => return Err(because(ErrorCode::Conflict, "already logged in")),
            _ => return Err(because(ErrorCode::Conflict, "one attempt at a time")),
        }
        if self.is_draining {
            return Err(because(ErrorCode::Unavailable, "the server is shutting down"));
        }
        if !is_name(name) {
            let message = "a name has 3 to 24 characters of A-Z a-z 0-9 _ -";
            return Err(because(ErrorCode::Malformed, message));
        }
        if !is_password(password) {
            return Err(because(ErrorCode::Malformed, "a password has 8 to 128 bytes"));
        }
        self.attempts_by_address
            .take(now, &it.prefix)
            .map_err(|wait| (ErrorCode::RateLimited, "too many attempts", Some(wait)))
    }

    fn fail_for_store(&mut self, session: SessionId, request: u64) {
        self.fail(session, request, ErrorCode::Unavailable, "accounts cannot be reached");
    }

    fn fail_for_drain(&mut self, session: SessionId, request: u64) {
        self.fail(session, request, ErrorCode::Unavailable, "the server is shutting down");
    }

    /// An attempt has failed: another may follow.
    fn fail(&mut self, session: SessionId, request: u64, code: ErrorCode, message: &str) {
        let error = Error { code: code.into(), message: message.into(), retry_after_ms: 0 };
        self.send(session, request, Body::Error(error));
    }

    /// Leaves [`State::Fresh`] behind.
    fn take_state(&mut self, session: SessionId) -> Option<State> {
        let it = self.sessions.get_mut(&session)?;
        Some(mem::replace(&mut it.state, State::Fresh))
    }

    /// An answer that nobody waits for changes nothing.
    fn put_back(&mut self, session: SessionId, state: Option<State>) {
        if let Some(state) = state {
            self.set_state(session, state);
        }
    }

    fn set_state(&mut self, session: SessionId, state: State) {
        if let Some(it) = self.sessions.get_mut(&session) {
            let it: &mut Session = it;
            it.state = state;
        }
    }
}
