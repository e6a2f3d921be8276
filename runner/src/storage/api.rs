//! The calls of the API: each is one database function, in a transaction that begins with the rights of a token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType, Timeouts};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, Json, ToSql};
use uuid::Uuid;

use super::{StorageError, Trouble, pool};
use crate::config::Database;
use crate::logging::chain;
use crate::secret::Secret;

const CONNECTIONS: usize = 8;
/// For a free connection: who would wait for longer is told that the server is too busy.
const WAIT: Duration = Duration::from_secs(5);
/// How long the database may work on one call.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);
/// For a connection and the result; longer than the database may work on it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(28);
/// For the commit, after that at the latest.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(1);

const ACT_AS: &str = "select campaign.act_as($1)";

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The database says no. Nothing was written.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Box<Refused>),
    /// It took too long, and was not told to commit: it is rolled back, at once or when the database notices that its
    /// client is gone.
    #[error("the database did not answer in time")]
    TimedOut,
    /// All connections are at work. Nothing was executed.
    #[error("the database is busy")]
    Busy,
    /// Not reached, or lost in the middle: then it is not known whether the call was executed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Version or rights of the database do not fit.
    #[error("the database answered something unexpected: {0}")]
    Unexpected(String),
}

/// An error of the database, in its words.
#[derive(Debug)]
pub struct Refused {
    pub code: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

impl From<tokio_postgres::Error> for ApiError {
    fn from(error: tokio_postgres::Error) -> ApiError {
        let Some(answer) = error.as_db_error() else {
            return ApiError::Unavailable(chain(&error));
        };
        let code = answer.code();
        if *code == SqlState::QUERY_CANCELED {
            return ApiError::TimedOut;
        }
        if Trouble::of(code).is_some_and(Trouble::passes) {
            return ApiError::Unavailable(format!("{} ({})", answer.message(), code.code()));
        }
        ApiError::Refused(Box::new(Refused {
            code: code.code().to_owned(),
            message: answer.message().to_owned(),
            detail: answer.detail().map(str::to_owned),
            hint: answer.hint().map(str::to_owned),
        }))
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> ApiError {
        ApiError::Unexpected(error.to_string())
    }
}

#[derive(Clone)]
pub struct Api {
    pool: Pool,
    /// Says how it is, however much is asked.
    ping: Pool,
    lost: Arc<AtomicBool>,
}

/// A connection that is closed unless its work was done: whoever gave up must not leave it to the next.
struct Lent(Option<Object>);

impl Lent {
    fn done(mut self) {
        drop(self.0.take());
    }

