//! A connection of its own that listens for notifications. It only makes things earlier: polling finds everything too.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::config::{CALL_TIMEOUT, CONNECT_TIMEOUT};

const UNHEARD: usize = 16;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(60);
/// A connection that was lost silently is found by this question.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Listens until the task is dropped, and calls `wake` with the payload of each notification, and with nothing after each
/// (re)connection, since what was notified in between went unheard.
pub async fn listen(config: tokio_postgres::Config, channel: &str, wake: impl Fn(&str)) {
    let mut backoff = FIRST_BACKOFF;
    let mut lost = false;
    loop {
        let error = match session(&config, channel, &wake, &mut lost, &mut backoff).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if !lost {
            lost = true;
            tracing::warn!(
                error = format!("{error:#}"),
                "listener is not connected; news is found by polling"
            );
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LAST_BACKOFF);
    }
}

async fn session(
    config: &tokio_postgres::Config,
    channel: &str,
    wake: &impl Fn(&str),
    lost: &mut bool,
    backoff: &mut Duration,
) -> anyhow::Result<std::convert::Infallible> {
    let (client, mut connection) =
        tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await??;
    let (notify, mut notified) = mpsc::channel(UNHEARD);
    let pump = async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(news) = message? {
                // Waits while the channel is full: PostgreSQL keeps what is not read.
                let _ = notify.send(news.payload().to_owned()).await;
            }
        }
        anyhow::bail!("the server closed the connection")
    };
    let ask = async {
        tokio::time::timeout(
            CALL_TIMEOUT,
            client.batch_execute(&format!("listen {channel}")),
        )
        .await??;
        if std::mem::take(lost) {
            tracing::info!("listener is connected again");
        }
        *backoff = FIRST_BACKOFF;
        wake("");
        loop {
            match tokio::time::timeout(KEEP_ALIVE, notified.recv()).await {
                Ok(Some(payload)) => wake(&payload),
                Ok(None) => anyhow::bail!("the connection is closed"),
                Err(_) => {
                    tokio::time::timeout(CALL_TIMEOUT, client.batch_execute("")).await??;
                }
            }
        }
    };
    tokio::select! {
        ended = pump => ended,
        ended = ask => ended,
    }
}
