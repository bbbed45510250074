//! Requests to the gateway that wait for their answers, and what the gateway says.
//!
//! Every request is answered by exactly one event: the gateway's answer, or why there is none.
//!
//! Deliberately absent: the connection, and the world.

use core::time::Duration;
use std::collections::BTreeMap;

use netcode::time::Instant;
use shardline_protocol::control::server_frame::Body;
use shardline_protocol::control::{Error, ErrorCode, ServerFrame, ZoneAccess};

use crate::error::RequestError;
use crate::event::{ClientEvent, RequestId};
use crate::session::Session;

/// Requests that may wait at a time.
pub(crate) const REQUESTS_MAX: usize = 64;

/// What was asked for, as far as its fate matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Login,
    EnterWorld,
    Other,
}

/// What the rest of the client has to do about a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Event(ClientEvent),
    /// The way into the world, as asked for.
    Access {
        request: RequestId,
        access: ZoneAccess,
    },
    /// There is no way into the world.
    NoAccess {
        request: RequestId,
        error: RequestError,
    },
    Nothing,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    deadline: Instant,
}

/// The requests that wait.
#[derive(Debug)]
pub(crate) struct Lobby {
    timeout: Duration,
    last: u64,
    open: BTreeMap<RequestId, Open>,
}

impl Lobby {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, last: 0, open: BTreeMap::new() }
    }

    /// A name for a new request. Never 0.
    pub(crate) fn name(&mut self) -> RequestId {
        self.last += 1;
        RequestId(self.last)
    }

    /// `request` was sent.
    pub(crate) fn on_sent(&mut self, now: Instant, request: RequestId, kind: Kind) {
        self.open.insert(request, Open { kind, deadline: now + self.timeout });
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open.len() < REQUESTS_MAX
    }

    pub(crate) fn sent(&self) -> u64 {
        self.last
    }

    pub(crate) fn waiting(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        // As many as wait, which are few.
        self.open.values().map(|open| open.deadline).min()
    }

    /// A request whose time is over.
    pub(crate) fn take_overdue(&mut self, now: Instant, session: &mut Session) -> Option<Told> {
        let overdue = self.open.iter().find(|(_, open)| now >= open.deadline);
        let request = overdue.map(|(request, _)| *request)?;
        Some(self.fail(request, RequestError::TimedOut { after: self.timeout }, session))
    }

    /// Any request, because the connection is lost.
    pub(crate) fn take_lost(&mut self, session: &mut Session) -> Option<Told> {
        let request = *self.open.first_key_value()?.0;
        Some(self.fail(request, RequestError::GatewayLost, session))
    }

    fn fail(&mut self, request: RequestId, error: RequestError, session: &mut Session) -> Told {
        match self.open.remove(&request).map(|open| open.kind) {
            Some(Kind::EnterWorld) => return Told::NoAccess { request, error },
            Some(Kind::Login) => session.on_login_failed(),
            _ => {}
        }
        Told::Event(ClientEvent::RequestFailed { request, error })
    }

    /// What the gateway says.
    pub(crate) fn on_frame(&mut self, frame: ServerFrame, session: &mut Session) -> Told {
        let request = (frame.request != 0).then_some(RequestId(frame.request));
        let kind = request.and_then(|request| self.open.get(&request)).map(|open| open.kind);
        // An answer to nothing: late, or nonsense. What the gateway says unasked has no request.
        if request.is_some() && kind.is_none() {
            return Told::Nothing;
        }
        match (request, frame.body) {
            (Some(request), Some(Body::Error(error))) => {
                self.fail(request, refused(error), session)
            }
            (Some(request), Some(Body::ZoneAccess(access))) if kind == Some(Kind::EnterWorld) => {
                self.open.remove(&request);
                Told::Access { request, access }
            }
            (Some(request), body) => match body.and_then(|body| answer(request, kind, body)) {
                Some(event) => {
                    self.open.remove(&request);
                    note(&event, session);
                    Told::Event(event)
                }
                None => self.fail(request, RequestError::BadAnswer, session),
            },
            (None, Some(body)) => match push(body) {
                Some(event) => {
                    note(&event, session);
                    Told::Event(event)
                }
                None => Told::Nothing,
            },
            (None, None) => Told::Nothing,
        }
    }
}

