//! A living world in one process: servers, bots, and what people see of them.

pub mod report;
pub mod view;
