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
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use tokio::runtime::Runtime;

use walks::postgres::Postgres;
use walks::steps::{Act, Walk, acts};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn rules() -> impl Strategy<Value = Rules> {
    let policy = prop_oneof![
        1 => Just(Policy::Hold),
        1 => Just(Policy::Resend),
        1 => Just(Policy::AssumeSent),
    ];
    (1..=3_usize, 1..=2_usize, 1..=4_usize, policy).prop_map(
        |(chunk_size, concurrency, max_attempts, on_uncertain)| Rules {
            chunk_size,
            window: concurrency + (chunk_size / 2).max(1),
            max_attempts,
            on_uncertain,
            guards: Guards::ALL,
        },
    )
}

/// What the environment does not say.
fn config() -> Config {
    let mut config = Config::default();
    let says = |variable| std::env::var_os(variable).is_some();
    if !says("PROPTEST_CASES") {
        config.cases = 200;
    }
    if !says("PROPTEST_MAX_SHRINK_TIME") {
        // Milliseconds.
        config.max_shrink_time = 20_000;
    }
    config.max_shrink_iters = u32::MAX;
    config.failure_persistence = None;
    config
}

#[test]
fn model_and_postgresql_agree_after_every_step() {
    let postgres = RUNTIME.block_on(Postgres::prepare());
    let mut config = config();
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => fastrand::u64(..),
    };
    config.rng_seed = RngSeed::Fixed(seed);
    let mut runner = TestRunner::new(config);
    let walked = runner.run(&(rules(), acts()), |(rules, acts): (Rules, Vec<Act>)| {
        RUNTIME
            .block_on(Walk::go(&postgres, rules, &acts))
            .map_err(TestCaseError::fail)
    });
    match walked {
        Ok(()) => {}
        // The script says all that the input does.
        Err(TestError::Fail(script, _)) => panic!("PROPTEST_RNG_SEED={seed}\n{script}"),
        Err(TestError::Abort(reason)) => panic!("PROPTEST_RNG_SEED={seed}\n{reason}"),
    }
}
