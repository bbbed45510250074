//! The only clock and the only socket (feature `tokio`).
//!
//! ```text
//!             ┌───────────────────── Driver ─────────────────────┐
//!   network ──▶ Socket ──▶ Endpoint::handle_datagram             │
//!             │ Clock  ──▶ Endpoint::handle_timeout ── poll_event ──▶ application
//!   network ◀── Outbox ◀── Endpoint::poll_transmit               │
//!             └──────────────────────────────────────────────────┘
//! ```
//!
//! [`Driver::turn`] is one round: wait for a datagram or for the time that the endpoint named,
//! take what is there, send what is due. It may be dropped at any await and loses nothing, so an
//! application selects between it and its own work:
//!
//! ```
//! use netcode::channel::{ChannelConfig, ChannelTable, Delivery};
//! use netcode::config::EndpointConfig;
//! use netcode::driver::{Clock, Driver, Socket, system_entropy};
//! use netcode::endpoint::Endpoint;
//! use netcode::wire::CloseCode;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Clock::start();
//! let channels = ChannelTable::new(vec![ChannelConfig::new(Delivery::ReliableOrdered)])?;
//! let config = EndpointConfig::builder(channels)
//!     .unix_ms_at_epoch(clock.unix_ms_at_epoch())
//!     .build()?;
//! let socket = Socket::bind("127.0.0.1:0".parse()?)?;
//! let mut driver = Driver::new(clock, socket, Endpoint::client(config, system_entropy()));
//!
//! let stop = tokio::time::sleep(std::time::Duration::from_millis(5));
//! tokio::pin!(stop);
//! loop {
//!     tokio::select! {
//!         turned = driver.turn() => turned?,
//!         () = &mut stop => break,
//!     }
//!     while let Some((handle, event)) = driver.poll_event() {
//!         println!("{handle:?}: {event:?}");
//!     }
//! }
//! driver.shut_down(CloseCode::Shutdown).await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new()?.block_on(run())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - A datagram that the kernel has no room for is kept, and nothing is drawn from the endpoint
//!   until it has gone: a full socket costs time, never reliable data, and never a busy loop.
//! - No datagram of a stranger, and no ICMP error that one provokes, ends a driver. They are
//!   counted, and logged at `trace` at most.
//! - One turn takes a bounded number of datagrams: a flood cannot starve timers or senders.
//!
//! Deliberately absent: threads, tasks, locks, and what messages mean.

mod clock;
mod error;
mod outbox;
mod socket;
mod stats;
mod task;
#[cfg(test)]
mod tests;

pub use clock::{Clock, system_entropy};
pub use error::BindError;
pub use socket::Socket;
pub use stats::DriverStats;
pub use task::Driver;
