//! `campaign-runner`: carries the messages of pg_campaign from PostgreSQL to an SMTP relay, and the results back; and
//! serves HTTP: the API, and what readers of the mails do.

mod config;
mod demo;
mod doctor;
mod engine;
mod fence;
mod listener;
mod logging;
mod probe;
mod secret;
mod serve;
mod signals;
mod smtp;
mod storage;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Environment, Flags, Settings};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Flags),
    Serve(serve::ServeArgs),
    /// Prints the document of the API (OpenAPI 3.1)
    Openapi,
    Demo(demo::DemoArgs),
    Doctor(doctor::DoctorArgs),
}

impl Command {
    fn flags(&self) -> Flags {
        match self {
            Command::Run(flags) => flags.clone(),
            Command::Serve(args) => Flags {
                serve: args.serve.clone(),
                ..args.flags.clone()
            },
            Command::Doctor(args) => args.flags.clone(),
            Command::Openapi => Flags::default(),
            Command::Demo(args) => Flags {
                database: args.database.clone(),
                ..Flags::default()
            },
        }
    }
}

/// As clap's.
const WRONG_USAGE: u8 = 2;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: 0 = told to stop, and did; 1 = failed, standard error says why; 2 = wrong usage or configuration.
fn main() -> ExitCode {
    let command = Cli::parse().command;
    let environment = Environment::from_iter(std::env::vars_os());
    let settings = match config::load(&command.flags(), &environment) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("campaign-runner: {error}");
            return ExitCode::from(WRONG_USAGE);
        }
    };
    match run(command, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("campaign-runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, settings: Settings) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Command::Run(_) = command {
        // Threads wake each other: on two cores a second one costs a fifth more for a mail, and adds none.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        runtime.worker_threads(cores.div_ceil(2));
    }
    let runtime = runtime.enable_all().build()?;
    // On a thread of the runtime: a message to this one would be a call of the system each.
    let ended = runtime.block_on(runtime.spawn(execute(command, settings)))?;
    // Does not wait for a name that is being resolved.
    runtime.shutdown_background();
    ended
}

async fn execute(command: Command, settings: Settings) -> anyhow::Result<()> {
    match command {
        Command::Run(_) => {
            logging::init(&settings.log);
            engine::run(&settings).await
        }
        Command::Serve(_) => {
            logging::init(&settings.log);
            serve::run(&settings).await
        }
        Command::Openapi => {
            let document = serve::document().to_pretty_json()?;
            match writeln!(std::io::stdout(), "{document}") {
                // Whoever reads it has read enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => Ok(written?),
            }
        }
        Command::Doctor(args) => doctor::run(&settings, &args).await,
        Command::Demo(args) => demo::run(&settings.database, &args.mailbox).await,
    }
}
