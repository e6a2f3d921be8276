use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::{Arena, Slot};
use crate::check::{Begun, Campaign, Counters, Evidence, Mail, Recipient};

/// After the last fault a run ends when no mail has come for so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Those whose resend waits for the old mail to be out of the way.
const WAITING: &str = "
    select array_agg(distinct r.email)
    from campaign.retry_item i
    join campaign.doubt d using (job_no, pos)
    join campaign.recipient r using (job_no, pos)
    where i.job_no = $1 and i.chunk_no is null and d.decision = 'resend' and i.due > campaign.now() + interval '15 s'";

const AT_REST: &str = "
    select not exists (select from campaign.email_jobs where status not in ('completed', 'failed', 'cancelled'))
      and not exists (select from campaign.chunk where state = 'leased' or dirty)
      and not exists (select from campaign.retry_item)";

const STUCK: &str = "
    select coalesce(string_agg(format('%s is %s (%s): %s chunks ready, %s leased, %s retries wait until %s', i.name, j.status,
      coalesce(j.status_reason, 'no reason'),
      (select count(*) from campaign.chunk c where c.job_no = j.job_no and c.state = 'ready'),
      (select count(*) from campaign.chunk c where c.job_no = j.job_no and c.state = 'leased'),
      (select count(*) from campaign.retry_item t where t.job_no = j.job_no),
      (select max(t.due) - campaign.now() from campaign.retry_item t where t.job_no = j.job_no)), '; '), 'nothing')
    from campaign.email_jobs j join campaign.email_integrations i on i.id = j.integration_id
    where j.status not in ('completed', 'failed', 'cancelled')
      or exists (select from campaign.chunk c where c.job_no = j.job_no and (c.state = 'leased' or c.dirty))
      or exists (select from campaign.retry_item t where t.job_no = j.job_no)";

const RECIPIENTS: &str = "
    select s.state,
      count(t.*) filter (where t.outcome = 'sent'),
      count(t.*) filter (where t.outcome = 'uncertain'),
      (select count(*) from campaign.doubt d where d.job_no = s.job_no and d.pos = s.pos),
      (select count(*) from campaign.doubt d
       where d.job_no = s.job_no and d.pos = s.pos and not exists (
         select from campaign.attempt f
         where f.job_no = d.job_no and f.pos = d.pos and f.chunk_no = d.chunk_no and f.outcome <> 'uncertain')),
      (select count(distinct r.chunk_no) from chaos.resend r where r.job_no = s.job_no and r.pos = s.pos),
      exists (select from campaign.doubt d where d.job_no = s.job_no and d.pos = s.pos and d.decision = 'sent'),
      (select to_char(c.first_leased_at at time zone 'UTC', 'Dy, DD Mon YYYY HH24:MI:SS +0000')
       from campaign.chunk c where c.job_no = s.job_no and c.chunk_no = (s.pos - 1) / j.chunk_size + 1)
    from campaign.recipient_state s
    join campaign.email_jobs j on j.job_no = s.job_no
    left join campaign.attempt t on t.job_no = s.job_no and t.pos = s.pos
    where s.job_no = $1
    group by s.job_no, s.pos, s.state, j.chunk_size
    order by s.pos";

const JOB: &str = "
    select status, total_contacts::bigint, sent_count::bigint, failed_count::bigint, uncertain_count::bigint,
      suppressed_count::bigint, cancelled_count::bigint, (campaign.job_spec(job_no) ->> 'window')::bigint
    from campaign.email_jobs where id = $1";

impl Slot {
    pub(super) fn keep(&self, log: String) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.push(log);
    }
}

impl Arena {
    /// Lets the campaigns end, then the runners. Complains of what is stuck.
    pub(super) async fn end(&self) -> Option<String> {
        if let Some(clock) = &self.database_clock {
            // What became due while the clock was ahead is due at last.
            clock.set(2);
        }
        let mut mails = self.relay.catcher.mail_from_count();
        let mut limit = Instant::now() + LIMIT;
        let mut stuck = None;
        while !self.one::<bool>(AT_REST, &[]).await {
            self.look_after_runners().await;
            self.help_on().await;
            let now = self.relay.catcher.mail_from_count();
            if now > mails {
                (mails, limit) = (now, Instant::now() + LIMIT);
            }
            if Instant::now() > limit {
                stuck = Some(format!(
                    "not at rest after {LIMIT:?}: {}",
                    self.one::<String>(STUCK, &[]).await
                ));
                break;
            }
            sleep(Duration::from_millis(250)).await;
        }
        for index in 0..self.slots.len() {
            self.terminate(index).await;
        }
        self.ask("select campaign.tick()", &[]).await.expect("tick");
        self.check_books().await;
        stuck
    }

