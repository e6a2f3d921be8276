//! `demo`: starts the three campaigns of the invented meetup as an organiser would in psql, and shows how they go.

mod display;
mod readers;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Row, SimpleQueryMessage};
use uuid::Uuid;

use self::display::{Campaign, Live, outcome, say, table};
use self::readers::Reading;
use crate::config::{Database, DatabaseFlags};

/// Event, and segments with their templates, of `sql/meetup/demo/`.
const EVENT: &str = "0a0c1e00-2026-4226-8000-000000000001";
const CAMPAIGNS: [(&str, &str); 3] = [
    ("checked-in", "thanks-for-coming"),
    ("waitlist", "you-are-on-the-waitlist"),
    ("no-show", "we-missed-you"),
];
/// Everybody of the audience has this mail already.
const ALREADY_MAILED: &str = "CP007";

const NEXT: &str = "
==> Try next
    make demo     once more: nobody is mailed twice
    make up       keep it running in the background
    make psql     and there: select * from campaign.campaign_progress \\gx";

const REFRESH: Duration = Duration::from_millis(250);
/// How long nothing may happen: more than it takes until the leases of a dead runner are given to another one (30 s).
const PATIENCE: Duration = Duration::from_secs(60);

const PROGRESS: &str = "\
select to_jsonb(p) || jsonb_build_object('started', extract(epoch from started_at), 'ended', extract(epoch from completed_at))
from campaign.campaign_progress p
where event_id = $1::text::uuid and segment = any ($2)
order by array_position($2, segment), created_at";

const RECORDED: &str = "\
select count(*)
from campaign.email_events
where job_id = any ($1::text[]::uuid[]) and event_type in ('open', 'click')";

const REPORT: &str = "\
SELECT j.id, j.sent_count,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')  AS unique_opens,
  COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click') AS unique_clicks,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'open')::numeric  / j.sent_count * 100, 1) AS open_rate,
  ROUND(COUNT(DISTINCT e.attendee_id) FILTER (WHERE e.event_type = 'click')::numeric / j.sent_count * 100, 1) AS click_rate
FROM email_jobs j LEFT JOIN email_events e ON e.job_id = j.id
GROUP BY j.id;";

/// Sends the three campaigns of the invented meetup, and shows how they go
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    pub database: DatabaseFlags,
    /// Folder in which the mail catcher puts the mails
    #[arg(long, env = "MAILBOX")]
    pub mailbox: PathBuf,
}

/// Ends when the three campaigns have ended; fails when nothing happens for [`PATIENCE`].
pub async fn run(database: &Database, mailbox: &Path) -> Result<()> {
    let mut session = Session::connect(database).await?;
    say("==> Starting three campaigns, as an organiser would in psql")?;
    let mut started = Vec::new();
    for (segment, template) in CAMPAIGNS {
        started.extend(session.start(segment, template).await?);
    }
    let mut campaigns = session.campaigns().await?;
    let ended = campaigns.iter().all(Campaign::has_ended);
    say(match (started.is_empty(), ended) {
        (false, _) => "\n==> The runner sends, at most 20 mails a second",
        (true, true) => "\n==> Nobody is mailed twice. These campaigns sent the mails:",
        (true, false) => "\n==> Nobody is mailed twice. The campaigns that were interrupted go on:",
    })?;
    if !ended {
        let mut live = Live::new();
        let ended = watch(&mut session, &mut live).await;
        live.end()?;
        campaigns = ended?;
    }
    say(format!("\n{}", outcome(&campaigns)))?;
    for campaign in &campaigns {
        if campaign.status != "completed" || campaign.uncertain_count > 0 {
            say(campaign.state())?;
        }
    }
    if !started.is_empty() {
        let reading = readers::read_mails(mailbox, &started).await?;
        say(format!(
            "\n==> The invented people read: {} open their mail, {} follow its link",
            reading.opens, reading.clicks
        ))?;
        session.until_recorded(&started, &reading).await?;
    }
    say("\n==> The organiser's report")?;
    say(session.report().await?)?;
    say(mails(mailbox)?)?;
    Ok(say(NEXT)?)
}

struct Session {
    client: Client,
    messages: UnboundedReceiver<Result<DbError, Error>>,
}

