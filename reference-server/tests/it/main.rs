//! The server as a whole, seen from outside: one module a promise.

mod crossing;
mod demo;
mod hostile;
mod page;
