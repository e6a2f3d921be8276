//! What readers of mails do. It uses connections of its own, so that neither readers nor the REST API starve the other.

use std::time::Duration;

use deadpool_postgres::Pool;
use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Json};

use super::{StorageError, call, pool, unexpected};
use crate::config::{CALL_TIMEOUT, Database};
use crate::logging::chain;

/// Somebody waits who opened a link.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Less, so that what was given up on is not executed later.
const LOOKUP_STATEMENT_TIMEOUT: &str = "-c statement_timeout=1500";
const LOOKUPS: usize = 4;
/// One of them writes opens and clicks.
const WRITES: usize = 3;

/// As `record_events` takes it.
#[derive(Debug, Serialize)]
pub struct EventRow<'a> {
    pub kind: &'static str,
    pub token: &'a str,
    pub link_url: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub address: String,
    pub age_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    Subscribed,
    Unsubscribed,
}

pub struct TrackStorage {
    lookups: Pool,
    writes: Pool,
}

impl TrackStorage {
    /// Opens no connection yet.
    pub fn new(database: &Database) -> anyhow::Result<TrackStorage> {
        let mut short = database.to_config();
        short.options(LOOKUP_STATEMENT_TIMEOUT);
        Ok(TrackStorage {
            lookups: pool(short, LOOKUPS)?,
            writes: pool(database.to_config(), WRITES)?,
        })
    }

    /// Where a click leads; `None` if the token is not genuine.
    pub async fn click_url(&self, token: &str) -> Result<Option<String>, StorageError> {
        self.look_up("select campaign.click_url($1)", token).await
    }

    /// `None` if the token is not genuine.
    pub async fn unsubscribe_state(
        &self,
        token: &str,
    ) -> Result<Option<Subscription>, StorageError> {
        let sql = "select campaign.unsubscribe_state($1)";
        let state: Option<String> = self.look_up(sql, token).await?;
        match state.as_deref() {
            None => Ok(None),
            Some("subscribed") => Ok(Some(Subscription::Subscribed)),
            Some("unsubscribed") => Ok(Some(Subscription::Unsubscribed)),
            Some(_) => Err(unexpected("an unknown state of a subscription".to_owned())),
        }
    }

    /// False if the token is not genuine.
    pub async fn record_unsubscribe(
        &self,
        token: &str,
        user_agent: Option<&str>,
        address: &str,
    ) -> Result<bool, StorageError> {
        let sql = "select campaign.record_unsubscribe($1, $2, $3::text::inet)";
        let rows = call(
            &self.writes,
            CALL_TIMEOUT,
            sql,
            &[&token, &user_agent, &address],
        )
        .await?;
        only(&rows)
    }

    pub async fn record_events(&self, events: &[EventRow<'_>]) -> Result<(), StorageError> {
        let sql = "select campaign.record_events($1)";
        call(&self.writes, CALL_TIMEOUT, sql, &[&Json(events)])
            .await
            .map(drop)
    }

    async fn look_up<T: FromSqlOwned>(&self, sql: &str, token: &str) -> Result<T, StorageError> {
        let rows = call(&self.lookups, LOOKUP_TIMEOUT, sql, &[&token]).await?;
        only(&rows)
    }
}

fn only<T: FromSqlOwned>(rows: &[Row]) -> Result<T, StorageError> {
    let [row] = rows else {
        return Err(unexpected(format!("{} rows instead of one", rows.len())));
    };
    row.try_get(0).map_err(|error| unexpected(chain(&error)))
}
