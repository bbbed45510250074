//! What a game may ask of its client.

use netcode::tick::Tick;
use netcode::time::Instant;
use shardline_protocol::control::client_frame::Body;
use shardline_protocol::control::{
    CancelTicket, ClientFrame, CreateParty, Enqueue, EnterWorld, JoinParty, LeaveParty, Login,
    Register, SendChat,
};
use shardline_protocol::game::Game;
use shardline_protocol::zone::{AcceptTrade, DeclineTrade, Drop, PickUp, ProposeTrade, to_zone};

use crate::client::Client;
use crate::error::{PlayError, RequestError};
use crate::event::{ClientEvent, RequestId};
use crate::lobby::Kind;
use crate::session::SessionState;

/// Whom a chat line is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChatTarget {
    /// Everybody.
    World,
    /// The players of one's match.
    Match,
    /// One character.
    Whisper {
        /// Its id.
        character_id: u64,
    },
}

/// Requests to the gateway. Each is answered by one event that names the request, or, if it cannot
/// be sent, by [`ClientEvent::RequestFailed`]. The first opens the connection.
impl<G: Game> Client<G> {
    /// Makes an account. [`ClientEvent::Registered`] answers.
    pub fn register(&mut self, now: Instant, name: &str, password: &str) -> RequestId {
        let (name, password) = (name.to_owned(), password.to_owned());
        self.request(now, Kind::Other, Body::Register(Register { name, password }))
    }

    /// Logs in. [`ClientEvent::LoggedIn`] answers.
    pub fn login(&mut self, now: Instant, name: &str, password: &str) -> RequestId {
        let (name, password) = (name.to_owned(), password.to_owned());
        self.request(now, Kind::Login, Body::Login(Login { name, password }))
    }

    /// Starts a party of one. [`ClientEvent::Party`] answers.
    pub fn create_party(&mut self, now: Instant) -> RequestId {
        self.request(now, Kind::Other, Body::CreateParty(CreateParty {}))
    }

    /// Joins a party. [`ClientEvent::Party`] answers.
    pub fn join_party(&mut self, now: Instant, party_id: u64) -> RequestId {
        self.request(now, Kind::Other, Body::JoinParty(JoinParty { party_id }))
    }

    /// Leaves the party. [`ClientEvent::Done`] answers.
    pub fn leave_party(&mut self, now: Instant) -> RequestId {
        self.request(now, Kind::Other, Body::LeaveParty(LeaveParty {}))
    }

    /// Queues for a match, with the party if there is one. [`ClientEvent::TicketQueued`] answers,
    /// and [`ClientEvent::MatchFound`] follows.
    pub fn enqueue(&mut self, now: Instant, queue: &str) -> RequestId {
        self.request(now, Kind::Other, Body::Enqueue(Enqueue { queue: queue.to_owned() }))
    }

    /// Queues no longer. [`ClientEvent::Done`] or [`ClientEvent::TicketClosed`] answers.
    pub fn cancel_ticket(&mut self, now: Instant, ticket_id: u64) -> RequestId {
        self.request(now, Kind::Other, Body::CancelTicket(CancelTicket { ticket_id }))
    }

    /// Says something. [`ClientEvent::Done`] answers.
    pub fn send_chat(&mut self, now: Instant, target: ChatTarget, text: &str) -> RequestId {
        let (channel, to_character) = match target {
            ChatTarget::World => ("world", 0),
            ChatTarget::Match => ("match", 0),
            ChatTarget::Whisper { character_id } => ("whisper", character_id),
        };
        let (channel, text) = (channel.to_owned(), text.to_owned());
        self.request(now, Kind::Other, Body::SendChat(SendChat { channel, to_character, text }))
    }

    /// Enters the world, from the lobby. [`ClientEvent::Joined`] answers, as soon as there is a
    /// character to play.
    pub fn enter_world(&mut self, now: Instant) -> RequestId {
        if !self.session.state().is_in_lobby() {
            let request = self.lobby.name();
            return self.refuse(request, RequestError::WrongState);
        }
        let request = self.lobby.name();
        let public = self.world.on_asked(request, &mut self.entropy);
        self.session.on_joining();
        let body = Body::EnterWorld(EnterWorld { client_public_key: public.0.to_vec().into() });
        if let Err(error) = self.send(now, request, Kind::EnterWorld, body) {
            self.world.on_no_access(request);
            self.session.on_out_of_world();
            self.refuse(request, error);
        }
        request
    }

    fn request(&mut self, now: Instant, kind: Kind, body: Body) -> RequestId {
        let request = self.lobby.name();
        match self.send(now, request, kind, body) {
            Ok(()) if kind == Kind::Login => self.session.on_login_sent(),
            Ok(()) => {}
            Err(error) => {
                self.refuse(request, error);
            }
        }
        request
    }

