//! What people ask runners for, outside of any job: test mails and tests of integrations. Each is attempted once, over a
//! connection of its own.

use std::sync::Arc;

use message::mail::Identity;
use message::reply::{Outcome, Phase};
use message::verdict::{Judgement, Rules};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;
use uuid::Uuid;

use super::backoff;
use super::plan::Letter;
use super::state::Event;
use crate::fence::{Fence, Fences, Gate};
use crate::probe::probe;
use crate::smtp::{Dialer, Guest, Permit, Pool, Sent};
use crate::storage::{IntegrationSpec, Storage, StorageError, TestMail, TestOutcome};

pub struct Tester {
    pub storage: Storage,
    pub dialer: Arc<dyn Dialer>,
    pub pool: Arc<Pool>,
    pub events: mpsc::UnboundedSender<Event>,
    pub alive: Fence,
}

impl Tester {
    /// Looks each time there may be `work`, until the runner is `draining`.
    pub async fn run(&self, work: &Notify, mut draining: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = work.notified() => {}
                // The engine has ended when nobody can tell any more.
                _ = draining.wait_for(|&draining| draining) => return,
            }
            while !*draining.borrow() {
                let next = async { Ok(self.next_mail().await? | self.next_test().await?) };
                match next.await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        // The engine's own calls say that the database is away; tick tells again of what waits.
                        let error: StorageError = error;
                        tracing::debug!(error = %error, "no test could be taken");
                        break;
                    }
                }
            }
        }
    }

    /// Whether there may be another one.
    async fn next_mail(&self) -> Result<bool, StorageError> {
        let Some(mail) = self.storage.take_test_mail().await? else {
            return Ok(false);
        };
        let relay = self.storage.integration_spec(mail.integration_id).await?;
        let attempted = async {
            let _place = self.place(relay.id).await;
            attempt(&mail, &relay, &*self.dialer, self.alive.clone()).await
        };
        let Some(outcome) = attempted.await else {
            return Ok(false);
        };
        tracing::info!(
            test_mail.id = %mail.id,
            test_mail.outcome = outcome.outcome,
            smtp.phase = outcome.phase,
            smtp.code = outcome.code,
            "test mail attempted"
        );
        self.insist(|| self.storage.report_test_mail(mail.id, &outcome))
            .await;
        Ok(true)
    }

    async fn next_test(&self) -> Result<bool, StorageError> {
        let Some(test) = self.storage.take_integration_test().await? else {
            return Ok(false);
        };
        let relay = self.storage.integration_spec(test.integration_id).await?;
        let steps = {
            let _place = self.place(relay.id).await;
            probe(&relay, Some(&test.email), &*self.dialer, self.alive.clone()).await
        };
        let passed = steps.iter().all(|step| step.result != "failed");
        tracing::info!(test.id = %test.id, integration.id = %relay.id, passed, "integration tested");
        self.insist(|| self.storage.report_integration_test(test.id, &steps))
            .await;
        Ok(true)
    }

    /// One of the connections that all runners share; waits for it.
    async fn place(&self, relay: Uuid) -> Place<'_> {
        // Only the engine's end can close the channel.
        let _ = self.events.send(Event::Guest(relay));
        Place {
            relay,
            events: &self.events,
            _guest: self.pool.guest(relay).await,
        }
    }

    /// Until it is answered: what was attempted and not reported would be given out again. A runner that is not
    /// registered any more ends, and what it has in hand becomes uncertain.
    async fn insist<F: Future<Output = Result<(), StorageError>>>(&self, report: impl Fn() -> F) {
        let mut refused = false;
        for attempt in 1.. {
            match report().await {
                Ok(()) => return,
                Err(error @ StorageError::ProtocolBroken(_))
                    if !std::mem::replace(&mut refused, true) =>
                {
                    tracing::error!(error = %error, "the report of a test is refused; it is repeated");
                }
                Err(error) => {
                    tracing::debug!(error = %error, "the report of a test is repeated")
                }
            }
            sleep(backoff(attempt)).await;
        }
    }
}

struct Place<'a> {
    relay: Uuid,
    events: &'a mpsc::UnboundedSender<Event>,
    _guest: Guest,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let _ = self.events.send(Event::GuestLeft(self.relay));
    }
}