/// The answer to a request as an event, if it can be one.
fn answer(request: RequestId, kind: Option<Kind>, body: Body) -> Option<ClientEvent> {
    // Only these answer only these.
    if matches!(body, Body::Session(_)) != (kind == Some(Kind::Login)) {
        return None;
    }
    match body {
        Body::Done(_) if kind == Some(Kind::Other) => Some(ClientEvent::Done { request }),
        Body::Registered(registered) => {
            Some(ClientEvent::Registered { request, account_id: registered.account_id })
        }
        Body::Session(session) => Some(ClientEvent::LoggedIn { request, session }),
        Body::Party(party) => Some(ClientEvent::Party { request: Some(request), party }),
        Body::TicketQueued(queued) => {
            Some(ClientEvent::TicketQueued { request: Some(request), ticket_id: queued.ticket_id })
        }
        Body::TicketClosed(closed) => Some(ClientEvent::TicketClosed {
            request: Some(request),
            ticket_id: closed.ticket_id,
            reason: closed.reason,
        }),
        _ => None,
    }
}

/// What the gateway says unasked.
fn push(body: Body) -> Option<ClientEvent> {
    match body {
        Body::Party(party) => Some(ClientEvent::Party { request: None, party }),
        Body::TicketQueued(queued) => {
            Some(ClientEvent::TicketQueued { request: None, ticket_id: queued.ticket_id })
        }
        Body::TicketClosed(closed) => Some(ClientEvent::TicketClosed {
            request: None,
            ticket_id: closed.ticket_id,
            reason: closed.reason,
        }),
        Body::MatchFound(found) => Some(ClientEvent::MatchFound(found)),
        Body::MatchEnded(ended) => Some(ClientEvent::MatchEnded(ended)),
        Body::Chat(chat) => Some(ClientEvent::Chat(chat)),
        _ => None,
    }
}

/// What the session learns from an event.
fn note(event: &ClientEvent, session: &mut Session) {
    match event {
        ClientEvent::LoggedIn { .. } => session.on_logged_in(),
        ClientEvent::TicketQueued { ticket_id, .. } => session.on_ticket_queued(*ticket_id),
        ClientEvent::TicketClosed { ticket_id, .. } => session.on_ticket_closed(*ticket_id),
        ClientEvent::MatchFound(found) => session.on_ticket_closed(found.ticket_id),
        _ => {}
    }
}

