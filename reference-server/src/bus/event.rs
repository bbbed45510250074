//! What happens in the game, as it is published and stored.
//!
//! Protobuf, so that other programs may read it and it may grow: field numbers are never used
//! again, a reader ignores fields that it does not know.

use bytes::Bytes;
use prost::{Message, Oneof};
use thiserror::Error;

/// Something that happened.
#[derive(Clone, Oneof, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A player came in.
    #[prost(message, tag = "1")]
    LoggedIn(LoggedIn),
    /// Players were matched.
    #[prost(message, tag = "2")]
    MatchFound(MatchFound),
    /// A match is over.
    #[prost(message, tag = "3")]
    MatchEnded(MatchEnded),
    /// A character has another owner.
    #[prost(message, tag = "4")]
    HandoffCommitted(HandoffCommitted),
    /// An item was taken from the ground or left on it.
    #[prost(message, tag = "5")]
    ItemMoved(ItemMoved),
    /// Two characters exchanged items.
    #[prost(message, tag = "6")]
    TradeCommitted(TradeCommitted),
    /// A character was defeated.
    #[prost(message, tag = "7")]
    Defeated(Defeated),
    /// Somebody said something.
    #[prost(message, tag = "8")]
    Chat(Chat),
}

/// See [`Event::LoggedIn`].
#[derive(Clone, Message, PartialEq)]
pub struct LoggedIn {
    /// Who.
    #[prost(uint64, tag = "1")]
    pub account: u64,
    /// Whom it plays.
    #[prost(uint64, tag = "2")]
    pub character: u64,
}

/// See [`Event::MatchFound`].
#[derive(Clone, Message, PartialEq)]
pub struct MatchFound {
    /// The match.
    #[prost(uint64, tag = "1")]
    pub match_id: u64,
    /// Who plays, on which side.
    #[prost(message, repeated, tag = "2")]
    pub players: Vec<MatchPlayer>,
}

/// A player of a match.
#[derive(Clone, Copy, Message, PartialEq)]
pub struct MatchPlayer {
    /// Who.
    #[prost(uint64, tag = "1")]
    pub character: u64,
    /// On which side.
    #[prost(uint32, tag = "2")]
    pub team: u32,
}

/// See [`Event::MatchEnded`].
#[derive(Clone, Message, PartialEq)]
pub struct MatchEnded {
    /// The match.
    #[prost(uint64, tag = "1")]
    pub match_id: u64,
    /// The points of each side.
    #[prost(uint32, repeated, tag = "2")]
    pub score_by_team: Vec<u32>,
    /// The skill that each player has now.
    #[prost(message, repeated, tag = "3")]
    pub ratings: Vec<PlayerRating>,
}

/// A player's skill after a match: Glicko-2.
#[derive(Clone, Copy, Message, PartialEq)]
pub struct PlayerRating {
    /// Whose.
    #[prost(uint64, tag = "1")]
    pub character: u64,
    /// The middle of the belief.
    #[prost(double, tag = "2")]
    pub value: f64,
    /// Its standard deviation.
    #[prost(double, tag = "3")]
    pub deviation: f64,
    /// How erratic the results are.
    #[prost(double, tag = "4")]
    pub volatility: f64,
}

/// See [`Event::HandoffCommitted`].
#[derive(Clone, Copy, Message, PartialEq)]
pub struct HandoffCommitted {
    /// Who crossed.
    #[prost(uint64, tag = "1")]
    pub character: u64,
    /// The zone that gave it up.
    #[prost(uint32, tag = "2")]
    pub source: u32,
    /// The zone that took it over.
    #[prost(uint32, tag = "3")]
    pub target: u32,
    /// The epoch of the new owner.
    #[prost(uint32, tag = "4")]
    pub epoch: u32,
    /// The last tick that the source simulated.
    #[prost(uint64, tag = "5")]
    pub tick: u64,
}

/// See [`Event::ItemMoved`].
#[derive(Clone, Copy, Message, PartialEq)]
pub struct ItemMoved {
    /// What.
    #[prost(uint64, tag = "1")]
    pub item: u64,
    /// Who had it; 0: the ground.
    #[prost(uint64, tag = "2")]
    pub from: u64,
    /// Who has it; 0: the ground.
    #[prost(uint64, tag = "3")]
    pub to: u64,
    /// Where.
    #[prost(uint32, tag = "4")]
    pub zone: u32,
}

/// See [`Event::TradeCommitted`].
#[derive(Clone, Copy, Message, PartialEq)]
pub struct TradeCommitted {
    /// Which.
    #[prost(uint64, tag = "1")]
    pub trade: u64,
    /// One side.
    #[prost(uint64, tag = "2")]
    pub left: u64,
    /// What it gave; 0: nothing.
    #[prost(uint64, tag = "3")]
    pub left_gave: u64,
    /// The other side.
    #[prost(uint64, tag = "4")]
    pub right: u64,
    /// What it gave; 0: nothing.
    #[prost(uint64, tag = "5")]
    pub right_gave: u64,
}

/// See [`Event::Defeated`].
#[derive(Clone, Copy, Message, PartialEq)]
pub struct Defeated {
    /// Who.
    #[prost(uint64, tag = "1")]
    pub character: u64,
    /// By whom; 0: nobody.
    #[prost(uint64, tag = "2")]
    pub by: u64,
    /// Where.
    #[prost(uint32, tag = "3")]
    pub zone: u32,
    /// When.
    #[prost(uint64, tag = "4")]
    pub tick: u64,
}

