//! Carrying one message: makes it, sends it over a connection of the pool, and judges what the relay said.

use std::sync::Arc;

use message::reply::{Answer, Outcome, Phase};
use message::verdict::{Judgement, Verdict};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::plan::Plan;
use super::state::{Event, FlightNo};
use crate::fence::{Fences, Gate};
use crate::smtp::{Carried, DialError, Mail, Permit, Pool, Sent};
use crate::storage::{Fact, Failure, LeaseKey, Recipient};

/// One message to carry.
pub struct Assignment {
    pub key: LeaseKey,
    pub recipient: Recipient,
    pub plan: Arc<Plan>,
    pub gate: Arc<Gate>,
    pub span: tracing::Span,
}

/// What became of an assignment.
#[derive(Debug)]
pub enum End {
    Fact(Fact),
    /// Nothing was begun for this recipient.
    Unstarted(Recipient),
    /// Nothing was begun: the relay cannot be reached.
    Unreached(Recipient, Failure),
}

/// What all assignments share.
#[derive(Clone)]
pub struct Carrier {
    pub pool: Arc<Pool>,
    pub fences: Fences,
    /// True = give up what is in flight.
    pub hurry: watch::Receiver<bool>,
    pub events: mpsc::UnboundedSender<Event>,
}

impl Carrier {
    /// Tells the engine what became of it. Only the engine's end can close its inbox, and then nobody waits for this.
    pub async fn run(self, flight: FlightNo, assignment: Assignment) {
        let key = assignment.key;
        let relay = assignment.plan.relay.id;
        let span = assignment.span.clone();
        let end = self.carry(flight, assignment).instrument(span).await;
        let _ = self.events.send(Event::Ended {
            flight,
            key,
            end,
            idle: self.pool.idle(relay),
        });
    }

    async fn carry(&self, flight: FlightNo, assignment: Assignment) -> End {
        let Assignment {
            recipient,
            plan,
            gate,
            ..
        } = assignment;
        let pos = recipient.pos;
        let mail = match plan.mail(&recipient) {
            Ok(mail) => mail,
            Err(why) => {
                let judgement = plan.rules.judge(Phase::Render, None);
                return fact(pos, judgement, Phase::Render, None, Some(why));
            }
        };
        let permit = Permit::new(gate, self.fences.clone());
        let mut hurry = self.hurry.clone();
        let carried = tokio::select! {
            carried = self.send(flight, &mail, &plan, &permit) => Some(carried),
            () = hurried(&mut hurry) => None,
        };
        match carried {
            Some(Ok(carried)) => self.judged(recipient, &plan, carried),
            Some(Err(error)) => End::Unreached(recipient, failure(&error, &plan)),
            None if permit.finishing() => given_up(pos, Outcome::Uncertain, Some(Phase::Dot)),
            None => given_up(pos, Outcome::Returned, None),
        }
    }

    async fn send(
        &self,
        flight: FlightNo,
        mail: &Mail,
        plan: &Plan,
        permit: &Permit,
    ) -> Result<Carried, DialError> {
        let dialed = || {
            let _ = self.events.send(Event::Dialed(flight));
        };
        (self.pool).carry(mail, &plan.relay, permit, dialed).await
    }

    fn judged(&self, recipient: Recipient, plan: &Plan, carried: Carried) -> End {
        let pos = recipient.pos;
        let (phase, answer, lost) = match carried.sent {
            Sent::NotStarted => return End::Unstarted(recipient),
            // No final dot: the relay has no message (RFC 5321 section 4.1.1.4), so no try is spent.
            Sent::Withheld => return given_up(pos, Outcome::Returned, Some(Phase::Body)),
            Sent::DeadIdle(how) => (Phase::Mail, None, Some(how)),
            Sent::Ended {
                phase,
                answer,
                lost,
            } => (phase, answer, lost),
        };
        let mut judgement = plan.rules.judge(phase, answer.as_ref());
        match (judgement.verdict, carried.before) {
            // Another connection would be no fresher.
            (Verdict::Reconnect, 0) => judgement.verdict = Verdict::SlowDown,
            (Verdict::Reconnect, before) => self.pool.learn_limit(plan.relay.id, before),
            _ => {}
        }
        fact(pos, judgement, phase, answer, lost)
    }
}