    fn send(
        &mut self,
        now: Instant,
        request: RequestId,
        kind: Kind,
        body: Body,
    ) -> Result<(), RequestError> {
        if self.session.state() == SessionState::Closed {
            return Err(RequestError::WrongState);
        }
        if !self.lobby.has_room() {
            return Err(RequestError::TooMany);
        }
        if !self.control.send(now, &ClientFrame { request: request.0, body: Some(body) }) {
            return Err(RequestError::TooLarge);
        }
        self.lobby.on_sent(now, request, kind);
        Ok(())
    }

    fn refuse(&mut self, request: RequestId, error: RequestError) -> RequestId {
        self.tell(ClientEvent::RequestFailed { request, error });
        request
    }
}

/// Play.
impl<G: Game> Client<G> {
    /// The tick that an input is wanted for now, if any: call it in a loop, and answer each with
    /// [`push_input`](Self::push_input). When the lead grows several are wanted at once, when it
    /// shrinks none for a while; a tick never comes twice.
    pub fn next_input_tick(&mut self, now: Instant) -> Option<Tick> {
        self.world.playing_mut()?.next_input_tick(now)
    }

    /// When the next input will be wanted, for a caller without frames of its own. `None` outside
    /// the world.
    pub fn next_input_at(&self, now: Instant) -> Option<Instant> {
        self.world.playing()?.next_input_at(now)
    }

    /// The input for the tick that is wanted: it is predicted at once, and sent with the next
    /// [`poll_transmit`](Self::poll_transmit) to every zone that may need it.
    ///
    /// # Errors
    ///
    /// [`PlayError::NotInWorld`], or [`PlayError::NotWanted`] if no tick wants one now.
    pub fn push_input(&mut self, now: Instant, input: G::Input) -> Result<(), PlayError> {
        let play = self.world.playing_mut().ok_or(PlayError::NotInWorld)?;
        if play.push_input(now, input) { Ok(()) } else { Err(PlayError::NotWanted) }
    }

    /// Picks up an item. [`ClientEvent::ItemMoved`] or [`ClientEvent::Refused`] answers.
    ///
    /// # Errors
    ///
    /// [`PlayError`], at once.
    pub fn pick_up(&mut self, item: u64) -> Result<(), PlayError> {
        self.world.ask(to_zone::Body::PickUp(PickUp { item }))
    }

    /// Drops an item. [`ClientEvent::ItemMoved`] or [`ClientEvent::Refused`] answers.
    ///
    /// # Errors
    ///
    /// [`PlayError`], at once.
    pub fn drop_item(&mut self, item: u64) -> Result<(), PlayError> {
        self.world.ask(to_zone::Body::Drop(Drop { item }))
    }

    /// Offers an item for another, or for nothing (0). [`ClientEvent::TradeClosed`] or
    /// [`ClientEvent::Refused`] answers.
    ///
    /// # Errors
    ///
    /// [`PlayError`], at once.
    pub fn propose_trade(
        &mut self,
        with_character: u64,
        give_item: u64,
        want_item: u64,
    ) -> Result<(), PlayError> {
        let proposal = ProposeTrade { with_character, give_item, want_item };
        self.world.ask(to_zone::Body::ProposeTrade(proposal))
    }

    /// Accepts a trade that was proposed.
    ///
    /// # Errors
    ///
    /// [`PlayError`], at once.
    pub fn accept_trade(&mut self, trade: u64) -> Result<(), PlayError> {
        self.world.ask(to_zone::Body::AcceptTrade(AcceptTrade { trade }))
    }

    /// Declines a trade that was proposed.
    ///
    /// # Errors
    ///
    /// [`PlayError`], at once.
    pub fn decline_trade(&mut self, trade: u64) -> Result<(), PlayError> {
        self.world.ask(to_zone::Body::DeclineTrade(DeclineTrade { trade }))
    }

    /// Leaves the world, to the lobby. [`ClientEvent::Left`] follows, unless the player is not in
    /// the world.
    pub fn leave(&mut self, now: Instant) {
        self.world.leave(now);
        self.session.on_leaving();
        self.drain_world();
    }

    /// Ends everything and tells everybody. [`ClientEvent::Closed`] is the last event. Datagrams
    /// are worth sending until [`is_drained`](Self::is_drained).
    pub fn close(&mut self, now: Instant) {
        if self.session.state() == SessionState::Closed {
            return;
        }
        self.session.on_closed();
        self.world.close(now);
        self.control.close(now);
        self.tell(ClientEvent::Closed);
    }
}