fn refused(error: Error) -> RequestError {
    let retry_after = Duration::from_millis(error.retry_after_ms.into());
    RequestError::Refused {
        code: ErrorCode::try_from(error.code).unwrap_or(ErrorCode::Unspecified),
        message: error.message,
        retry_after: (!retry_after.is_zero()).then_some(retry_after),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use netcode::time::Instant;
    use shardline_protocol::control::server_frame::Body;
    use shardline_protocol::control::{
        Done, Error, ErrorCode, Registered, ServerFrame, Session as LoggedIn, TicketQueued,
        ZoneAccess,
    };

    use super::{ClientEvent, Kind, Lobby, RequestError, RequestId, Told};
    use crate::session::{Session, SessionState};

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn lobby_with(kind: Kind) -> (Lobby, Session, RequestId) {
        let (mut lobby, mut session) = (Lobby::new(TIMEOUT), Session::new());
        let request = lobby.name();
        lobby.on_sent(Instant::EPOCH, request, kind);
        if kind == Kind::Login {
            session.on_login_sent();
        }
        (lobby, session, request)
    }

    #[track_caller]
    fn check(kind: Kind, body: Option<Body>, expected: impl FnOnce(RequestId) -> Told) {
        let (mut lobby, mut session, request) = lobby_with(kind);
        let frame = ServerFrame { request: request.0, body };
        assert_eq!(lobby.on_frame(frame, &mut session), expected(request));
        assert_eq!(lobby.waiting(), 0, "it is answered");
    }

    #[test]
    fn answers_become_events() {
        let registered = Body::Registered(Registered { account_id: 3 });
        check(Kind::Other, Some(registered), |request| {
            Told::Event(ClientEvent::Registered { request, account_id: 3 })
        });
        check(Kind::Other, Some(Body::Done(Done {})), |request| {
            Told::Event(ClientEvent::Done { request })
        });
        let access = ZoneAccess { zone_id: 4, ..Default::default() };
        check(Kind::EnterWorld, Some(Body::ZoneAccess(access.clone())), |request| Told::Access {
            request,
            access,
        });
    }

    #[test]
    fn answers_to_other_questions_are_none() {
        let bad = |request| {
            Told::Event(ClientEvent::RequestFailed { request, error: RequestError::BadAnswer })
        };
        check(Kind::Other, Some(Body::Session(LoggedIn::default())), bad);
        check(Kind::Other, Some(Body::ZoneAccess(ZoneAccess::default())), bad);
        check(Kind::Login, Some(Body::Done(Done {})), bad);
        check(Kind::Other, None, bad);
        check(Kind::EnterWorld, Some(Body::Done(Done {})), |request| Told::NoAccess {
            request,
            error: RequestError::BadAnswer,
        });
    }

    #[test]
    fn a_refused_login_leaves_the_player_outside() {
        let (mut lobby, mut session, request) = lobby_with(Kind::Login);
        assert_eq!(session.state(), SessionState::Authenticating);
        let error = Error {
            code: ErrorCode::RateLimited.into(),
            message: "slowly".into(),
            retry_after_ms: 250,
        };
        let frame = ServerFrame { request: request.0, body: Some(Body::Error(error)) };
        let error = RequestError::Refused {
            code: ErrorCode::RateLimited,
            message: "slowly".into(),
            retry_after: Some(Duration::from_millis(250)),
        };
        let expected = Told::Event(ClientEvent::RequestFailed { request, error });
        assert_eq!(lobby.on_frame(frame, &mut session), expected);
        assert_eq!(session.state(), SessionState::Idle);
    }

    #[test]
    fn an_answer_to_nothing_is_ignored() {
        let (mut lobby, mut session, request) = lobby_with(Kind::Other);
        let queued = || Some(Body::TicketQueued(TicketQueued { ticket_id: 9 }));
        let stray = ServerFrame { request: request.0 + 1, body: queued() };
        assert_eq!(lobby.on_frame(stray, &mut session), Told::Nothing);
        assert_eq!(lobby.waiting(), 1);
        let unasked = ServerFrame { request: 0, body: queued() };
        let event = ClientEvent::TicketQueued { request: None, ticket_id: 9 };
        assert_eq!(lobby.on_frame(unasked, &mut session), Told::Event(event));
    }

    #[test]
    fn time_and_loss_answer_what_the_gateway_does_not() {
        let (mut lobby, mut session, request) = lobby_with(Kind::EnterWorld);
        assert_eq!(lobby.take_overdue(Instant::EPOCH, &mut session), None);
        let due = lobby.poll_timeout().unwrap();
        let error = RequestError::TimedOut { after: TIMEOUT };
        let expected = Some(Told::NoAccess { request, error });
        assert_eq!(lobby.take_overdue(due, &mut session), expected);
        assert_eq!(lobby.poll_timeout(), None);

        let (mut lobby, mut session, request) = lobby_with(Kind::Other);
        let error = RequestError::GatewayLost;
        let expected = Some(Told::Event(ClientEvent::RequestFailed { request, error }));
        assert_eq!(lobby.take_lost(&mut session), expected);
        assert_eq!(lobby.take_lost(&mut session), None);
    }
}
