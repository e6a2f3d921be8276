//! All SQL of the runner: each function is one call of one database function.

pub mod api;
pub mod track;
mod trouble;
mod types;

use std::time::{Duration, SystemTime};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::{Json, ToSql};
use tokio_postgres::{NoTls, Row};
use uuid::Uuid;

use crate::config::{CALL_TIMEOUT, CONNECT_TIMEOUT};
use crate::logging::chain;
pub use trouble::Trouble;
pub use types::*;

/// Version of the protocol between runner and database that this runner speaks.
const PROTOCOL: i32 = 1;
const MAX_CONNECTIONS: usize = 8;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// CP020: the database does not know this runner (any more). Nothing may be claimed or sent before a replay.
    #[error("the database does not know this runner: {0}")]
    NotRegistered(String),
    /// CP021: the database speaks another version of the protocol.
    #[error("the database refuses this version of campaign-runner: {0}")]
    ProtocolRefused(String),
    /// CP022, or a value that PostgreSQL does not take: what was told cannot be. Nothing of the call was written, nor
    /// will be when it is repeated.
    #[error("the call breaks the protocol: {0}")]
    ProtocolBroken(String),
    /// No fault of the call. Whether it was executed is not always known; repeated, it will be.
    #[error("the database is not available: {1}")]
    Unavailable(Trouble, String),
    /// Any other answer that is an error. Nothing of the call was written. It may succeed later, too.
    #[error("{0}")]
    Other(String),
}

/// A number out of range, or text that PostgreSQL cannot keep or read. No error that is not about what was told may be
/// taken for one that is: an outcome is given up by it.
const REFUSED_VALUES: [&str; 4] = ["22003", "22021", "22P02", "22P05"];
/// A column that does not take a value: where it is one of these, which have what runners tell.
const REFUSED_ROWS: [&str; 2] = ["23502", "23514"];
const TOLD: [&str; 3] = ["attempt", "test_mail", "integration_test"];

#[derive(Clone)]
pub struct Storage {
    pool: Pool,
    runner_id: Uuid,
}

impl Storage {
    /// Opens no connection yet.
    pub fn new(config: tokio_postgres::Config, runner_id: Uuid) -> anyhow::Result<Storage> {
        let pool = pool(config, MAX_CONNECTIONS)?;
        Ok(Storage { pool, runner_id })
    }

    pub async fn register_runner(
        &self,
        host: &str,
        pid: i32,
    ) -> Result<Registration, StorageError> {
        self.call_json(
            "select campaign.register_runner($1, $2, $3, $4, $5)",
            &[
                &self.runner_id,
                &host,
                &pid,
                &env!("CARGO_PKG_VERSION"),
                &PROTOCOL,
            ],
        )
        .await
    }

    pub async fn unregister_runner(&self) -> Result<(), StorageError> {
        self.call("select campaign.unregister_runner($1)", &[&self.runner_id])
            .await
            .map(drop)
    }

    pub async fn heartbeat(&self, known: &[LeaseKey]) -> Result<Changes, StorageError> {
        self.call_json(
            "select campaign.heartbeat($1, $2)",
            &[&self.runner_id, &Json(known)],
        )
        .await
    }

    pub async fn tick(&self) -> Result<Changes, StorageError> {
        self.call_json("select campaign.tick($1)", &[&self.runner_id])
            .await
    }

    pub async fn job_spec(&self, job_no: i64) -> Result<JobSpec, StorageError> {
        self.call_json("select campaign.job_spec($1)", &[&job_no])
            .await
    }

    pub async fn integration_spec(&self, id: Uuid) -> Result<IntegrationSpec, StorageError> {
        self.call_json("select campaign.integration_spec($1)", &[&id])
            .await
    }

    pub async fn grant(
        &self,
        integration_id: Uuid,
        job_no: i64,
        want: i32,
        unused: i32,
    ) -> Result<Grant, StorageError> {
        self.call_json(
            "select campaign.grant($1, $2, $3, $4, $5)",
            &[&self.runner_id, &integration_id, &job_no, &want, &unused],
        )
        .await
    }

