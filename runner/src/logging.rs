//! Logs: a message with dotted fields, on standard error. No address, secret or content of a mail above debug.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// It logs what the database says in notices, which may name anybody, at info. Who asks for its target by name gets it.
const SILENT: &str = "tokio_postgres=warn";

pub fn init(log: &Log) {
    subscriber(log, std::io::stderr, std::io::stderr().is_terminal()).init();
}

fn subscriber<W>(log: &Log, writer: W, ansi: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{SILENT},{}", log.level)))
        .with_ansi(ansi)
        .with_writer(writer);
    match log.format {
        LogFormat::Text => Box::new(logs.finish()),
        LogFormat::Json => Box::new(logs.json().finish()),
    }
}

/// The error with its causes: libraries keep the telling part in them.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Environment, Flags, load};
    use crate::secret::Secret;

    const PASSWORD: &str = "correct horse";

    /// What is logged when everything that has a secret is logged as `Debug`, in plain fields and in a span.
    fn logged(format: LogFormat) -> String {
        let mut settings = load(&Flags::default(), &Environment::from_iter([])).unwrap();
        settings.log = Log {
            format,
            level: "trace".to_owned(),
        };
        settings.database.host = "db.example.net".to_owned();
        settings.database.password = Some(Secret::new(PASSWORD));
        let login =
            json!({"host": "relay.example.net", "username": "campaign", "password": PASSWORD});
        let relay = crate::smtp::tests::spec_with(25, login);
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = {
            let written = Arc::clone(&written);
            move || Writer(Arc::clone(&written))
        };
        tracing::subscriber::with_default(subscriber(&settings.log, writer, false), || {
            let span = tracing::info_span!("chunk", relay = ?relay);
            let database = settings.database.to_config();
            tracing::info!(parent: &span, ?settings, ?database, "started");
        });
        let written = written.lock().unwrap();
        String::from_utf8(written.clone()).unwrap()
    }

    struct Writer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Writer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn notices_of_the_database_are_not_logged() {
        let log = Log {
            format: LogFormat::Text,
            level: "debug".to_owned(),
        };
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = {
            let written = Arc::clone(&written);
            move || Writer(Arc::clone(&written))
        };
        tracing::subscriber::with_default(subscriber(&log, writer, false), || {
            tracing::info!(target: "tokio_postgres::connection", "WARNING: ana@example.com");
            tracing::info!("ours");
        });
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ours") && !text.contains("ana@"), "{text}");
    }

    #[test]
    fn text_logs_show_no_secret() {
        let text = logged(LogFormat::Text);
        assert!(text.contains("started") && text.contains("db.example.net"));
        assert!(text.contains("relay.example.net"));
        assert!(!text.contains(PASSWORD), "{text}");
    }

    #[test]
    fn json_logs_are_json_and_show_no_secret() {
        let text = logged(LogFormat::Json);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["fields"]["message"], "started");
        assert!(
            line["span"]["relay"]
                .to_string()
                .contains("relay.example.net")
        );
        assert!(!text.contains(PASSWORD), "{text}");
    }
}
