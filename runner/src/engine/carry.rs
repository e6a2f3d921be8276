//! Carrying messages: makes each, sends them one after another over connections of the pool, and judges what the relay said.

use std::collections::VecDeque;
use std::sync::Arc;

use message::reply::{Answer, Outcome, Phase};
use message::verdict::{Judgement, Verdict};
use tokio::sync::{mpsc, watch};
use tracing::Instrument;

use super::crew::Crew;
use super::plan::Plan;
use super::state::{Event, FlightNo};
use crate::fence::{Fences, Gate};
use crate::smtp::{Begun, Carried, Connection, DialError, Mail, Permit, Pool, Sent};
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

/// Carries messages of one job as long as there are any.
pub struct Carrier {
    pub crew: Arc<Crew>,
    pub pool: Arc<Pool>,
    pub fences: Fences,
    /// True = give up what is in flight.
    pub hurry: watch::Receiver<bool>,
    pub events: mpsc::UnboundedSender<Event>,
}

/// A message in hand.
struct Load {
    flight: FlightNo,
    key: LeaseKey,
    recipient: Recipient,
    plan: Arc<Plan>,
    span: tracing::Span,
    mail: Mail,
    permit: Permit,
}

impl Carrier {
    /// Tells the engine what became of each message. Only the engine's end can close its inbox, and then nobody waits for this.
    pub async fn run(self) {
        let mut hurry = self.hurry.clone();
        let mut loads = VecDeque::new();
        loop {
            if loads.is_empty() && !self.load(&mut loads) {
                if self.crew.leave() {
                    return;
                }
                continue;
            }
            let hurries = tokio::select! {
                () = self.trip(&mut loads) => false,
                () = hurried(&mut hurry) => true,
            };
            if hurries {
                for load in loads.drain(..) {
                    let (outcome, phase) = match load.permit.finishing() {
                        true => (Outcome::Uncertain, Some(Phase::Dot)),
                        false => (Outcome::Returned, None),
                    };
                    let end = load
                        .span
                        .in_scope(|| given_up(load.recipient.pos, outcome, phase));
                    self.tell(load.flight, load.key, &load.plan, end);
                }
            }
        }
    }

    /// Takes the next message that may be begun in hand: false = there is none.
    fn load(&self, loads: &mut VecDeque<Load>) -> bool {
        while let Some((flight, assignment)) = self.crew.next() {
            let Assignment {
                key,
                recipient,
                plan,
                gate,
                span,
            } = assignment;
            let permit = Permit::new(gate, self.fences.clone());
            if !permit.may_start() {
                self.tell(flight, key, &plan, End::Unstarted(recipient));
                continue;
            }
            if plan.has_many() {
                let plan = plan.clone();
                tokio::task::spawn_blocking(move || plan.prepare());
            }
            match plan.mail(&recipient) {
                Ok(mail) => {
                    loads.push_back(Load {
                        flight,
                        key,
                        recipient,
                        plan,
                        span,
                        mail,
                        permit,
                    });
                    return true;
                }
                Err(why) => {
                    let judgement = plan.rules.judge(Phase::Render, None);
                    let end = span.in_scope(|| {
                        fact(recipient.pos, judgement, Phase::Render, None, Some(why))
                    });
                    self.tell(flight, key, &plan, end);
                }
            }
        }
        false
    }

    /// Carries what is in hand, and what is taken meanwhile, over one connection, until one ends that nothing may follow at
    /// once. What is still in hand then has not been begun.
    async fn trip(&self, loads: &mut VecDeque<Load>) {
        let Some(mut connection) = self.board(loads).await else {
            return;
        };
        loop {
            if self.pool.may_announce(&connection) {
                self.load(loads);
            }
            let Some(load) = loads.front() else {
                return self.pool.park(connection);
            };
            let next = (loads.get(1))
                .filter(|next| connection.may_serve(&next.plan.relay))
                .map(|next| (&next.mail, &next.permit));
            let is_last = next.is_none();
            let carried = connection.finish(&load.mail, &load.permit, next).await;
            if is_last || !connection.is_healthy() {
                self.pool.park(connection);
                return self.ended(loads, carried);
            }
            self.ended(loads, carried);
            let Some(next) = loads.front() else {
                return self.pool.park(connection);
            };
            match connection.begin(&next.mail, &next.permit).await {
                Ok(()) => {}
                Err(carried) => {
                    self.pool.park(connection);
                    if !matches!(carried.sent, Sent::DeadIdle(_)) {
                        self.ended(loads, carried);
                    }
                    return;
                }
            }
        }
    }

