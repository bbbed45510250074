//! Secure reliable-over-UDP protocol for games.
//!
//! ```text
//!              application
//!   ────────────────────────────────     snapshot   states as few bytes
//!   driver        clock, socket          predict    what to show before it is known
//!   ────────────────────────────────     sim        networks in virtual time
//!   endpoint      many peers
//!   connection    one peer               three columns more, which know
//!   channel · recovery · crypto          neither packets nor each other
//!   wire          bytes
//! ```
//!
//! Everything but `driver` is *sans-IO*: state machines that are told the time and the bytes
//! that arrived, and say what to send and when to be woken. The same code runs behind a tokio
//! socket, in a game's frame, in a browser and in a simulation.
//!
//! # The drive loop
//!
//! After any call into an [`Endpoint`](endpoint::Endpoint), drain it: what it wants to send, what
//! happened, when to wake it. Here two endpoints talk without a network; an application has a
//! socket in that place, or lets `driver::Driver` do all of this.
//!
//! ```
//! use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
//! use netcode::config::EndpointConfig;
//! use netcode::connection::{ConnectAccess, Event};
//! use netcode::crypto::{Claims, SecretKey, TokenKey};
//! use netcode::endpoint::{Endpoint, ServerKeys};
//! use netcode::entropy::Entropy;
//! use netcode::time::Instant;
//! use netcode::wire::ChannelId;
//!
//! // Both sides have the same channels.
//! let channels = ChannelTable::new(vec![ChannelConfig::new(Delivery::ReliableOrdered)])?;
//! let config = EndpointConfig::builder(channels).build()?;
//! // Real entropy comes from the operating system.
//! let mut entropy = Entropy::from_simulation_seed(1);
//! let secret = SecretKey::generate(&mut entropy);
//! let server_public = secret.public();
//! let token_key = TokenKey::generate(1, &mut entropy);
//! let keys = ServerKeys { secret, token_keys: vec![token_key.clone()], server_id: 7 };
//! let mut server = Endpoint::server(config.clone(), keys, entropy.fork());
//! let mut client = Endpoint::client(config, entropy.fork());
//!
//! // A matchmaker seals a token for the client's key.
//! let client_secret = SecretKey::generate(&mut entropy);
//! let claims = Claims {
//!     server_id: 7,
//!     not_before_s: 0,
//!     not_after_s: 45,
//!     session_id: [1; 16],
//!     account_id: 1,
//!     character_id: 1,
//!     client_public: client_secret.public(),
//!     extension: Default::default(),
//! };
//! let token = token_key.seal(&claims, &mut entropy);
//! let access = ConnectAccess { token, client_secret, server_public };
//!
//! let (here, there) = ("10.0.0.1:5000".parse()?, "10.0.0.2:4433".parse()?);
//! let mut now = Instant::EPOCH;
//! let connection = client.connect(now, there, &access)?;
//! let mut buffer = Vec::new();
//! let said = loop {
//!     // What each has to send arrives at the other; a lost datagram would be sent again.
//!     while client.poll_transmit(now, &mut buffer).is_some() {
//!         let _ = server.handle_datagram(now, here, &mut buffer);
//!     }
//!     while server.poll_transmit(now, &mut buffer).is_some() {
//!         let _ = client.handle_datagram(now, there, &mut buffer);
//!     }
//!     while let Some((_, event)) = client.poll_event() {
//!         if event == Event::Connected {
//!             client.send(connection, ChannelId(0), "hello".into())?;
//!         }
//!     }
//!     if let Some((_, Event::Message { payload, .. })) = server.poll_event() {
//!         break payload;
//!     }
//!     // Nothing else happens before the earliest of these.
//!     let next = [client.poll_timeout(), server.poll_timeout()].into_iter().flatten().min();
//!     now = next.unwrap_or(now).max(now);
//!     client.handle_timeout(now);
//!     server.handle_timeout(now);
//! };
//! assert_eq!(said, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod channel;
pub mod config;
pub mod connection;
pub mod crypto;
#[cfg(feature = "tokio")]
pub mod driver;
pub mod endpoint;
pub mod entropy;
pub mod predict;
pub mod recovery;
#[cfg(feature = "sim")]
pub mod sim;
pub mod snapshot;
pub mod tick;
pub mod time;
pub mod wire;

/// The programs of the book and of the crate page, run as tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../README.md")]
    mod crate_page {}
    #[doc = include_str!("../../book/src/guide/first-connection.md")]
    mod first_connection {}
    #[doc = include_str!("../../book/src/guide/channels.md")]
    mod channels {}
    #[doc = include_str!("../../book/src/guide/snapshots.md")]
    mod snapshots {}
    #[doc = include_str!("../../book/src/guide/prediction.md")]
    mod prediction {}
}
