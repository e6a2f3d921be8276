//! Random walks: the same steps on the model and on a real PostgreSQL, from three sessions. After each they must say the same.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod walks {
    pub mod postgres;
    pub mod steps;
}

use std::sync::LazyLock;

use model::database::{Policy, Rules};
use model::guards::Guards;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::runtime::Runtime;

use walks::postgres::Postgres;
use walks::steps::{Act, Walk, acts};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn rules() -> impl Strategy<Value = Rules> {
    let policy = prop_oneof![
        2 => Just(Policy::Hold),
        1 => Just(Policy::Resend),
        1 => Just(Policy::AssumeSent),
    ];
    (1..=5_usize, 1..=2_usize, 1..=4_usize, policy).prop_map(
        |(chunk_size, concurrency, max_attempts, on_uncertain)| Rules {
            chunk_size,
            window: concurrency + (chunk_size / 2).max(1),
            max_attempts,
            on_uncertain,
            guards: Guards::ALL,
        },
    )
}

/// `PROPTEST_CASES` and `PROPTEST_RNG_SEED` are read where they are set.
fn config() -> Config {
    let from_environment = Config::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    Config {
        cases: if is_set { from_environment.cases } else { 200 },
        // Milliseconds.
        max_shrink_time: 20_000,
        max_shrink_iters: u32::MAX,
        failure_persistence: None,
        ..from_environment
    }
}

#[test]
fn model_and_postgresql_agree_after_every_step() {
    let postgres = RUNTIME.block_on(Postgres::prepare());
    let seed: u64 = match std::env::var("PROPTEST_RNG_SEED") {
        Ok(seed) => seed.parse().expect("PROPTEST_RNG_SEED is no number"),
        Err(_) => fastrand::u64(..),
    };
    let config = Config {
        rng_seed: proptest::test_runner::RngSeed::Fixed(seed),
        ..config()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let walked = runner.run(&(rules(), acts()), |(rules, acts): (Rules, Vec<Act>)| {
        RUNTIME
            .block_on(Walk::go(&postgres, rules, &acts))
            .map_err(TestCaseError::fail)
    });
    if let Err(failure) = walked {
        panic!("PROPTEST_RNG_SEED={seed}\n{failure}");
    }
}