    /// Begins the first in hand. `None` = it has ended.
    async fn board(&self, loads: &mut VecDeque<Load>) -> Option<Connection> {
        let load = loads.front()?;
        let dialed = || {
            let _ = self.events.send(Event::Dialed(load.flight));
        };
        let begun = (self.pool).begin(&load.mail, &load.plan.relay, &load.permit, dialed);
        match begun.instrument(load.span.clone()).await {
            Ok(Begun::Yes(connection)) => return Some(connection),
            Ok(Begun::No(carried)) => self.ended(loads, carried),
            Err(error) => {
                let load = loads.pop_front()?;
                let failure = failure(&error, &load.plan);
                // Others would meet the same: the engine says when it is tried again.
                for (flight, waiting) in self.crew.recall(|_| true) {
                    let end = End::Unstarted(waiting.recipient);
                    self.tell(flight, waiting.key, &waiting.plan, end);
                }
                let end = End::Unreached(load.recipient, failure);
                self.tell(load.flight, load.key, &load.plan, end);
            }
        }
        None
    }

    /// What became of the first in hand.
    fn ended(&self, loads: &mut VecDeque<Load>, carried: Carried) {
        if let Some(load) = loads.pop_front() {
            let Load {
                flight,
                key,
                recipient,
                plan,
                span,
                ..
            } = load;
            let end = span.in_scope(|| self.judged(recipient, &plan, carried));
            self.tell(flight, key, &plan, end);
        }
    }

