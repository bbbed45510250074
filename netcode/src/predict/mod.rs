//! What a client shows before the server has said it, and how that comes true.
//!
//! ```text
//!                    client runs ahead by the Lead                        server
//!   player --input--> InputBuffer --every packet, until consumed--> InputQueue
//!                |                                                      | one a tick
//!                v                                                      v
//!            Predictor: state of the next tick, at once             simulation
//!                ^                                                      |
//!                +--- same: confirmed / differs: reconciled <--state----+--margin--> Lead
//!                                                                       +--tick----> TickClock
//!   others:  Interpolator: between two states that are known  <--states-+
//! ```
//!
//! # Contract
//!
//! - Both sides step the same *quantised* state with the same function, so that a prediction whose
//!   inputs arrive in time is never corrected.
//! - The server calls [`InputQueue::consume`] once in every tick, and [`Margin::on_arrival`] for
//!   each input that arrives, in time or not.
//! - The client samples one input for every tick, gives it to the [`InputBuffer`] and the
//!   [`Predictor`], and sends the whole buffer in every packet.
//!
//! # Invariants
//!
//! - One input is consumed for each tick, whatever arrives and however often: time cannot be
//!   gained by sending more.
//! - The lead follows how early inputs arrive, and nothing else; the clock is for showing things at
//!   the right time. Neither jumps where a player would see it.
//! - Everything is bounded: [`INPUTS_WAITING_MAX`], [`PREDICTED_MAX`], [`SAMPLES_KEPT`] and the
//!   capacity of the [`InputBuffer`].
//!
//! Deliberately absent: what a state or an input is, messages, and who owns an entity.

mod clock;
mod input;
mod interpolate;
mod lead;
mod margin;
mod queue;
mod rollback;
#[cfg(test)]
mod tests;

pub use clock::{Position, TickClock};
pub use input::InputBuffer;
pub use interpolate::{Interpolator, SAMPLES_KEPT, Sampled};
pub use lead::Lead;
pub use margin::Margin;
pub use queue::{Consumed, INPUTS_WAITING_MAX, InputQueue, Inserted};
pub use rollback::{PREDICTED_MAX, Predictor, Reconciled};
