//! `campaign-runner`: carries the messages of pg_campaign from PostgreSQL to an SMTP relay, and the results back.

mod config;
mod demo;
mod engine;
mod fence;
mod listener;
mod logging;
mod smtp;
mod storage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(config::RunArgs),
    Demo(demo::DemoArgs),
}

/// Exit codes: 0 = told to stop, and did; 1 = failed, standard error says why; 2 = wrong usage.
fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("campaign-runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = runtime.block_on(async {
        match command {
            Command::Run(args) => {
                logging::init(args.log_format);
                engine::run(&args).await
            }
            Command::Demo(args) => demo::run(&args).await,
        }
    });
    // Does not wait for a name that is being resolved.
    runtime.shutdown_background();
    ended
}