impl Session {
    async fn connect(database: &Database) -> Result<Self> {
        let (client, mut connection) =
            database.to_config().connect(NoTls).await.with_context(|| {
                format!(
                    "no connection to PostgreSQL at {}:{}; 'make up' starts it",
                    database.host, database.port
                )
            })?;
        let (sender, messages) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                let passed_on = match message {
                    Ok(AsyncMessage::Notice(notice)) => sender.send(Ok(notice)),
                    Ok(_) => Ok(()),
                    Err(error) => sender.send(Err(error)),
                };
                if passed_on.is_err() {
                    return;
                }
            }
        });
        let search_path = "set search_path = \"$user\", public, campaign";
        client.batch_execute(search_path).await?;
        Ok(Self { client, messages })
    }

    /// Prints notices, as psql does, before it returns.
    async fn query(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
        let rows = self.client.query(sql, values).await;
        while let Some(message) = match self.client.is_closed() {
            false => self.messages.try_recv().ok(),
            true => self.messages.recv().await,
        } {
            say(as_in_psql(&message?))?;
        }
        Ok(rows?)
    }

    /// The campaign, without hyphens; none if there was nobody to mail.
    async fn start(&mut self, segment: &str, template: &str) -> Result<Option<String>> {
        let lines = [
            format!("select id from start_campaign('{segment}', '{template}',"),
            format!("  event_id => '{EVENT}', track_opens => true, track_clicks => true);"),
        ];
        say(format!(
            "\ncampaign=# {}\ncampaign(# {}",
            lines[0], lines[1]
        ))?;
        match self.query(&lines.join("\n"), &[]).await {
            Ok(rows) => {
                let id: Option<Uuid> = rows.first().map(|row| row.try_get(0)).transpose()?;
                Ok(id.map(|id| id.simple().to_string()))
            }
            Err(error) => match error.downcast_ref::<Error>().and_then(Error::as_db_error) {
                Some(refusal) if refusal.code().code() == ALREADY_MAILED => {
                    say(as_in_psql(refusal))?;
                    Ok(None)
                }
                _ => Err(error).context(
                    "this campaign was not started; if the database is of another version, 'make reset' makes a new one",
                ),
            },
        }
    }

    async fn campaigns(&mut self) -> Result<Vec<Campaign>> {
        let segments = CAMPAIGNS.map(|(segment, _)| segment);
        let rows = self.query(PROGRESS, &[&EVENT, &segments.as_slice()]).await;
        let rows =
            rows.context("the progress cannot be read; 'make demo' goes on where this one was")?;
        rows.iter()
            .map(|row| Ok(serde_json::from_value(row.try_get(0)?)?))
            .collect()
    }

    /// What readers do is recorded a moment later.
    async fn until_recorded(&mut self, campaigns: &[String], reading: &Reading) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = self.query(RECORDED, &[&campaigns]).await?;
            let recorded: i64 = rows.first().context("no count")?.try_get(0)?;
            if usize::try_from(recorded)? >= reading.opens + reading.clicks {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "only {recorded} of the opens and clicks are recorded; .run/campaign-server.log shows why"
                );
            }
            tokio::time::sleep(REFRESH).await;
        }
    }

    async fn report(&self) -> Result<String> {
        let answer = match self.client.simple_query(REPORT).await {
            Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
                return Ok(
                    "It divides by the mails sent, and one of the campaigns has sent none."
                        .to_owned(),
                );
            }
            answer => answer.context("the report cannot be read")?,
        };
        let mut lines = Vec::new();
        for message in answer {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let names = columns.iter().map(|column| column.name().to_owned());
                    lines.push(names.collect());
                }
                SimpleQueryMessage::Row(row) => {
                    let cell = |column| Ok(row.try_get(column)?.unwrap_or_default().to_owned());
                    let mut line = (0..row.len()).map(cell).collect::<Result<Vec<_>>>()?;
                    // The whole id does not fit into 80 columns.
                    line.iter_mut().take(1).for_each(|id| id.truncate(8));
                    lines.push(line);
                }
                _ => {}
            }
        }
        Ok(table(&lines))
    }
}

/// Notice or error, laid out as by psql.
fn as_in_psql(message: &DbError) -> String {
    let mut text = format!("{}:  {}", message.severity(), message.message());
    for (name, part) in [("DETAIL", message.detail()), ("HINT", message.hint())] {
        if let Some(part) = part {
            text += &format!("\n{name}:  {part}");
        }
    }
    text
}

async fn watch(session: &mut Session, live: &mut Live) -> Result<Vec<Campaign>> {
    let mut last = (u32::MAX, Instant::now());
    loop {
        let campaigns = session.campaigns().await?;
        live.show(&campaigns)?;
        if campaigns.iter().all(Campaign::has_ended) {
            return Ok(campaigns);
        }
        let pending = campaigns
            .iter()
            .map(|campaign| campaign.pending_count)
            .sum();
        if pending != last.0 {
            last = (pending, Instant::now());
        }
        if last.1.elapsed() > PATIENCE {
            let open = campaigns.iter().filter(|campaign| !campaign.has_ended());
            bail!(
                "nothing has happened for a minute\n{}\n'make status' shows whether the runner runs, .run/campaign-runner.log what it does.\n\
                 A paused campaign goes on with: select campaign.resume_campaign(id)",
                open.map(Campaign::state).collect::<Vec<_>>().join("\n")
            );
        }
        tokio::time::sleep(REFRESH).await;
    }
}

/// Where the mails lie, with one as an example.
fn mails(mailbox: &Path) -> Result<String> {
    let files = std::fs::read_dir(mailbox).and_then(|files| {
        files
            .map(|file| Ok(file?.path()))
            .collect::<std::io::Result<Vec<_>>>()
    });
    let files =
        files.with_context(|| format!("the mailbox {} cannot be read", mailbox.display()))?;
    let mails = files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "eml"));
    Ok(match mails.min() {
        Some(mail) => format!(
            "\n==> The mails are files, for example:\n    {}",
            mail.display()
        ),
        None => format!("\n==> There are no mails any more in {}", mailbox.display()),
    })
}
