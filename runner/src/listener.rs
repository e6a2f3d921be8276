//! A connection of its own that listens for `campaign_wake`. It only makes things earlier: polling finds all work too.

use std::future::poll_fn;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

use crate::config::{CALL_TIMEOUT, CONNECT_TIMEOUT};

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(60);
/// A connection that was lost silently is found by this question.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Listens until the task is dropped, and calls `wake` for each notification and after each (re)connection, since
/// what was notified in between went unheard.
pub async fn listen(config: tokio_postgres::Config, wake: impl Fn()) {
    let mut backoff = FIRST_BACKOFF;
    let mut lost = false;
    loop {
        let error = match session(&config, &wake, &mut lost, &mut backoff).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        if !lost {
            lost = true;
            tracing::warn!(
                error = format!("{error:#}"),
                "listener is not connected; work is found by polling"
            );
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LAST_BACKOFF);
    }
}

async fn session(
    config: &tokio_postgres::Config,
    wake: &impl Fn(),
    lost: &mut bool,
    backoff: &mut Duration,
) -> anyhow::Result<std::convert::Infallible> {
    let (client, mut connection) =
        tokio::time::timeout(CONNECT_TIMEOUT, config.connect(NoTls)).await??;
    let (notify, mut notified) = mpsc::channel(1);
    let pump = async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(_) = message? {
                // A full channel means that a wake-up is under way already.
                let _ = notify.try_send(());
            }
        }
        anyhow::bail!("the server closed the connection")
    };
    let ask = async {
        tokio::time::timeout(CALL_TIMEOUT, client.batch_execute("listen campaign_wake")).await??;
        if std::mem::take(lost) {
            tracing::info!("listener is connected again");
        }
        *backoff = FIRST_BACKOFF;
        wake();
        loop {
            match tokio::time::timeout(KEEP_ALIVE, notified.recv()).await {
                Ok(Some(())) => wake(),
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