    fn tell(&self, flight: FlightNo, key: LeaseKey, plan: &Plan, end: End) {
        let _ = self.events.send(Event::Ended {
            flight,
            key,
            end,
            idle: self.pool.idle(plan.relay.id),
        });
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
    use crate::engine::rulebook::Rulebook;
    use crate::fence::Fence;
    use crate::smtp::tests::spec_with;
    use crate::smtp::{Dialer, Next, Relay, Trace};
    use crate::storage::{IntegrationSpec, JobSpec};

    /// What a connection does with each message.
    #[derive(Clone, Copy)]
    enum Does {
        Accept,
        Refuse,
        Die,
        HangBeforeDot,
        HangAfterDot,
    }

    /// Each dial takes the next list; none left = not reached.
    struct Script {
        connections: Mutex<VecDeque<Vec<Does>>>,
        /// Recipients in the order in which their messages were begun; `true` = with the end of the one before.
        begun: Arc<Mutex<Vec<(String, bool)>>>,
    }

    struct Scripted {
        does: VecDeque<Does>,
        begun: Arc<Mutex<Vec<(String, bool)>>>,
        announced: bool,
        healthy: bool,
    }

    #[async_trait]
    impl Dialer for Script {
        async fn dial(
            &self,
            _: &IntegrationSpec,
            _: &mut Trace,
        ) -> Result<Box<dyn Relay>, DialError> {
            match self.connections.lock().unwrap().pop_front() {
                Some(does) => Ok(Box::new(Scripted {
                    does: does.into(),
                    begun: self.begun.clone(),
                    announced: false,
                    healthy: true,
                })),
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
        async fn begin(&mut self, mail: &Mail, _: &Permit) -> Result<(), Sent> {
            if let Some(Does::Die) = self.does.front() {
                self.healthy = false;
                return Err(Sent::DeadIdle("incomplete response".to_owned()));
            }
            let announced = std::mem::take(&mut self.announced);
            let to = mail.to.to_string();
            self.begun.lock().unwrap().push((to, announced));
            if let Some(Does::Refuse) = self.does.front() {
                self.does.pop_front();
                return Err(Sent::Ended {
                    phase: Phase::Rcpt,
                    answer: Some(Answer::parse(550, "5.1.1 unknown")),
                    lost: None,
                });
            }
            Ok(())
        }

        async fn finish(&mut self, _: &Mail, permit: &Permit, next: Option<Next<'_>>) -> Sent {
            match self.does.pop_front().unwrap() {
                Does::HangBeforeDot => std::future::pending().await,
                Does::HangAfterDot => {
                    permit.set_finishing();
                    std::future::pending().await
                }
                _ => {}
            }
            self.announced = next.is_some_and(|(_, permit)| permit.may_start());
            Sent::Ended {
                phase: Phase::Dot,
                answer: Some(Answer::parse(250, "2.0.0 queued")),
                lost: None,
            }
        }

        fn announces(&self) -> bool {
            true
        }

        fn is_healthy(&self) -> bool {
            self.healthy
        }

        async fn quit(&mut self) {}
    }

    struct Bench {
        pool: Arc<Pool>,
        dialer: Arc<Script>,
        hurry: watch::Sender<bool>,
    }

    impl Bench {
        /// One carrier has all of them to carry.
        async fn carry_all(&self, assignments: impl IntoIterator<Item = Assignment>) -> Vec<End> {
            let crew = Arc::<Crew>::default();
            for assignment in assignments {
                let pos = assignment.recipient.pos;
                let is_first = crew.add(FlightNo(pos.unsigned_abs()), assignment, 1);
                assert_eq!(is_first, pos == 1);
            }
            let fence = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
            let (events, mut inbox) = mpsc::unbounded_channel();
            let carrier = Carrier {
                crew: crew.clone(),
                pool: self.pool.clone(),
                fences: Fences::without_news(fence),
                hurry: self.hurry.subscribe(),
                events,
            };
            carrier.run().await;
            assert!(crew.add(FlightNo(0), assignment(0), 1), "it has left");
            let mut ends = Vec::new();
            while let Some(event) = inbox.recv().await {
                if let Event::Ended { end, .. } = event {
                    ends.push(end);
                }
            }
            ends
        }

        async fn carry(&self, assignment: Assignment) -> End {
            let recipient = Recipient {
                pos: 1,
                ..assignment.recipient
            };
            let assignment = Assignment {
                recipient,
                ..assignment
            };
            let mut ends = self.carry_all([assignment]).await;
            assert_eq!(ends.len(), 1);
            ends.remove(0)
        }

        fn connections_left(&self) -> usize {
            self.dialer.connections.lock().unwrap().len()
        }

        /// Who was written to, in what order; `true` = begun with the end of the one before.
        fn begun(&self) -> Vec<(String, bool)> {
            self.dialer.begun.lock().unwrap().clone()
        }
    }

    fn bench(connections: &[&[Does]]) -> Bench {
        let connections = connections.iter().map(|does| does.to_vec()).collect();
        let dialer = Arc::new(Script {
            connections: Mutex::new(connections),
            begun: Arc::default(),
        });
        let pool = Pool::new(dialer.clone());
        pool.set_ceiling(Uuid::nil(), None);
        Bench {
            pool: Arc::new(pool),
            dialer,
            hurry: watch::Sender::new(false),
        }
    }

    fn plan(settings: serde_json::Value) -> Arc<Plan> {
        let job: JobSpec = serde_json::from_value(json!({
            "id": Uuid::nil(), "job_no": 1, "integration_id": Uuid::nil(), "concurrency": 1, "window": 1, "links": null,
            "message": {
                "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {}, "segment": "all", "public_url": null,
                "template": {"subject": "Hi {{name}}", "html": "<p>Hi</p>", "text": null, "variables": []}
            }
        }))
        .unwrap();
        Arc::new(Plan::new(job, spec_with(25, settings), &Rulebook::default()).unwrap())
    }

    fn assignment(pos: i64) -> Assignment {
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
                email: format!("{pos}@example.com"),
                vars,
                first_leased_at: SystemTime::UNIX_EPOCH,
            },
            plan: plan(json!({})),
            gate: Arc::default(),
            span: tracing::Span::none(),
        }
    }

    fn outcome(end: &End) -> (&'static str, Option<&'static str>) {
        match end {
            End::Fact(fact) => (fact.outcome, fact.phase),
            other => panic!("no outcome: {other:?}"),
        }
    }

    fn begun(all: &[(i64, bool)]) -> Vec<(String, bool)> {
        let begun = |&(pos, announced): &(i64, bool)| (format!("{pos}@example.com"), announced);
        all.iter().map(begun).collect()
    }

    #[tokio::test]
    async fn a_connection_that_died_idle_is_replaced_at_once_and_spends_no_try() {
        let bench = bench(&[&[Does::Accept, Does::Die], &[Does::Accept]]);
        assert_eq!(outcome(&bench.carry(assignment(1)).await).0, "sent");
        assert_eq!(outcome(&bench.carry(assignment(2)).await).0, "sent");
        assert_eq!(bench.connections_left(), 0);
    }

    #[tokio::test]
    async fn messages_follow_one_another_over_one_connection_without_waiting() {
        let bench = bench(&[&[Does::Accept, Does::Accept, Does::Accept]]);
        let ends = bench.carry_all((1..=3).map(assignment)).await;
        let outcomes: Vec<_> = ends.iter().map(|end| outcome(end).0).collect();
        assert_eq!(outcomes, ["sent", "sent", "sent"]);
        assert_eq!(bench.begun(), begun(&[(1, false), (2, true), (3, true)]));
    }

    #[tokio::test]
    async fn a_message_that_was_announced_to_a_connection_that_died_goes_over_another_and_spends_no_try()
     {
        let bench = bench(&[&[Does::Accept, Does::Die], &[Does::Accept]]);
        let ends = bench.carry_all((1..=2).map(assignment)).await;
        assert_eq!(outcome(&ends[0]), ("sent", Some("dot")));
        assert_eq!(outcome(&ends[1]), ("sent", Some("dot")));
        assert_eq!(bench.begun(), begun(&[(1, false), (2, false)]));
        assert_eq!(bench.connections_left(), 0);
    }

    #[tokio::test]
    async fn an_announced_message_that_is_refused_does_not_cost_the_connection() {
        let bench = bench(&[&[Does::Accept, Does::Refuse, Does::Accept]]);
        let ends = bench.carry_all((1..=3).map(assignment)).await;
        let outcomes: Vec<_> = ends.iter().map(outcome).collect();
        let refused = ("failed", Some("rcpt"));
        assert_eq!(
            outcomes,
            [("sent", Some("dot")), refused, ("sent", Some("dot"))]
        );
        assert_eq!(bench.begun(), begun(&[(1, false), (2, true), (3, false)]));
    }

    #[tokio::test]
    async fn messages_of_other_settings_do_not_follow_over_the_same_connection() {
        let bench = bench(&[&[Does::Accept], &[Does::Accept]]);
        let mut second = assignment(2);
        second.plan = plan(json!({"revision": 2}));
        bench.carry_all([assignment(1), second]).await;
        assert_eq!(bench.begun(), begun(&[(1, false), (2, false)]));
        assert_eq!(bench.connections_left(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_has_carried_enough_is_followed_by_another() {
        let bench = bench(&[&[Does::Accept, Does::Accept], &[Does::Accept]]);
        let two = plan(json!({"messages_per_connection": 2}));
        let assignments = (1..=3).map(|pos| Assignment {
            plan: two.clone(),
            ..assignment(pos)
        });
        bench.carry_all(assignments).await;
        assert_eq!(bench.begun(), begun(&[(1, false), (2, true), (3, false)]));
    }

    #[tokio::test]
    async fn who_cannot_be_reached_is_given_back_unattempted_and_so_are_those_behind() {
        let bench = bench(&[]);
        let ends = bench.carry_all((1..=2).map(assignment)).await;
        assert!(matches!(&ends[0], End::Unstarted(recipient) if recipient.pos == 2));
        assert!(matches!(&ends[1], End::Unreached(recipient, _) if recipient.pos == 1));
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_made_fails_without_a_connection() {
        let bench = bench(&[&[Does::Accept]]);
        let mut assignment = assignment(1);
        assignment.recipient.vars.clear();
        let end = bench.carry(assignment).await;
        assert_eq!(outcome(&end), ("failed", Some("render")));
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
            let (ends, ()) = tokio::join!(bench.carry_all((1..=2).map(assignment)), give_up);
            assert_eq!(outcome(&ends[0]), expected);
            assert_eq!(outcome(&ends[1]), ("returned", None));
            assert_eq!(bench.pool.set_ceiling(Uuid::nil(), None), 0);
        }
    }
}
