//! Promises of the client, one module each.

mod control;
mod crossing;
mod facade;
mod hostile;
mod minutes;
mod play;
mod support;
