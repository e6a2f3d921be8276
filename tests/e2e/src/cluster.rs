use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokio_postgres::{Client, Error, NoTls};

use crate::until;

/// Where a PostgreSQL listens.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
}

impl Server {
    /// The one that all tests share.
    pub(crate) fn shared() -> Server {
        Server {
            host: variable("PGHOST"),
            port: variable("PGPORT").parse().expect("PGPORT is no port"),
            user: variable("PGUSER"),
        }
    }

    pub(crate) async fn connect(&self, database: &str) -> Client {
        (self.try_connect(database).await).expect("no connection to PostgreSQL")
    }

    pub(crate) async fn try_connect(&self, database: &str) -> Result<Client, Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Runs a program of PostgreSQL. Panics unless it succeeds and has nothing to complain about.
    pub(crate) async fn run(&self, program: &str, args: &[&str], file: &Path) {
        let output = tokio::process::Command::new(Path::new(&variable("PG_BIN")).join(program))
            .args(["--host", &self.host, "--port", &self.port.to_string()])
            .args(["--username", &self.user])
            .args(args)
            .arg(file)
            .output()
            .await
            .expect("the program does not start");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{program} ended with {}:\n{said}",
            output.status
        );
    }
}

/// A PostgreSQL of the test's own, which may be restarted. Removed with this value, so databases must be declared
/// after it.
pub struct Cluster {
    folder: String,
    server: Server,
    /// Of the server's processes, beside what this one has.
    environment: Vec<(String, String)>,
}

impl Cluster {
    pub fn create() -> Cluster {
        Cluster::create_with(Vec::new())
    }

    /// With these variables in the environment of the server's processes.
    pub fn create_with(environment: Vec<(String, String)>) -> Cluster {
        Cluster::started(&["create"], environment)
    }

    /// A streaming standby of it.
    pub fn standby(&self) -> Cluster {
        Cluster::started(&["standby", &self.folder], Vec::new())
    }

    /// What the primary commits from now on is lost to it.
    pub async fn stop_receiving(&self) {
        let client = self.server.connect("postgres").await;
        let stop = "alter system set primary_conninfo = ''";
        client.batch_execute(stop).await.expect("alter system");
        let reload = "select pg_reload_conf()";
        client.batch_execute(reload).await.expect("reload");
        until("the standby receives nothing", async || {
            let receiving = "select exists (select from pg_stat_wal_receiver)";
            let row = client.query_one(receiving, &[]).await.expect("a row");
            (!row.get::<_, bool>(0)).then_some(())
        })
        .await;
    }

    /// Becomes the primary, at the address of the one it was a standby of, which has been stopped.
    pub fn promote(&mut self, primary: &Cluster) {
        cluster(&["promote", &self.folder, &primary.folder], &[]);
        self.server.port = primary.server.port;
    }

    /// With a disk for [`Db::create_on_small_disk`].
    pub fn create_with_small_disk() -> Cluster {
        Cluster::started(&["create", "32M"], Vec::new())
    }

    fn started(args: &[&str], environment: Vec<(String, String)>) -> Cluster {
        let created = cluster(args, &environment);
        let (folder, port) = created.trim().rsplit_once(' ').expect("folder and port");
        Cluster {
            folder: folder.to_owned(),
            server: Server {
                port: port.parse().expect("a port"),
                ..Server::shared()
            },
            environment,
        }
    }

    /// `mode` is one of `pg_ctl stop`: `fast` rolls back what is under way, `immediate` is a crash.
    pub fn restart(&self, mode: &str) {
        self.stop(mode);
        self.start();
    }

    pub fn stop(&self, mode: &str) {
        cluster(&["stop", &self.folder, mode], &[]);
    }

    pub fn start(&self) {
        cluster(&["start", &self.folder], &self.environment);
    }

    /// Stops it and starts it as a hot standby, which takes no writes, until `pg_promote()`.
    pub fn restart_as_standby(&self) {
        self.stop("fast");
        let signal = Path::new(&self.folder).join("data/standby.signal");
        std::fs::write(signal, "").expect("the data folder is not ours");
        self.start();
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn small_disk(&self) -> String {
        format!("{}/small", self.folder)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        cluster(&["remove", &self.folder], &[]);
    }
}

/// Runs `tools/cluster.sh`, and returns what it printed.
fn cluster(args: &[&str], environment: &[(String, String)]) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(root.join("tools/cluster.sh"))
        .args(args)
        .envs(environment.iter().cloned())
        .output()
        .expect("tools/cluster.sh does not start");
    assert!(
        output.status.success(),
        "tools/cluster.sh {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run `make test-e2e`, which starts a PostgreSQL")
    })
}
