//! The server as a whole, seen from outside: one module a promise.

mod page;
