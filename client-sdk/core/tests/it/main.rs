//! Promises of the client, one module each.

mod control;
mod crossing;
mod facade;
mod hostile;
mod play;
mod support;