    /// How many connections to a relay this runner may have. It has at most `keep` until it reads the answer.
    pub async fn connections(
        &self,
        integration_id: Uuid,
        keep: i32,
        want: i32,
    ) -> Result<Connections, StorageError> {
        self.call_json(
            "select campaign.connections($1, $2, $3, $4)",
            &[&self.runner_id, &integration_id, &keep, &want],
        )
        .await
    }

    /// That a relay cannot be reached, or, with `None`, that it can again.
    pub async fn report_relay(
        &self,
        integration_id: Uuid,
        revision: i64,
        failure: Option<&Failure>,
    ) -> Result<(), StorageError> {
        let sql = "select campaign.report_relay($1, $2, $3, $4)";
        let failure = failure.map(Json);
        self.call(
            sql,
            &[&self.runner_id, &integration_id, &revision, &failure],
        )
        .await
        .map(drop)
    }

    pub async fn list_integrations(&self) -> Result<Vec<IntegrationName>, StorageError> {
        self.call_json("select campaign.list_integrations()", &[])
            .await
    }

    pub async fn check_installation(&self) -> Result<Vec<Check>, StorageError> {
        let sql = "select coalesce(jsonb_agg(c), '[]') from campaign.check_installation() c";
        self.call_json(sql, &[]).await
    }

    /// What this runner has taken and not reported is answered again.
    pub async fn take_integration_test(&self) -> Result<Option<IntegrationTest>, StorageError> {
        let sql = "select id, integration_id, email from campaign.take_integration_test($1)";
        let rows = self.call(sql, &[&self.runner_id]).await?;
        rows.first()
            .map(|row| {
                let read = || {
                    Ok::<_, tokio_postgres::Error>(IntegrationTest {
                        id: row.try_get("id")?,
                        integration_id: row.try_get("integration_id")?,
                        email: row.try_get("email")?,
                    })
                };
                read().map_err(|error| unexpected(chain(&error)))
            })
            .transpose()
    }

    pub async fn report_integration_test(
        &self,
        id: Uuid,
        steps: &[StepResult],
    ) -> Result<(), StorageError> {
        let sql = "select campaign.report_integration_test($1, $2, $3)";
        self.call(sql, &[&self.runner_id, &id, &Json(steps)])
            .await
            .map(drop)
    }

    /// What this runner has taken and not reported is answered again.
    pub async fn take_test_mail(&self) -> Result<Option<TestMail>, StorageError> {
        let sql = "select id, integration_id, email, vars, message, created_at \
                   from campaign.take_test_mail($1)";
        self.call(sql, &[&self.runner_id])
            .await?
            .first()
            .map(test_mail)
            .transpose()
    }

    pub async fn report_test_mail(
        &self,
        id: Uuid,
        outcome: &TestOutcome,
    ) -> Result<(), StorageError> {
        let sql = "select campaign.report_test_mail($1, $2, $3)";
        self.call(sql, &[&self.runner_id, &id, &Json(outcome)])
            .await
            .map(drop)
    }

    /// `known`: the leases in hand at this moment; any other of this runner is recovered first.
    pub async fn claim_chunks(
        &self,
        want: i32,
        known: &[LeaseKey],
    ) -> Result<Vec<Chunk>, StorageError> {
        self.call(
            "select job_no, chunk_no, epoch, job_id, mark, positions, emails, vars, first_leased_at \
             from campaign.claim_chunks($1, $2, $3)",
            &[&self.runner_id, &want, &Json(known)],
        )
        .await?
        .iter()
        .map(chunk)
        .collect()
    }

    /// One answer for each item, in their order.
    pub async fn report(&self, items: &[Item]) -> Result<Vec<Answer>, StorageError> {
        let sql = "select campaign.report($1, $2)";
        let answers = self
            .call_json(sql, &[&self.runner_id, &Json(items)])
            .await?;
        matching(items, answers)
    }

    /// Like [`Storage::report`], and ends the leases.
    pub async fn release(&self, items: &[Item]) -> Result<Vec<Answer>, StorageError> {
        let sql = "select campaign.release($1, $2)";
        let answers = self
            .call_json(sql, &[&self.runner_id, &Json(items)])
            .await?;
        matching(items, answers)
    }