/// `None` = the relay has nothing of it, because this runner may be taken for dead.
async fn attempt(
    mail: &TestMail,
    relay: &IntegrationSpec,
    dialer: &dyn Dialer,
    alive: Fence,
) -> Option<TestOutcome> {
    let identity = Identity {
        job_id: mail.id,
        pos: 1,
        date: mail.created_at,
    };
    let content =
        match Letter::of_test(mail.message.clone()).mail(&mail.email, &mail.vars, &identity) {
            Ok(content) => content,
            Err(why) => return Some(lost(Outcome::Failed, Phase::Render, why)),
        };
    let rules = match Rules::compile(&relay.rules) {
        Ok(rules) => rules,
        Err(error) => return Some(lost(Outcome::Failed, Phase::Render, error.to_string())),
    };
    let mut connection = match dialer.dial(relay, &mut Default::default()).await {
        Ok(connection) => connection,
        Err(error) => return Some(lost(Outcome::Failed, error.phase, error.reason)),
    };
    let permit = Permit::new(Arc::<Gate>::default(), Fences::without_news(alive));
    let sent = connection.send(&content, &permit).await;
    connection.quit().await;
    match sent {
        Sent::NotStarted | Sent::Withheld => None,
        Sent::DeadIdle(how) => Some(lost(Outcome::Failed, Phase::Mail, how)),
        Sent::Ended {
            phase,
            answer: Some(answer),
            ..
        } => Some(TestOutcome {
            outcome: told(rules.judge(phase, Some(&answer))).as_str(),
            phase: phase.as_str(),
            code: Some(answer.code),
            enhanced: answer.enhanced,
            detail: Some(answer.text),
        }),
        Sent::Ended {
            phase,
            answer: None,
            lost: how,
        } => {
            // What could be tried again is not: a test tells what happened.
            let outcome = match rules.judge(phase, None).verdict.outcome() {
                Outcome::Uncertain => Outcome::Uncertain,
                _ => Outcome::Failed,
            };
            Some(lost(outcome, phase, how.unwrap_or_default()))
        }
    }
}

/// A mail of no job cannot be given back.
fn told(judgement: Judgement) -> Outcome {
    match judgement.verdict.outcome() {
        Outcome::Returned => Outcome::Failed,
        outcome => outcome,
    }
}

fn lost(outcome: Outcome, phase: Phase, how: String) -> TestOutcome {
    TestOutcome {
        outcome: outcome.as_str(),
        phase: phase.as_str(),
        code: None,
        enhanced: None,
        detail: Some(how),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, SystemTime};

    use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Script, Stage};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::smtp::NetDialer;
    use crate::smtp::tests::spec;

    async fn attempted(rules: impl IntoIterator<Item = Rule>) -> (TestOutcome, Catcher) {
        let config = Config {
            script: Script::new(rules),
            ..Config::default()
        };
        let catcher = Catcher::start(config).await.unwrap();
        let outcome = to(catcher.addr().port(), alive(20)).await.unwrap();
        (outcome, catcher)
    }

    fn alive(seconds: u64) -> Fence {
        Fence::new(Duration::from_secs(seconds), Duration::ZERO, || {
            Duration::from_secs(1)
        })
    }

    async fn to(port: u16, alive: Fence) -> Option<TestOutcome> {
        let message = json!({
            "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {"X-Kind": "test"}, "segment": "test",
            "public_url": "https://mail.example.org", "template": {"subject": "Hi {{name}}", "html": "<p>Hi</p>", "text": null, "variables": []}
        });
        let vars = json!({"name": "Ana"});
        let mail = TestMail {
            id: Uuid::from_u128(7),
            integration_id: Uuid::nil(),
            email: "ana@example.com".to_owned(),
            vars: serde_json::from_value(vars).unwrap(),
            message: serde_json::from_value(message).unwrap(),
            created_at: SystemTime::UNIX_EPOCH,
        };
        attempt(&mail, &spec(port), &NetDialer::default(), alive).await
    }

    #[tokio::test]
    async fn a_test_mail_is_the_mail_that_a_campaign_would_send() {
        let (outcome, catcher) = attempted([]).await;
        assert_eq!((outcome.outcome, outcome.code), ("sent", Some(250)));
        let accepted = &catcher.accepted()[0];
        assert_eq!(accepted.recipient, "ana@example.com");
        let mail = String::from_utf8(accepted.mail.as_deref().unwrap().to_vec()).unwrap();
        assert!(mail.contains("Subject: Hi Ana\r\n") && mail.contains("X-Kind: test\r\n"));
        assert!(mail.contains("Message-ID: <00000000000000000000000000000007.1@example.org>"));
        assert!(
            mail.contains("List-Unsubscribe: <https://mail.example.org/unsubscribe?t=test>\r\n")
        );
    }

    #[tokio::test]
    async fn what_the_relay_said_or_did_is_told_and_nothing_is_repeated() {
        let later = Fault::Reply(Stage::Rcpt, Reply::new(450, "4.2.0 later"));
        for (fault, outcome, phase) in [
            (later, "deferred", "rcpt"),
            (Fault::Drop(Stage::Rcpt), "failed", "rcpt"),
            (Fault::DropAtDot { accepted: true }, "uncertain", "dot"),
            (Fault::Drop(Stage::Connect), "failed", "greeting"),
        ] {
            let (told, catcher) = attempted([Rule::always(fault)]).await;
            assert_eq!((told.outcome, told.phase), (outcome, phase));
            assert_eq!(catcher.connection_count(), 1);
        }
    }

    #[tokio::test]
    async fn behind_the_fence_nothing_is_sent_and_nothing_told() {
        let catcher = Catcher::start(Config::default()).await.unwrap();
        assert_eq!(to(catcher.addr().port(), alive(1)).await, None);
        assert_eq!(catcher.mail_from_count(), 0);
    }
}
