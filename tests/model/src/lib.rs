//! The protocol of runners and database as a model: every order of calls, replies, faults and decisions, without a clock.
//! See `README.md`.

pub mod configurations;
pub mod database;
pub mod guards;
pub mod numbers;
pub mod properties;
pub mod search;
pub mod world;

mod carry;
mod faults;
mod people;
mod runner;