    pub async fn replay(
        &self,
        host: &str,
        pid: i32,
        replay: &Replay,
    ) -> Result<Replayed, StorageError> {
        let version = env!("CARGO_PKG_VERSION");
        let Replay {
            since_us,
            items,
            last,
        } = replay;
        self.call_json(
            "select campaign.replay($1, $2, $3, $4, $5, $6, $7)",
            &[
                &self.runner_id,
                &host,
                &pid,
                &version,
                since_us,
                &Json(items),
                last,
            ],
        )
        .await
    }

    async fn call_json<T: for<'a> Deserialize<'a>>(
        &self,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, StorageError> {
        let rows = self.call(sql, arguments).await?;
        let [row] = rows.as_slice() else {
            return Err(unexpected(format!("{} rows instead of one", rows.len())));
        };
        row.try_get::<_, Json<T>>(0)
            .map(|Json(value)| value)
            .map_err(|error| {
                // The cause may quote a value.
                tracing::debug!(error = chain(&error), sql, "an answer cannot be read");
                unexpected(error.to_string())
            })
    }

    async fn call(
        &self,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StorageError> {
        call(&self.pool, CALL_TIMEOUT, sql, arguments).await
    }
}

/// Opens no connection yet.
fn pool(config: tokio_postgres::Config, size: usize) -> anyhow::Result<Pool> {
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .timeouts(deadpool_postgres::Timeouts {
            wait: Some(CALL_TIMEOUT),
            create: Some(CONNECT_TIMEOUT),
            recycle: Some(CONNECT_TIMEOUT),
        })
        .build()?;
    Ok(pool)
}

/// Waits that long for a connection, and then for the answer. A connection on which anything went wrong is closed: after
/// a timeout its next answer would be another call's.
async fn call(
    pool: &Pool,
    limit: Duration,
    sql: &str,
    arguments: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, StorageError> {
    let late =
        || StorageError::Unavailable(Trouble::NoAnswer, format!("no answer within {limit:?}"));
    let client = match tokio::time::timeout(limit, pool.get()).await {
        Ok(Ok(client)) => client,
        Ok(Err(deadpool_postgres::PoolError::Backend(error))) => return Err(from_postgres(&error)),
        Ok(Err(error)) => {
            let text = error.to_string();
            return Err(StorageError::Unavailable(Trouble::NoAnswer, text));
        }
        Err(_) => return Err(late()),
    };
    let query = async {
        let statement = client.prepare_cached(sql).await?;
        client.query(&statement, arguments).await
    };
    let error = match tokio::time::timeout(limit, query).await {
        Ok(Ok(rows)) => return Ok(rows),
        Ok(Err(error)) => from_postgres(&error),
        Err(_) => late(),
    };
    drop(Object::take(client));
    Err(error)
}

fn chunk(row: &Row) -> Result<Chunk, StorageError> {
    let read = || {
        let positions: Vec<i64> = row.try_get("positions")?;
        let emails: Vec<String> = row.try_get("emails")?;
        let vars: Vec<Value> = row.try_get("vars")?;
        let dates: Vec<SystemTime> = row.try_get("first_leased_at")?;
        let key = LeaseKey {
            job_no: row.try_get("job_no")?,
            chunk_no: row.try_get("chunk_no")?,
            epoch: row.try_get("epoch")?,
        };
        let (job_id, mark) = (row.try_get("job_id")?, row.try_get("mark")?);
        Ok::<_, tokio_postgres::Error>((key, job_id, mark, positions, emails, vars, dates))
    };
    let (key, job_id, mark, positions, emails, vars, dates) =
        read().map_err(|error| unexpected(chain(&error)))?;
    if [emails.len(), vars.len(), dates.len()] != [positions.len(); 3] {
        return Err(unexpected("arrays of different lengths".to_owned()));
    }
    let first_leased_us = (dates.first())
        .and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .unwrap_or_default();
    let recipients = positions
        .into_iter()
        .zip(emails)
        .zip(vars)
        .zip(dates)
        .map(|(((pos, email), vars), first_leased_at)| match vars {
            Value::Object(vars) => Ok(Recipient {
                pos,
                email,
                vars,
                first_leased_at,
            }),
            _ => Err(unexpected("vars that are not an object".to_owned())),
        })
        .collect::<Result<_, _>>()?;
    Ok(Chunk {
        key,
        job_id,
        mark,
        first_leased_us,
        recipients,
    })
}

fn test_mail(row: &Row) -> Result<TestMail, StorageError> {
    let read = || {
        let Json(vars) = row.try_get("vars")?;
        let Json(message) = row.try_get("message")?;
        Ok::<_, tokio_postgres::Error>(TestMail {
            id: row.try_get("id")?,
            integration_id: row.try_get("integration_id")?,
            email: row.try_get("email")?,
            vars,
            message,
            created_at: row.try_get("created_at")?,
        })
    };
    read().map_err(|error| unexpected(chain(&error)))
}

fn matching(items: &[Item], answers: Vec<Answer>) -> Result<Vec<Answer>, StorageError> {
    if items
        .iter()
        .map(|item| item.key)
        .eq(answers.iter().map(|answer| answer.key))
    {
        Ok(answers)
    } else {
        Err(unexpected(
            "answers to other items than those reported".to_owned(),
        ))
    }
}

fn unexpected(what: String) -> StorageError {
    StorageError::Other(format!(
        "the database answered something unexpected: {what}"
    ))
}

fn from_postgres(error: &tokio_postgres::Error) -> StorageError {
    match error.as_db_error() {
        Some(answer) => from_answer(answer.code(), answer.table(), text(answer)),
        None => StorageError::Unavailable(Trouble::Unreachable, chain(error)),
    }
}

fn from_answer(code: &SqlState, table: Option<&str>, text: String) -> StorageError {
    let told = table.is_some_and(|table| TOLD.contains(&table));
    match code.code() {
        "CP020" => StorageError::NotRegistered(text),
        "CP021" => StorageError::ProtocolRefused(text),
        "CP022" => StorageError::ProtocolBroken(text),
        code if REFUSED_VALUES.contains(&code) || told && REFUSED_ROWS.contains(&code) => {
            StorageError::ProtocolBroken(format!("{text} ({code})"))
        }
        name => match Trouble::of(code) {
            Some(trouble) => StorageError::Unavailable(trouble, format!("{text} ({name})")),
            None => StorageError::Other(format!("{text} ({name})")),
        },
    }
}

fn text(error: &DbError) -> String {
    let mut text = error.message().to_owned();
    // PostgreSQL's own details quote rows, and with them addresses.
    let detail = error
        .detail()
        .filter(|_| error.code().code().starts_with("CP"));
    for (name, more) in [("detail", detail), ("hint", error.hint())] {
        if let Some(more) = more {
            text.push_str(&format!("; {name}: {more}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> StorageError {
        of_table(code, None)
    }

    fn of_table(code: &str, table: Option<&str>) -> StorageError {
        from_answer(&SqlState::from_code(code), table, "no".to_owned())
    }

    #[test]
    fn an_outcome_is_given_up_only_by_what_the_database_says_of_it() {
        for code in ["CP022", "22003", "22021", "22P02", "22P05"] {
            assert!(
                matches!(error(code), StorageError::ProtocolBroken(_)),
                "{code}"
            );
        }
        for code in ["23502", "23514"] {
            let refused = of_table(code, Some("attempt"));
            assert!(matches!(refused, StorageError::ProtocolBroken(_)), "{code}");
            // A chunk in a state that should not be says nothing of the outcome.
            let broken = of_table(code, Some("chunk"));
            assert!(matches!(broken, StorageError::Other(_)), "{code}");
        }
    }

    #[test]
    fn what_is_no_fault_of_the_call_is_repeated() {
        for code in [
            "08006", "0A000", "25006", "26000", "28000", "28P01", "3D000", "3F000", "40001",
            "40P01", "42501", "42883", "42P01", "53100", "53200", "53300", "53400", "55P03",
            "57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58030",
        ] {
            assert!(
                matches!(error(code), StorageError::Unavailable(..)),
                "{code}"
            );
        }
        // Unknown, or a fault in the database or its functions: it can be mended there.
        for code in [
            "22012", "22023", "23503", "23505", "54001", "P0001", "P0002", "P0004", "XX000",
            "XX001",
        ] {
            assert!(matches!(error(code), StorageError::Other(_)), "{code}");
        }
    }

    #[test]
    fn only_the_own_registration_and_version_end_a_runner() {
        assert!(matches!(error("CP020"), StorageError::NotRegistered(_)));
        assert!(matches!(error("CP021"), StorageError::ProtocolRefused(_)));
    }
}