    async fn look_after_runners(&self) {
        for (index, slot) in self.slots.iter().enumerate() {
            let mut runner = slot.runner.lock().await;
            let log =
                (runner.as_mut()).and_then(|runner| (!runner.is_alive()).then(|| runner.log()));
            if let Some(log) = log {
                let told = log.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
                self.complain(format!("runner {index} ended by itself: {told}"));
                slot.keep(log);
                *runner = None;
                drop(runner);
                self.start_runner(index).await;
            }
        }
    }

    /// What an operator would do: resumes what was paused for a reason that is gone, and does not wait for resends.
    async fn help_on(&self) {
        for (index, job) in self.jobs.iter().enumerate() {
            let paused = "select status = 'paused' from campaign.email_jobs where id = $1";
            if self.one::<bool>(paused, &[&job.id]).await {
                self.call("resume_campaign($1)", index).await;
            }
            let waiting: Option<Vec<String>> = self.one(WAITING, &[&job.job_no]).await;
            if let Some(waiting) = waiting {
                let force = "select status from campaign.resolve_uncertain($1, 'resend', $2, force => true)";
                // CP011: it is cancelled, CP013: a fact has come.
                if let Err(error) = self.ask(force, &[&job.id, &waiting]).await
                    && !error.starts_with("CP011")
                    && !error.starts_with("CP013")
                {
                    self.complain(format!("resolve_uncertain: {error}"));
                }
            }
        }
    }

    pub(super) async fn evidence(&self) -> Evidence {
        let mut campaigns = Vec::new();
        for index in 0..self.jobs.len() {
            campaigns.push(self.campaign(index).await);
        }
        let by_name: HashMap<&str, usize> = (self.plan.campaigns.iter().zip(0..))
            .map(|(campaign, index)| (campaign.name, index))
            .collect();
        let accepted = self.relay.catcher.accepted().into_iter().map(|mail| {
            let recipient = mail
                .recipient
                .strip_prefix('p')
                .and_then(|rest| rest.split_once('@'));
            let (pos, domain) = recipient.unwrap_or_default();
            Mail {
                campaign: by_name.get(domain.trim_end_matches(".example")).copied(),
                pos: pos.parse().unwrap_or_default(),
                date: mail.field("Date"),
                bytes: mail.mail.unwrap_or_default(),
                message_id: mail.message_id,
            }
        });
        let begun = self
            .relay
            .catcher
            .mails_begun()
            .into_iter()
            .filter_map(|mail| {
                let (name, _) = mail.from.split_once('@')?;
                Some(Begun {
                    campaign: *by_name.get(name)?,
                    at: mail.at,
                })
            });
        let (accepted, begun) = (accepted.collect(), begun.collect());
        let notes = self.notes();
        Evidence {
            campaigns,
            accepted,
            begun,
            lost_at_dot: self.relay.lost_at_dot(),
            frozen: notes.frozen.clone(),
            complaints: notes.complaints.clone(),
        }
    }

    async fn campaign(&self, index: usize) -> Campaign {
        let job = &self.jobs[index];
        let name = self.plan.campaigns[index].name;
        let row = self.ask(JOB, &[&job.id]).await.expect("the campaign");
        let number = |column: usize| unsigned(row[0].get(column));
        let recipients = self
            .ask(RECIPIENTS, &[&job.job_no])
            .await
            .expect("its recipients");
        let recipients = recipients.iter().zip(1..).map(|(row, pos)| {
            let number = |column: usize| unsigned(row.get(column));
            Recipient {
                state: row.get(0),
                sent: number(1),
                uncertain: number(2),
                doubts: number(3),
                unsettled: number(4),
                resends: number(5),
                assumed_sent: row.get(6),
                message_id: format!("<{}.{pos}@meetups.example>", job.id.simple()),
                date: row.get(7),
            }
        });
        let recovered = "select open from chaos.recovered where job_no = $1";
        let recovered = self
            .ask(recovered, &[&job.job_no])
            .await
            .expect("its leases");
        let passed_again = "select pos from chaos.passed_again where job_no = $1";
        let passed_again = self
            .ask(passed_again, &[&job.job_no])
            .await
            .expect("its marks");
        let cancelled_at: Option<SystemTime> = self.notes().cancelled_at.get(&index).copied();
        Campaign {
            name: name.to_owned(),
            status: row[0].get(0),
            window: number(7),
            recipients: recipients.collect(),
            counters: Counters {
                total: number(1),
                sent: number(2),
                failed: number(3),
                uncertain: number(4),
                suppressed: number(5),
                cancelled: number(6),
            },
            recovered: recovered.iter().map(|row| unsigned(row.get(0))).collect(),
            passed_again: passed_again
                .iter()
                .map(|row| unsigned(row.get(0)))
                .collect(),
            cancelled_at,
        }
    }
}

fn unsigned(number: i64) -> u64 {
    number.try_into().expect("a count is not negative")
}