async fn hurried(hurry: &mut watch::Receiver<bool>) {
    if hurry.wait_for(|&hurry| hurry).await.is_err() {
        // The engine has ended, and with it whoever could hurry.
        std::future::pending().await
    }
}

fn failure(error: &DialError, plan: &Plan) -> Failure {
    let judgement = error.judge(&plan.rules);
    Failure {
        phase: error.phase.as_str(),
        code: error.answer.as_ref().map(|answer| answer.code),
        enhanced: (error.answer.as_ref()).and_then(|answer| answer.enhanced.clone()),
        detail: (error.answer.as_ref())
            .map_or_else(|| error.reason.clone(), |answer| answer.text.clone()),
        verdict: judgement.verdict.as_str(),
        class: judgement.class,
        rule: judgement.rule,
        retry_in_ms: 0,
    }
}

fn fact(
    pos: i64,
    judgement: Judgement,
    phase: Phase,
    answer: Option<Answer>,
    lost: Option<String>,
) -> End {
    let (code, enhanced, text) = match answer {
        Some(answer) => (Some(answer.code), answer.enhanced, Some(answer.text)),
        None => (None, None, lost),
    };
    let fact = Fact {
        pos,
        outcome: judgement.verdict.outcome().as_str(),
        phase: Some(phase.as_str()),
        code,
        enhanced,
        detail: text,
        verdict: Some(judgement.verdict.as_str()),
        class: judgement.class,
        rule: judgement.rule,
    };
    log(&fact);
    End::Fact(fact)
}

fn given_up(pos: i64, outcome: Outcome, phase: Option<Phase>) -> End {
    let fact = Fact {
        phase: phase.map(Phase::as_str),
        detail: Some("given up by the runner".to_owned()),
        ..Fact::new(pos, outcome)
    };
    log(&fact);
    End::Fact(fact)
}