    async fn ask<T: FromSqlOwned>(
        &mut self,
        deadline: Instant,
        access: Option<(&Secret, Access)>,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        let Some(client) = &mut self.0 else {
            return Err(ApiError::Unexpected("no connection".to_owned()));
        };
        let reads_only = access.is_none_or(|(_, access)| access == Access::Read);
        let work = async {
            let mut transaction = client.build_transaction();
            if reads_only {
                transaction = transaction.read_only(true);
            }
            // Not READ WRITE otherwise: a database that is set to be read-only is to stay so.
            let transaction = transaction.start().await?;
            let answer = async {
                if let Some((by, _)) = access {
                    let act_as = transaction.prepare_cached(ACT_AS).await?;
                    transaction.execute(&act_as, &[&by.reveal()]).await?;
                }
                let statement = transaction.prepare_cached(sql).await?;
                transaction.query_one(&statement, arguments).await
            };
            match answer.await {
                Ok(row) => Ok((transaction, row)),
                Err(error) => {
                    transaction.rollback().await?;
                    Err(ApiError::from(error))
                }
            }
        };
        let (transaction, row) = timeout_at(deadline, work)
            .await
            .map_err(|_| ApiError::TimedOut)??;
        // What was told to commit may do so, whether or not anybody hears of it.
        timeout_at(deadline + COMMIT_TIMEOUT, transaction.commit())
            .await
            .map_err(|_| ApiError::Unavailable("no answer to a commit".to_owned()))??;
        row.try_get(0)
            .map_err(|error| ApiError::Unexpected(chain(&error)))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

impl Api {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// The pool cannot be built.
    pub fn new(database: &Database) -> anyhow::Result<Api> {
        let mut config = database.to_config();
        // A call that nobody waits for any more is ended; times are told in one zone.
        config.options(format!(
            "-c statement_timeout={} -c client_connection_check_interval=1s -c timezone=UTC",
            STATEMENT_TIMEOUT.as_millis()
        ));
        Ok(Api {
            pool: pool(config, CONNECTIONS)?,
            ping: pool(database.to_config(), 1)?,
            lost: Arc::default(),
        })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StorageError> {
        super::call(&self.ping, WAIT, "select", &[]).await.map(drop)
    }

    /// Whether the token is valid.
    pub async fn check(&self, by: &Secret) -> Result<(), ApiError> {
        self.call::<String>(None, ACT_AS, &[&by.reveal()])
            .await
            .map(drop)
    }

    pub async fn start<T: DeserializeOwned>(
        &self,
        by: &Secret,
        request: &Value,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_start($1)";
        self.write(by, sql, &[&Json(request)]).await
    }

    pub async fn campaigns<T: DeserializeOwned>(
        &self,
        by: &Secret,
        (event_id, segment, status, template): (
            Option<Uuid>,
            Option<&str>,
            Option<&str>,
            Option<&str>,
        ),
        (limit, cursor): (Option<i32>, Option<&str>),
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_campaigns($1, $2, $3, $4, $5, $6)";
        let arguments: &[&(dyn ToSql + Sync)] =
            &[&event_id, &segment, &status, &template, &limit, &cursor];
        self.read(by, sql, arguments).await
    }

    pub async fn campaign<T: DeserializeOwned>(
        &self,
        by: &Secret,
        job: Uuid,
    ) -> Result<T, ApiError> {
        self.read(by, "select campaign._api_campaign($1)", &[&job])
            .await
    }

    pub async fn stats<T: DeserializeOwned>(&self, by: &Secret, job: Uuid) -> Result<T, ApiError> {
        self.read(by, "select campaign._api_stats($1)", &[&job])
            .await
    }

    pub async fn cancel<T: DeserializeOwned>(&self, by: &Secret, job: Uuid) -> Result<T, ApiError> {
        let sql =
            "select jsonb_build_object('job', campaign._api_job(campaign.cancel_campaign($1)))";
        self.write(by, sql, &[&job]).await
    }

    pub async fn pause<T: DeserializeOwned>(&self, by: &Secret, job: Uuid) -> Result<T, ApiError> {
        let sql =
            "select jsonb_build_object('job', campaign._api_job(campaign.pause_campaign($1)))";
        self.write(by, sql, &[&job]).await
    }

    pub async fn resume<T: DeserializeOwned>(&self, by: &Secret, job: Uuid) -> Result<T, ApiError> {
        let sql =
            "select jsonb_build_object('job', campaign._api_job(campaign.resume_campaign($1)))";
        self.write(by, sql, &[&job]).await
    }

    pub async fn retry<T: DeserializeOwned>(&self, by: &Secret, job: Uuid) -> Result<T, ApiError> {
        let sql = "select jsonb_build_object('job', campaign._api_job(campaign.retry_failed($1)))";
        self.write(by, sql, &[&job]).await
    }

    pub async fn recipients<T: DeserializeOwned>(
        &self,
        by: &Secret,
        job: Uuid,
        outcome: Option<&str>,
        (limit, cursor): (Option<i32>, Option<&str>),
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_recipients($1, $2, $3, $4)";
        self.read(by, sql, &[&job, &outcome, &limit, &cursor]).await
    }

    pub async fn uncertain<T: DeserializeOwned>(
        &self,
        by: &Secret,
        job: Uuid,
        (limit, cursor): (Option<i32>, Option<&str>),
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_uncertain($1, $2, $3)";
        self.read(by, sql, &[&job, &limit, &cursor]).await
    }

    /// `keys`: `None` for all.
    pub async fn resolve<T: DeserializeOwned>(
        &self,
        by: &Secret,
        job: Uuid,
        decision: &str,
        keys: Option<&[String]>,
        force: bool,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_resolve($1, $2, $3, $4)";
        self.write(by, sql, &[&job, &decision, &keys, &force]).await
    }

    pub async fn templates<T: DeserializeOwned>(
        &self,
        by: &Secret,
        (limit, cursor): (Option<i32>, Option<&str>),
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_templates($1, $2)";
        self.read(by, sql, &[&limit, &cursor]).await
    }

    pub async fn template<T: DeserializeOwned>(
        &self,
        by: &Secret,
        template: &str,
    ) -> Result<T, ApiError> {
        self.read(by, "select campaign._api_template($1)", &[&template])
            .await
    }

    pub async fn create_template<T: DeserializeOwned>(
        &self,
        by: &Secret,
        content: &Value,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_create_template($1)";
        self.write(by, sql, &[&Json(content)]).await
    }

    pub async fn update_template<T: DeserializeOwned>(
        &self,
        by: &Secret,
        template: &str,
        content: &Value,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_update_template($1, $2)";
        self.write(by, sql, &[&template, &Json(content)]).await
    }

    pub async fn preview<T: DeserializeOwned>(
        &self,
        by: &Secret,
        template: &str,
        email: Option<&str>,
        vars: Option<&Value>,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_preview($1, $2, $3)";
        self.read(by, sql, &[&template, &email, &vars.map(Json)])
            .await
    }

    pub async fn preview_draft<T: DeserializeOwned>(
        &self,
        by: &Secret,
        draft: &Value,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_preview_draft($1)";
        self.read(by, sql, &[&Json(draft)]).await
    }

    pub async fn segments<T: DeserializeOwned>(&self, by: &Secret) -> Result<T, ApiError> {
        self.read(by, "select campaign._api_segments()", &[]).await
    }

    pub async fn segment_count<T: DeserializeOwned>(
        &self,
        by: &Secret,
        segment: &str,
        event_id: Option<Uuid>,
        template: Option<&str>,
        keys: Option<&[&str]>,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_segment_count($1, $2, $3, $4)";
        self.read(by, sql, &[&segment, &event_id, &template, &keys])
            .await
    }

    pub async fn suppressions<T: DeserializeOwned>(
        &self,
        by: &Secret,
        (limit, cursor): (Option<i32>, Option<&str>),
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_suppressions($1, $2)";
        self.read(by, sql, &[&limit, &cursor]).await
    }

    pub async fn suppress<T: DeserializeOwned>(
        &self,
        by: &Secret,
        email: &str,
        reason: Option<&str>,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_suppress($1, $2)";
        self.write(by, sql, &[&email, &reason]).await
    }

    pub async fn unsuppress(&self, by: &Secret, email: &str) -> Result<(), ApiError> {
        let sql = "select campaign._api_unsuppress($1)::text";
        let access = Some((by, Access::Write));
        self.call::<String>(access, sql, &[&email]).await.map(drop)
    }

    pub async fn integrations<T: DeserializeOwned>(&self, by: &Secret) -> Result<T, ApiError> {
        self.read(by, "select campaign._api_integrations()", &[])
            .await
    }

    pub async fn bounce<T: DeserializeOwned>(
        &self,
        by: &Secret,
        email: Option<&str>,
        job: Option<Uuid>,
        message_id: Option<&str>,
        detail: Option<&str>,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_bounce($1, $2, $3, $4)";
        self.write(by, sql, &[&email, &job, &message_id, &detail])
            .await
    }

    pub async fn complaint<T: DeserializeOwned>(
        &self,
        by: &Secret,
        email: Option<&str>,
        job: Option<Uuid>,
        message_id: Option<&str>,
        detail: Option<&str>,
    ) -> Result<T, ApiError> {
        let sql = "select campaign._api_complaint($1, $2, $3, $4)";
        self.write(by, sql, &[&email, &job, &message_id, &detail])
            .await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        by: &Secret,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        self.json((by, Access::Read), sql, arguments).await
    }

    async fn write<T: DeserializeOwned>(
        &self,
        by: &Secret,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        self.json((by, Access::Write), sql, arguments).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        access: (&Secret, Access),
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        let Json(value) = self
            .call::<Json<Value>>(Some(access), sql, arguments)
            .await?;
        Ok(serde_json::from_value(value)?)
    }

    async fn call<T: FromSqlOwned>(
        &self,
        access: Option<(&Secret, Access)>,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        let answer = self.attempt(access, sql, arguments).await;
        if matches!(answer, Err(ApiError::Busy)) {
            tracing::debug!("all connections of the API are busy");
            return answer;
        }
        let lost = matches!(answer, Err(ApiError::Unavailable(_)));
        if self.lost.swap(lost, Ordering::Relaxed) != lost {
            match &answer {
                Err(error) if lost => tracing::warn!(%error, "requests to the API are turned away"),
                // What it refuses is an answer.
                _ => tracing::info!("the database answers again"),
            }
        }
        answer
    }

    async fn attempt<T: FromSqlOwned>(
        &self,
        access: Option<(&Secret, Access)>,
        sql: &str,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<T, ApiError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let timeouts = Timeouts {
            wait: Some(WAIT),
            ..self.pool.timeouts()
        };
        let client = match self.pool.timeout_get(&timeouts).await {
            Ok(client) => client,
            Err(PoolError::Backend(error)) => return Err(error.into()),
            Err(PoolError::Timeout(TimeoutType::Wait)) => return Err(ApiError::Busy),
            Err(error) => return Err(ApiError::Unavailable(error.to_string())),
        };
        let mut lent = Lent(Some(client));
        let answer = lent.ask(deadline, access, sql, arguments).await;
        if matches!(answer, Ok(_) | Err(ApiError::Refused(_))) {
            lent.done();
        }
        answer
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}
