//! Where a player is between the door and the world.
//!
//! ```text
//!                 login          answer                enqueue
//!        Idle ──────────▶ Authenticating ──▶ Ready ◀──────────▶ Matching
//!         ▲                                    └── enter_world ──┘
//!         │ gateway lost                              ▼
//!         └────────────────────────────────────── Joining
//!                                                     ▼  first own state
//!                     (to the lobby) ◀── Leaving ◀─ Playing ⇄ Crossing
//! ```
//!
//! The gateway and the world are independent: who plays goes on playing without a gateway, and may
//! wait in a queue meanwhile. So there are two facts beside the state, whether the gateway knows
//! the player and which ticket waits, and both decide which room of the lobby one comes back to.
//!
//! Deliberately absent: connections, requests, time.

/// Where a player is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SessionState {
    /// Not logged in.
    Idle,
    /// A login waits for its answer.
    Authenticating,
    /// In the lobby.
    Ready,
    /// In the lobby, with a ticket in a queue.
    Matching,
    /// On the way into the world.
    Joining,
    /// In the world.
    Playing,
    /// In the world; another zone owns the character, but has not shown it yet. Play goes on.
    Crossing,
    /// On the way out of the world.
    Leaving,
    /// Over.
    Closed,
}

impl SessionState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::Authenticating,
        Self::Ready,
        Self::Matching,
        Self::Joining,
        Self::Playing,
        Self::Crossing,
        Self::Leaving,
        Self::Closed,
    ];

    /// Whether there is a character to play.
    pub const fn is_in_world(self) -> bool {
        matches!(self, Self::Playing | Self::Crossing)
    }

    /// Whether the world may be entered.
    pub const fn is_in_lobby(self) -> bool {
        matches!(self, Self::Ready | Self::Matching)
    }

    /// The legal transitions: to where one may get from here.
    pub const fn successors(self) -> &'static [Self] {
        use SessionState::{
            Authenticating, Closed, Crossing, Idle, Joining, Leaving, Matching, Playing, Ready,
        };
        match self {
            // Straight to the lobby if the answer to a login came late.
            Idle => &[Authenticating, Ready, Matching, Closed],
            Authenticating => &[Idle, Ready, Matching, Closed],
            Ready => &[Idle, Authenticating, Matching, Joining, Closed],
            Matching => &[Idle, Authenticating, Ready, Joining, Closed],
            Joining => &[Idle, Ready, Matching, Playing, Leaving, Closed],
            Playing => &[Idle, Ready, Matching, Crossing, Leaving, Closed],
            Crossing => &[Idle, Ready, Matching, Playing, Leaving, Closed],
            Leaving => &[Idle, Ready, Matching, Closed],
            Closed => &[],
        }
    }
}

