//! Campaigns from `start_campaign` to the SMTP server, with runners as real processes.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod api;
mod api_events;
mod api_limits;
mod bad_days;
mod clients;
mod database_outage;
mod delivery;
mod failover;
mod integration_tests;
mod logins;
mod meetup_relay;
mod mta;
mod quota;
mod rate;
mod relay_faults;
mod restore;
mod shared_connections;
mod stopping;
mod takeover;
mod tracking;
mod unsubscribe;
mod verbs;
mod verdicts;
mod wakeup;
