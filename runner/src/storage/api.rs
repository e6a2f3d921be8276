//! The calls of the API: each is one database function, in a transaction that begins with the rights of a token.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::NoTls;

use super::{StorageError, from_postgres};
use crate::config::{CONNECT_TIMEOUT, Database};

const CONNECTIONS: usize = 8;
/// For a free connection: who waits for longer is told that the server is too busy.
const WAIT: Duration = Duration::from_secs(5);
/// How long the database may work on one call.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

#[derive(Clone)]
pub struct Api {
    pool: Pool,
}

impl Api {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// The pool cannot be built.
    pub fn new(database: &Database) -> anyhow::Result<Api> {
        let mut config = database.to_config();
        config
            .application_name("campaign-runner serve")
            .options(format!(
                "-c statement_timeout={} -c client_connection_check_interval=1s",
                STATEMENT_TIMEOUT.as_millis()
            ));
        let manager = Manager::from_config(
            config,
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts {
                wait: Some(WAIT),
                create: Some(CONNECT_TIMEOUT),
                recycle: Some(CONNECT_TIMEOUT),
            })
            .build()?;
        Ok(Api { pool })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let client = self
            .pool
            .get()
            .await
            .map_err(|error| StorageError::Unavailable(error.to_string()))?;
        client
            .batch_execute("")
            .await
            .map_err(|error| from_postgres(&error))
    }
}
