use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use mail_catcher::{Catcher, Config, Store};
use tokio::signal::unix::{SignalKind, signal};

/// An SMTP server that keeps every mail as a file and delivers none.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address to listen on; with port 0, a free one. The address is printed when it is ready.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Folder for the mails and for log.jsonl; made where absent.
    #[arg(long)]
    mailbox: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let args = Args::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = Config {
        listen: args.listen,
        store: Store::Mailbox(args.mailbox.clone()),
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.with_context(|| {
        format!(
            "cannot listen on {} and keep mails in {}",
            args.listen,
            args.mailbox.display()
        )
    })?;
    writeln!(std::io::stdout(), "listening on {}", catcher.addr())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    catcher.stop().await;
    Ok(())
}