/// Texts of replies may contain addresses: they are in the database, not here.
fn log(fact: &Fact) {
    let Fact {
        pos,
        outcome,
        phase,
        code,
        class,
        ..
    } = fact;
    if *outcome == Outcome::Sent.as_str() {
        tracing::debug!(recipient.pos = pos, smtp.code = code, "message accepted");
    } else if *outcome == Outcome::Uncertain.as_str() {
        tracing::warn!(
            recipient.pos = pos,
            smtp.phase = phase,
            "no reply to the final dot: whether the message was accepted is not known"
        );
    } else {
        tracing::info!(
            recipient.pos = pos,
            attempt.outcome = outcome,
            smtp.phase = phase,
            smtp.code = code,
            smtp.class = class,
            "message not accepted"
        );
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::{Duration, SystemTime};

    use async_trait::async_trait;
    use serde_json::{Map, json};
    use uuid::Uuid;

    use super::*;
    use crate::fence::Fence;
    use crate::smtp::tests::spec;
    use crate::smtp::{Dialer, Relay, Trace};
    use crate::storage::{IntegrationSpec, JobSpec};

    /// What a connection does with each message.
    #[derive(Clone, Copy)]
    enum Does {
        Accept,
        Die,
        HangBeforeDot,
        HangAfterDot,
    }

    /// Each dial takes the next list; none left = not reached.
    struct Script(Mutex<VecDeque<Vec<Does>>>);

    struct Scripted(VecDeque<Does>);

    #[async_trait]
    impl Dialer for Script {
        async fn dial(
            &self,
            _: &IntegrationSpec,
            _: &mut Trace,
        ) -> Result<Box<dyn Relay>, DialError> {
            match self.0.lock().unwrap().pop_front() {
                Some(does) => Ok(Box::new(Scripted(does.into()))),
                None => Err(DialError {
                    phase: Phase::Connect,
                    answer: None,
                    reason: "refused".to_owned(),
                    fault: None,
                }),
            }
        }
    }

    #[async_trait]
    impl Relay for Scripted {
        async fn send(&mut self, _: &Mail, permit: &Permit) -> Sent {
            match self.0.pop_front().unwrap() {
                Does::Accept => Sent::Ended {
                    phase: Phase::Dot,
                    answer: Some(Answer::parse(250, "2.0.0 queued")),
                    lost: None,
                },
                Does::Die => Sent::DeadIdle("incomplete response".to_owned()),
                Does::HangBeforeDot => std::future::pending().await,
                Does::HangAfterDot => {
                    permit.may_finish();
                    std::future::pending().await
                }
            }
        }

        fn is_healthy(&self) -> bool {
            true
        }

        async fn quit(&mut self) {}
    }

    struct Bench {
        carrier: Carrier,
        dialer: Arc<Script>,
        hurry: watch::Sender<bool>,
        _events: mpsc::UnboundedReceiver<Event>,
    }

    impl Bench {
        async fn carry(&self, assignment: Assignment) -> End {
            self.carrier.carry(FlightNo(1), assignment).await
        }

        fn connections_left(&self) -> usize {
            self.dialer.0.lock().unwrap().len()
        }
    }

    fn bench(connections: &[&[Does]]) -> Bench {
        let connections = connections.iter().map(|does| does.to_vec()).collect();
        let dialer = Arc::new(Script(Mutex::new(connections)));
        let fence = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
        let hurry = watch::Sender::new(false);
        let (sender, events) = mpsc::unbounded_channel();
        let pool = Pool::new(dialer.clone());
        pool.set_ceiling(Uuid::nil(), None);
        let carrier = Carrier {
            pool: Arc::new(pool),
            fences: Fences::without_news(fence),
            hurry: hurry.subscribe(),
            events: sender,
        };
        Bench {
            carrier,
            dialer,
            hurry,
            _events: events,
        }
    }

    fn assignment(pos: i64) -> Assignment {
        let job: JobSpec = serde_json::from_value(json!({
            "id": Uuid::nil(), "job_no": 1, "integration_id": Uuid::nil(), "concurrency": 1, "window": 1, "links": null,
            "message": {
                "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {}, "segment": "all", "public_url": null,
                "template": {"subject": "Hi {{name}}", "html": "<p>Hi</p>", "text": null, "variables": []}
            }
        }))
        .unwrap();
        let mut vars = Map::new();
        vars.insert("name".to_owned(), json!("Ana"));
        Assignment {
            key: LeaseKey {
                job_no: 1,
                chunk_no: 1,
                epoch: 1,
            },
            recipient: Recipient {
                pos,
                email: "ana@example.com".to_owned(),
                vars,
                first_leased_at: SystemTime::UNIX_EPOCH,
            },
            plan: Arc::new(Plan::new(job, spec(25)).unwrap()),
            gate: Arc::default(),
            span: tracing::Span::none(),
        }
    }

    fn outcome(end: End) -> (&'static str, Option<&'static str>) {
        match end {
            End::Fact(fact) => (fact.outcome, fact.phase),
            other => panic!("no outcome: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_connection_that_died_idle_is_replaced_at_once_and_spends_no_try() {
        let bench = bench(&[&[Does::Accept, Does::Die], &[Does::Accept]]);
        assert_eq!(outcome(bench.carry(assignment(1)).await).0, "sent");
        assert_eq!(outcome(bench.carry(assignment(2)).await).0, "sent");
        assert_eq!(bench.connections_left(), 0);
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_given_back_unattempted() {
        let bench = bench(&[]);
        let end = bench.carry(assignment(7)).await;
        assert!(matches!(end, End::Unreached(recipient, _) if recipient.pos == 7));
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_made_fails_without_a_connection() {
        let bench = bench(&[&[Does::Accept]]);
        let mut assignment = assignment(1);
        assignment.recipient.vars.clear();
        let end = bench.carry(assignment).await;
        assert_eq!(outcome(end), ("failed", Some("render")));
        assert_eq!(bench.connections_left(), 1);
    }

    #[tokio::test]
    async fn a_closed_gate_starts_nothing() {
        let bench = bench(&[&[Does::Accept]]);
        let assignment = assignment(1);
        assignment.gate.close();
        let end = bench.carry(assignment).await;
        assert!(matches!(end, End::Unstarted(recipient) if recipient.pos == 1));
        assert_eq!(bench.connections_left(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_before_the_dot_goes_back_and_after_it_is_uncertain() {
        for (does, expected) in [
            (Does::HangBeforeDot, ("returned", None)),
            (Does::HangAfterDot, ("uncertain", Some("dot"))),
        ] {
            let bench = bench(&[&[does]]);
            let give_up = async {
                tokio::time::sleep(Duration::from_secs(30)).await;
                bench.hurry.send_replace(true);
            };
            let (end, ()) = tokio::join!(bench.carry(assignment(1)), give_up);
            assert_eq!(outcome(end), expected);
            assert_eq!(bench.carrier.pool.set_ceiling(Uuid::nil(), None), 0);
        }
    }
}