/// The state, and the two facts that decide which room of the lobby one comes back to.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    state: SessionState,
    is_logged_in: bool,
    ticket: Option<u64>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { state: SessionState::Idle, is_logged_in: false, ticket: None }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state
    }

    pub(crate) fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    pub(crate) fn on_login_sent(&mut self) {
        if self.state.is_in_lobby() || self.state == SessionState::Idle {
            self.go(SessionState::Authenticating);
        }
    }

    pub(crate) fn on_logged_in(&mut self) {
        self.is_logged_in = true;
        if matches!(self.state, SessionState::Authenticating | SessionState::Idle) {
            self.go(self.lobby());
        }
    }

    pub(crate) fn on_login_failed(&mut self) {
        if self.state == SessionState::Authenticating {
            self.go(self.lobby());
        }
    }

    /// The gateway forgets who is connected when the connection ends; a match may still be made.
    pub(crate) fn on_gateway_lost(&mut self) {
        (self.is_logged_in, self.ticket) = (false, None);
        if self.state.is_in_lobby() || self.state == SessionState::Authenticating {
            self.go(SessionState::Idle);
        }
    }

    pub(crate) fn on_ticket_queued(&mut self, ticket: u64) {
        self.ticket = Some(ticket);
        if self.state.is_in_lobby() {
            self.go(self.lobby());
        }
    }

    pub(crate) fn on_ticket_closed(&mut self, ticket: u64) {
        if self.ticket == Some(ticket) {
            self.ticket = None;
        }
        if self.state.is_in_lobby() {
            self.go(self.lobby());
        }
    }

    pub(crate) fn on_joining(&mut self) {
        self.go(SessionState::Joining);
    }

    /// The zone that owns the character has shown it.
    pub(crate) fn on_character_shown(&mut self) {
        if matches!(self.state, SessionState::Joining | SessionState::Crossing) {
            self.go(SessionState::Playing);
        }
    }

    pub(crate) fn on_crossing(&mut self) {
        if self.state == SessionState::Playing {
            self.go(SessionState::Crossing);
        }
    }

    pub(crate) fn on_leaving(&mut self) {
        if self.state.is_in_world() || self.state == SessionState::Joining {
            self.go(SessionState::Leaving);
        }
    }

    pub(crate) fn on_out_of_world(&mut self) {
        if self.state.is_in_world()
            || matches!(self.state, SessionState::Joining | SessionState::Leaving)
        {
            self.go(self.lobby());
        }
    }

    pub(crate) fn on_closed(&mut self) {
        self.go(SessionState::Closed);
    }

    fn lobby(&self) -> SessionState {
        match (self.is_logged_in, self.ticket) {
            (false, _) => SessionState::Idle,
            (true, None) => SessionState::Ready,
            (true, Some(_)) => SessionState::Matching,
        }
    }

    fn go(&mut self, to: SessionState) {
        if self.state != to {
            debug_assert!(
                self.state.successors().contains(&to),
                "{:?} is not followed by {to:?}",
                self.state
            );
            self.state = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Session, SessionState};

    #[derive(Clone, Copy, Debug)]
    enum Step {
        LoginSent,
        LoggedIn,
        LoginFailed,
        GatewayLost,
        TicketQueued,
        TicketClosed,
        EnterWorld,
        CharacterShown,
        Crossing,
        Leaving,
        OutOfWorld,
    }

    const STEPS: [Step; 11] = [
        Step::LoginSent,
        Step::LoggedIn,
        Step::LoginFailed,
        Step::GatewayLost,
        Step::TicketQueued,
        Step::TicketClosed,
        Step::EnterWorld,
        Step::CharacterShown,
        Step::Crossing,
        Step::Leaving,
        Step::OutOfWorld,
    ];

    fn take(session: &mut Session, step: Step) {
        match step {
            Step::LoginSent => session.on_login_sent(),
            Step::LoggedIn => session.on_logged_in(),
            Step::LoginFailed => session.on_login_failed(),
            Step::GatewayLost => session.on_gateway_lost(),
            Step::TicketQueued => session.on_ticket_queued(7),
            Step::TicketClosed => session.on_ticket_closed(7),
            // The only step that its caller guards.
            Step::EnterWorld if session.state().is_in_lobby() => session.on_joining(),
            Step::EnterWorld => {}
            Step::CharacterShown => session.on_character_shown(),
            Step::Crossing => session.on_crossing(),
            Step::Leaving => session.on_leaving(),
            Step::OutOfWorld => session.on_out_of_world(),
        }
    }

    fn after(steps: &[Step]) -> SessionState {
        let mut session = Session::new();
        steps.iter().for_each(|step| take(&mut session, *step));
        session.state()
    }

    proptest! {
        /// `go` asserts that every transition is in the table.
        #[test]
        fn no_order_of_events_breaks_the_table(
            steps in prop::collection::vec(0..STEPS.len(), 0..64),
        ) {
            let mut session = Session::new();
            for step in steps {
                take(&mut session, STEPS[step]);
                prop_assert!(!session.state().is_in_lobby() || session.is_logged_in());
                prop_assert!(session.state() != SessionState::Idle || !session.is_logged_in());
            }
            session.on_closed();
            prop_assert_eq!(session.state(), SessionState::Closed);
        }
    }

    #[test]
    fn the_way_into_the_world_and_back() {
        use Step::{
            CharacterShown, Crossing, EnterWorld, Leaving, LoggedIn, LoginSent, OutOfWorld,
            TicketQueued,
        };
        let mut steps = vec![LoginSent];
        assert_eq!(after(&steps), SessionState::Authenticating);
        steps.push(LoggedIn);
        assert_eq!(after(&steps), SessionState::Ready);
        steps.push(TicketQueued);
        assert_eq!(after(&steps), SessionState::Matching);
        steps.push(EnterWorld);
        assert_eq!(after(&steps), SessionState::Joining);
        steps.push(CharacterShown);
        assert_eq!(after(&steps), SessionState::Playing);
        steps.push(Crossing);
        assert_eq!(after(&steps), SessionState::Crossing);
        steps.push(CharacterShown);
        assert_eq!(after(&steps), SessionState::Playing);
        steps.push(Leaving);
        assert_eq!(after(&steps), SessionState::Leaving);
        steps.push(OutOfWorld);
        assert_eq!(after(&steps), SessionState::Matching, "the ticket still waits");
    }

    #[test]
    fn play_goes_on_without_a_gateway() {
        let steps = [Step::LoginSent, Step::LoggedIn, Step::EnterWorld, Step::CharacterShown];
        let mut session = Session::new();
        steps.into_iter().for_each(|step| take(&mut session, step));
        session.on_gateway_lost();
        assert_eq!(session.state(), SessionState::Playing);
        session.on_out_of_world();
        assert_eq!(session.state(), SessionState::Idle, "who is unknown must log in again");
    }

    #[test]
    fn closed_is_the_end() {
        assert!(SessionState::Closed.successors().is_empty());
        for state in SessionState::ALL {
            assert!(
                state == SessionState::Closed || state.successors().contains(&SessionState::Closed)
            );
        }
    }
}