/// See [`Event::Chat`].
#[derive(Clone, Message, PartialEq)]
pub struct Chat {
    /// Who spoke.
    #[prost(uint64, tag = "1")]
    pub character: u64,
    /// Where it was heard; empty: everywhere.
    #[prost(string, tag = "2")]
    pub channel: String,
    /// What was said.
    #[prost(string, tag = "3")]
    pub text: String,
}

/// The bytes are not an event.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum EventError {
    /// They are not the encoding of anything.
    #[error("malformed event: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// An event of a kind that this version does not know.
    #[error("unknown kind of event")]
    Unknown,
}

/// What is encoded: room for fields that all events share.
#[derive(Clone, Message, PartialEq)]
struct Envelope {
    #[prost(oneof = "Event", tags = "1, 2, 3, 4, 5, 6, 7, 8")]
    event: Option<Event>,
}

impl Event {
    /// Reads what [`Event::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`EventError`], whatever the bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        Envelope::decode(bytes)?.event.ok_or(EventError::Unknown)
    }

    /// Its encoding.
    pub fn to_bytes(&self) -> Bytes {
        Envelope { event: Some(self.clone()) }.encode_to_vec().into()
    }

    /// The key to publish it under: whose order of events it is part of.
    pub fn key(&self) -> u64 {
        match self {
            Self::LoggedIn(event) => event.character,
            Self::MatchFound(event) => event.match_id,
            Self::MatchEnded(event) => event.match_id,
            Self::HandoffCommitted(event) => event.character,
            Self::ItemMoved(event) => event.item,
            Self::TradeCommitted(event) => event.trade,
            Self::Defeated(event) => event.character,
            Self::Chat(event) => event.character,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use proptest::prop_assert_eq;

    use super::*;

    fn event() -> impl Strategy<Value = Event> {
        let number = any::<u64>;
        let player =
            (number(), any::<u32>()).prop_map(|(character, team)| MatchPlayer { character, team });
        let real = -1e9..1e9;
        let rating = (number(), real.clone(), real.clone(), real).prop_map(
            |(character, value, deviation, volatility)| PlayerRating {
                character,
                value,
                deviation,
                volatility,
            },
        );
        prop_oneof![
            (number(), number())
                .prop_map(|(account, character)| Event::LoggedIn(LoggedIn { account, character })),
            (number(), vec(player, 0..9)).prop_map(|(match_id, players)| Event::MatchFound(
                MatchFound { match_id, players }
            )),
            (number(), vec(any::<u32>(), 0..4), vec(rating, 0..9)).prop_map(
                |(match_id, score_by_team, ratings)| Event::MatchEnded(MatchEnded {
                    match_id,
                    score_by_team,
                    ratings
                })
            ),
            (number(), any::<[u32; 3]>(), number()).prop_map(
                |(character, [source, target, epoch], tick)| Event::HandoffCommitted(
                    HandoffCommitted { character, source, target, epoch, tick }
                )
            ),
            (any::<[u64; 3]>(), any::<u32>()).prop_map(|([item, from, to], zone)| {
                Event::ItemMoved(ItemMoved { item, from, to, zone })
            }),
            any::<[u64; 5]>().prop_map(|[trade, left, left_gave, right, right_gave]| {
                Event::TradeCommitted(TradeCommitted { trade, left, left_gave, right, right_gave })
            }),
            (any::<[u64; 3]>(), any::<u32>()).prop_map(|([character, by, tick], zone)| {
                Event::Defeated(Defeated { character, by, zone, tick })
            }),
            (number(), ".{0,9}", ".{0,99}").prop_map(|(character, channel, text)| {
                Event::Chat(Chat { character, channel, text })
            }),
            Just(Event::LoggedIn(LoggedIn::default())),
        ]
    }

    proptest! {
        #[test]
        fn events_survive_encoding(event in event()) {
            prop_assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
        }

        #[test]
        fn any_bytes_are_an_event_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
            // What is read may be written and read again. Compared as bytes: NaN is not itself.
            if let Ok(event) = Event::from_bytes(&bytes) {
                let bytes = event.to_bytes();
                prop_assert_eq!(Event::from_bytes(&bytes).map(|event| event.to_bytes()), Ok(bytes));
            }
        }

        #[test]
        fn truncated_events_do_not_panic(event in event(), cut in any::<usize>()) {
            let bytes = event.to_bytes();
            let _ = Event::from_bytes(&bytes[..cut % (bytes.len() + 1)]);
        }
    }

    #[test]
    fn layout_is_what_was_published() {
        let event = Event::ItemMoved(ItemMoved { item: 1, from: 0, to: 300, zone: 2 });
        assert_eq!(&event.to_bytes()[..], [0x2a, 7, 0x08, 1, 0x18, 0xac, 2, 0x20, 2]);
    }

    #[test]
    fn events_of_the_future_are_unknown() {
        assert_eq!(Event::from_bytes(&[]), Err(EventError::Unknown));
        // Field 15, two bytes.
        assert_eq!(Event::from_bytes(&[0x7a, 2, 0, 0]), Err(EventError::Unknown));
        assert!(matches!(Event::from_bytes(&[0x0a, 9]), Err(EventError::Malformed(_))));
    }
}
