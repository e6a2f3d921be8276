mod replay;

use std::time::SystemTime;

use uuid::Uuid;

use super::decide::FLUSH_AFTER;
use super::*;
use crate::engine::rulebook::Rulebook;
use crate::fence::Fence;
use crate::smtp::tests::spec;
use crate::storage::{IntegrationSpec, JobSpec, MessageSpec, Pipelining, Recipient, TemplateSpec};
use message::reply::Outcome;

const JOB: i64 = 1;
const WINDOW: usize = 3;

/// A runner that has one job of which two messages may be under way, and a window of three.
struct Runner {
    state: State,
    now: Instant,
}

/// What was decided, by kind.
#[derive(Default)]
struct Decided {
    claims: Vec<(Arc<Claim>, u32)>,
    calls: Vec<(Arc<Call>, u32)>,
    replays: Vec<(Arc<Replay>, u32)>,
    plans: usize,
    grants: usize,
    started: Vec<(FlightNo, Assignment)>,
    questions: Vec<Question>,
    told: Vec<Arc<RelayReport>>,
}

impl Decided {
    fn positions(&self) -> Vec<i64> {
        let position = |(_, assignment): &(FlightNo, Assignment)| assignment.recipient.pos;
        self.started.iter().map(position).collect()
    }

    fn call(&self) -> Arc<Call> {
        self.calls[0].0.clone()
    }
}

fn key(chunk_no: i64) -> LeaseKey {
    LeaseKey {
        job_no: JOB,
        chunk_no,
        epoch: 7,
    }
}

fn chunk(chunk_no: i64, positions: std::ops::RangeInclusive<i64>) -> Chunk {
    let recipient = |pos| Recipient {
        pos,
        email: format!("{pos}@example.org"),
        vars: serde_json::Map::new(),
        first_leased_at: SystemTime::UNIX_EPOCH,
    };
    Chunk {
        key: key(chunk_no),
        job_id: Uuid::nil(),
        mark: *positions.start() - 1,
        first_leased_us: 0,
        recipients: positions.map(recipient).collect(),
    }
}

fn plan() -> Arc<Plan> {
    plan_of_revision(1)
}

fn plan_of_revision(revision: i64) -> Arc<Plan> {
    plan_with(revision, Pipelining::Commands)
}

fn plan_with(revision: i64, pipelining: Pipelining) -> Arc<Plan> {
    let text = |text: &str| text.to_owned();
    let job = JobSpec {
        id: Uuid::nil(),
        job_no: 1,
        integration_id: Uuid::nil(),
        concurrency: 2,
        window: WINDOW,
        message: MessageSpec {
            from_email: text("team@example.org"),
            from_name: None,
            reply_to: None,
            headers: Default::default(),
            segment: text("all"),
            public_url: None,
            template: TemplateSpec {
                subject: text("s"),
                html: text("h"),
                text: None,
                variables: vec![],
            },
        },
        links: None,
    };
    let relay = IntegrationSpec {
        revision,
        pipelining,
        ..spec(25)
    };
    Arc::new(Plan::new(job, relay, &Rulebook::default()).unwrap())
}

fn answer(chunk_no: i64, verdict: Verdict, mark: i64, go: &[i64]) -> Event {
    Event::Answered(vec![Answer {
        key: key(chunk_no),
        verdict,
        mark,
        go: go.to_vec(),
    }])
}

fn fact(pos: i64) -> Fact {
    Fact {
        phase: Some("dot"),
        code: Some(250),
        ..Fact::new(pos, Outcome::Sent)
    }
}

fn unreachable() -> Failure {
    Failure {
        phase: "connect",
        code: None,
        enhanced: None,
        detail: "refused".to_owned(),
        verdict: "defer",
        class: None,
        rule: None,
        retry_in_ms: 0,
    }
}

impl Runner {
    fn new() -> Runner {
        let fence = Fence::new(Duration::from_secs(20), Duration::ZERO, || Duration::ZERO);
        Runner {
            state: State::new(Fences::without_news(fence)),
            now: Instant::now(),
        }
    }

    /// Holds chunk 1 with positions 1 to 9 and may send without limit; its first report is under way.
    fn reporting() -> (Runner, Arc<Call>) {
        Runner::reporting_with(plan())
    }

    fn reporting_with(plan: Arc<Plan>) -> (Runner, Arc<Call>) {
        let mut runner = Runner::new();
        runner.decide();
        runner.claimed(vec![chunk(1, 1..=9)]);
        runner.decide();
        runner.apply(Event::Planned(JOB, Some(plan)));
        let decided = runner.decide();
        runner.allowed(None);
        runner.unlimited();
        (runner, decided.call())
    }

    /// As `reporting`, and the positions 1 to 3 are passed: 1 and 2 are started.
    fn sending() -> (Runner, Decided) {
        let (mut runner, _) = Runner::reporting();
        runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
        let decided = runner.decide();
        assert_eq!(decided.positions(), [1, 2]);
        (runner, decided)
    }

    fn claimed(&mut self, chunks: Vec<Chunk>) {
        self.apply(Event::Claimed(chunks));
    }

    /// This many connections may be opened.
    fn allowed(&mut self, connections: Option<usize>) {
        let allowance = Allowance {
            connections,
            kept: 0,
            revision: Some(1),
        };
        self.apply(Event::Allowed(Uuid::nil(), Some(allowance)));
    }

    fn unlimited(&mut self) {
        let grant = Grant {
            granted: 9,
            first_in_us: 0,
            interval_us: 0,
        };
        self.apply(Event::Granted(JOB, Some(grant)));
    }

    fn apply(&mut self, event: Event) {
        self.state.apply(self.now, event);
    }

    fn ended(&mut self, (flight, assignment): &(FlightNo, Assignment), end: End) {
        self.apply(Event::Ended {
            flight: *flight,
            key: assignment.key,
            end,
            idle: 1,
        });
    }

    /// The message was sent.
    fn sent(&mut self, started: &(FlightNo, Assignment)) {
        self.ended(started, End::Fact(fact(started.1.recipient.pos)));
    }

    fn decide(&mut self) -> Decided {
        let mut decided = Decided::default();
        for action in self.state.decide(self.now) {
            match action {
                Action::Claim { claim, attempt } => decided.claims.push((claim, attempt)),
                Action::Call { call, attempt } => decided.calls.push((call, attempt)),
                Action::Replay { replay, attempt } => decided.replays.push((replay, attempt)),
                Action::Plan { .. } => decided.plans += 1,
                Action::Grant { .. } => decided.grants += 1,
                Action::Start {
                    flight, assignment, ..
                } => decided.started.push((flight, assignment)),
                Action::Connections { question, .. } => decided.questions.push(question),
                Action::Tell { report, .. } => decided.told.push(report),
            }
        }
        decided
    }

    /// As `decide`, with a crew of which one carrier has taken a message.
    fn decide_with_crew(&mut self) -> Decided {
        let mut decided = Decided::default();
        for action in self.state.decide(self.now) {
            if let Action::Start {
                flight,
                assignment,
                crew,
                carriers,
            } = action
                && crew.add(flight, assignment, carriers)
            {
                decided.started.extend(crew.next());
            }
        }
        decided
    }

    /// The next call, which tells one outcome and nothing else.
    fn alone(&mut self) -> (Verb, Fact) {
        let call = self.decide().call();
        assert_eq!(call.items.len(), 1);
        let item = &call.items[0];
        assert_eq!((item.next_mark, item.outcomes.len()), (None, 1));
        (call.verb, item.outcomes[0].clone())
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

#[test]
fn nothing_is_started_before_the_answer_to_a_report_is_read() {
    let (mut runner, call) = Runner::reporting();
    assert_eq!(call.verb, Verb::Report);
    assert_eq!(call.items[0].next_mark, Some(3));
    assert!(runner.decide().started.is_empty());
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 3]));
    assert_eq!(runner.decide().positions(), [1, 3]);
}

#[test]
fn a_report_without_an_answer_is_repeated_the_same_and_starts_nothing() {
    let (mut runner, call) = Runner::reporting();
    for repeated in 1..=3 {
        runner.apply(Event::Unanswered);
        let decided = runner.decide();
        assert_eq!(decided.calls, [(call.clone(), repeated)]);
        assert!(decided.started.is_empty());
    }
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    assert_eq!(runner.decide().positions(), [1, 2]);
}

#[test]
fn what_happens_while_a_report_is_under_way_waits_for_the_next() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    let call = runner.decide().call();
    runner.sent(&first.started[1]);
    assert!(runner.decide().calls.is_empty());
    runner.apply(Event::Unanswered);
    assert_eq!(runner.decide().call(), call);
    runner.apply(answer(1, Verdict::Ok, 4, &[2, 3, 4]));
    let outcomes = runner.decide().call().items[0].outcomes.clone();
    assert_eq!(outcomes, [fact(2)]);
}

#[test]
fn a_position_that_is_told_again_is_not_started_again() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    assert_eq!(runner.decide().positions(), [3]);
    runner.apply(answer(1, Verdict::Ok, 4, &[1, 2, 3, 4]));
    assert!(runner.decide().started.is_empty());
    runner.sent(&first.started[1]);
    assert_eq!(runner.decide().positions(), [4]);
}

#[test]
fn an_item_that_was_not_written_is_reported_again() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    runner.decide();
    runner.apply(answer(1, Verdict::Again, 3, &[]));
    let call = runner.decide().call();
    assert_eq!(call.items[0].outcomes, [fact(1)]);
}

#[test]
fn a_stopped_job_starts_nothing_and_is_given_back_when_nothing_is_in_flight() {
    let (mut runner, first) = Runner::sending();
    runner.apply(Event::Changed(Changes {
        stopped: vec![JOB],
        ..Changes::default()
    }));
    assert!(!first.started[0].1.gate.is_open());
    runner.sent(&first.started[0]);
    let decided = runner.decide();
    assert!(decided.started.is_empty() && decided.calls.is_empty());
    runner.sent(&first.started[1]);
    let call = runner.decide().call();
    assert_eq!(call.verb, Verb::Release);
    let outcomes: Vec<_> = (call.items[0].outcomes.iter())
        .map(|fact| (fact.pos, fact.outcome))
        .collect();
    assert_eq!(outcomes, [(1, "sent"), (2, "sent"), (3, "returned")]);
    runner.apply(answer(1, Verdict::Ok, 3, &[]));
    assert!(runner.state.known().is_empty());
}

#[test]
fn positions_that_a_lost_answer_passed_are_given_back_when_the_job_stops() {
    let (mut runner, _) = Runner::reporting();
    runner.apply(Event::Unanswered);
    runner.decide();
    runner.apply(answer(1, Verdict::Stop, 3, &[1, 2, 3]));
    let call = runner.decide().call();
    let positions: Vec<i64> = call.items[0].outcomes.iter().map(|fact| fact.pos).collect();
    assert_eq!((call.verb, positions), (Verb::Release, vec![1, 2, 3]));
}

#[test]
fn positions_that_another_runner_passed_are_not_given_back() {
    let (mut runner, _) = Runner::reporting();
    runner.apply(answer(1, Verdict::Fenced, 6, &[4, 5, 6]));
    let call = runner.decide().call();
    assert_eq!(call.verb, Verb::Release);
    assert!(call.items[0].outcomes.is_empty());
}

#[test]
fn an_outcome_of_a_fenced_lease_is_reported_all_the_same_within_a_quarter_of_a_second() {
    let (mut runner, first) = Runner::sending();
    runner.apply(Event::Changed(Changes {
        lost: vec![key(1)],
        ..Changes::default()
    }));
    runner.sent(&first.started[0]);
    assert!(runner.decide().calls.is_empty());
    let wake = runner.state.next_wake(runner.now);
    assert_eq!(wake, Some(runner.now + FLUSH_AFTER));
    runner.pass(FLUSH_AFTER);
    assert_eq!(runner.decide().call().items[0].outcomes, [fact(1)]);
}

#[test]
fn a_claim_without_an_answer_is_repeated_the_same() {
    let mut runner = Runner::new();
    let claim = runner.decide().claims.remove(0).0;
    runner.apply(Event::Woken);
    assert!(runner.decide().claims.is_empty());
    runner.apply(Event::ClaimUnanswered);
    assert_eq!(runner.decide().claims, [(claim, 1)]);
}

#[test]
fn after_an_empty_claim_the_next_waits_for_a_wake_up() {
    let mut runner = Runner::new();
    runner.decide();
    runner.claimed(vec![]);
    assert!(runner.decide().claims.is_empty());
    runner.apply(Event::Woken);
    assert_eq!(runner.decide().claims.len(), 1);
}

#[test]
fn work_that_was_notified_and_not_found_is_looked_for_again_a_few_times() {
    let mut runner = Runner::new();
    runner.decide();
    runner.claimed(vec![]);
    runner.apply(Event::Notified);
    for _ in 0..LOOKS {
        assert_eq!(runner.decide().claims.len(), 1);
        runner.claimed(vec![]);
        assert!(runner.decide().claims.is_empty());
        let wake = runner.state.next_wake(runner.now);
        assert_eq!(wake, Some(runner.now + LOOK_AGAIN));
        runner.pass(LOOK_AGAIN);
    }
    assert_eq!(runner.decide().claims.len(), 1);
    runner.claimed(vec![]);
    assert!(runner.decide().claims.is_empty());
    assert_eq!(runner.state.next_wake(runner.now), None);
}

#[test]
fn the_next_chunk_is_claimed_before_the_present_one_runs_dry() {
    let mut runner = Runner::new();
    runner.decide();
    runner.claimed(vec![chunk(1, 1..=3)]);
    runner.decide();
    runner.apply(Event::Planned(JOB, Some(plan())));
    let decided = runner.decide();
    assert_eq!(decided.claims[0].0.known, [key(1)]);
}

#[test]
fn the_first_mark_of_the_next_chunk_comes_with_the_last_of_the_present_one() {
    let mut runner = Runner::new();
    runner.decide();
    runner.claimed(vec![chunk(1, 1..=2), chunk(2, 3..=9)]);
    runner.decide();
    runner.apply(Event::Planned(JOB, Some(plan())));
    let call = runner.decide().call();
    let marks: Vec<_> = call.items.iter().map(|item| item.next_mark).collect();
    assert_eq!(marks, [Some(2), Some(5)]);
}

#[test]
fn without_a_token_nothing_is_started() {
    let (mut runner, _) = Runner::reporting();
    runner.pass(Duration::from_secs(2));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    let decided = runner.decide();
    assert!(decided.started.is_empty());
    assert_eq!(decided.grants, 1);
}

#[test]
fn behind_the_fence_nothing_is_started() {
    let (mut runner, _) = Runner::reporting();
    runner.state.fences.alive = fallen();
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    assert!(runner.decide().started.is_empty());
}

#[test]
fn without_news_nothing_is_started_until_there_is_news_again() {
    let (mut runner, _) = Runner::reporting();
    runner.state.fences.news = fallen();
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    assert!(runner.decide().started.is_empty());
    runner.apply(Event::Heard(Duration::from_secs(2), Changes::default()));
    assert_eq!(runner.decide().positions(), [1, 2]);
}

fn fallen() -> Fence {
    Fence::new(Duration::ZERO, Duration::ZERO, || Duration::from_secs(1))
}

#[test]
fn who_could_not_be_reached_is_first_after_a_pause_with_fresh_settings() {
    let (mut runner, mut first) = Runner::sending();
    runner.sent(&first.started[1]);
    let (flight, assignment) = first.started.remove(0);
    runner.apply(Event::Ended {
        flight,
        key: assignment.key,
        end: End::Unreached(assignment.recipient, unreachable()),
        idle: 1,
    });
    // Over the connection that there is.
    let decided = runner.decide();
    assert_eq!(decided.positions(), [1]);
    assert_eq!(decided.plans, 0);
    let first = &decided.told[0];
    let told = first.failure.as_ref().unwrap();
    assert_eq!((first.revision, told.detail.as_str()), (1, "refused"));
    assert!((1000..=1100).contains(&told.retry_in_ms));
    runner.pass(Duration::from_millis(1100));
    assert_eq!(runner.decide().plans, 1);
    runner.unlimited();
    runner.apply(Event::Planned(JOB, Some(plan())));
    let second = runner.decide();
    assert_eq!(second.positions(), [3]);
    runner.apply(Event::Told(Uuid::nil(), first.clone(), true));
    runner.apply(Event::Dialed(second.started[0].0));
    assert_eq!(runner.decide().told[0].failure, None);
}

#[test]
fn changed_settings_end_the_pause_before_a_relay_is_tried_again() {
    let (mut runner, first) = Runner::sending();
    for (flight, assignment) in first.started {
        runner.apply(Event::Ended {
            flight,
            key: assignment.key,
            end: End::Unreached(assignment.recipient, unreachable()),
            idle: 0,
        });
    }
    let asked = |runner: &mut Runner, revision| {
        runner.apply(Event::Allowed(
            Uuid::nil(),
            Some(Allowance {
                connections: None,
                kept: 0,
                revision: Some(revision),
            }),
        ));
        runner.decide()
    };
    let decided = asked(&mut runner, 1);
    assert_eq!((decided.plans, decided.started.len()), (0, 0));
    assert_eq!(asked(&mut runner, 2).plans, 1);
    runner.apply(Event::Planned(JOB, Some(plan_of_revision(2))));
    assert_eq!(runner.decide().positions(), [2, 1]);
}

#[test]
fn what_fails_with_old_settings_says_nothing_of_the_new_ones() {
    let (mut runner, mut first) = Runner::sending();
    runner.apply(Event::Planned(JOB, Some(plan_of_revision(2))));
    let (flight, assignment) = first.started.remove(0);
    runner.apply(Event::Ended {
        flight,
        key: assignment.key,
        end: End::Unreached(assignment.recipient, unreachable()),
        idle: 0,
    });
    let decided = runner.decide();
    assert!(decided.told.is_empty());
    assert_eq!(decided.positions(), [1]);
}

#[test]
fn no_more_is_under_way_than_the_connections_that_were_allowed() {
    let (mut runner, _) = Runner::reporting();
    runner.allowed(Some(1));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    let first = runner.decide();
    assert_eq!(first.positions(), [1]);
    runner.allowed(Some(2));
    assert_eq!(runner.decide().positions(), [2]);
    // A guest takes the place of the next message.
    runner.apply(Event::Guest(Uuid::nil()));
    runner.sent(&first.started[0]);
    assert!(runner.decide().started.is_empty());
    runner.apply(Event::GuestLeft(Uuid::nil()));
    assert_eq!(runner.decide().positions(), [3]);
}

#[test]
fn as_many_connections_are_asked_for_as_there_is_work_and_concurrency() {
    let (mut runner, _) = Runner::sending();
    runner.pass(Duration::from_secs(1));
    assert_eq!(runner.decide().questions[0].want, 2);
    runner.allowed(Some(2));
    runner.pass(Duration::from_secs(1));
    runner.apply(Event::Guest(Uuid::nil()));
    let question = &runner.decide().questions[0];
    assert_eq!((question.ceiling, question.want), (Some(3), 3));
}

#[test]
fn words_of_a_relay_are_not_for_the_log() {
    let failed = |phase, code, class: Option<&str>| Failure {
        phase,
        code,
        class: class.map(str::to_owned),
        ..unreachable()
    };
    for ours in [
        failed("connect", None, None),
        failed("tls", None, Some("tls")),
    ] {
        assert_eq!(loggable(&ours), Some("refused"));
    }
    for theirs in [
        failed("auth", Some(535), Some("auth")),
        failed("greeting", None, None),
        failed("tls", None, None),
    ] {
        assert_eq!(loggable(&theirs), None);
    }
}

#[test]
fn settings_that_have_changed_are_read_again_while_messages_go_on() {
    let (mut runner, first) = Runner::sending();
    let answer = Allowance {
        connections: None,
        kept: 0,
        revision: Some(2),
    };
    runner.apply(Event::Allowed(Uuid::nil(), Some(answer)));
    assert_eq!(runner.decide().plans, 1);
    runner.sent(&first.started[0]);
    assert_eq!(runner.decide().positions(), [3]);
}

#[test]
fn where_messages_may_follow_at_once_one_waits_behind_each_that_has_a_connection() {
    let (mut runner, _) = Runner::reporting_with(plan_with(1, Pipelining::Messages));
    runner.allowed(Some(1));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    let first = runner.decide();
    assert_eq!(first.positions(), [1, 2]);
    assert_eq!(runner.state.jobs[&JOB].connections(), 1);
    runner.sent(&first.started[0]);
    assert_eq!(runner.decide().positions(), [3]);
    runner.sent(&first.started[1]);
    assert_eq!(runner.state.jobs[&JOB].connections(), 1);
    assert!(runner.decide().started.is_empty());
}

#[test]
fn no_token_waits_behind_another_message() {
    let (mut runner, _) = Runner::reporting_with(plan_with(1, Pipelining::Messages));
    let grant = Grant {
        granted: 9,
        first_in_us: 0,
        interval_us: 1,
    };
    runner.pass(Duration::from_secs(1));
    runner.decide();
    runner.apply(Event::Granted(JOB, Some(grant)));
    runner.pass(Duration::from_millis(10));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    assert_eq!(runner.decide().positions(), [1, 2]);
}

#[test]
fn nothing_waits_behind_another_message_of_a_relay_that_has_more_guests_than_room() {
    let (mut runner, _) = Runner::reporting_with(plan_with(1, Pipelining::Messages));
    runner.allowed(Some(1));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    let first = runner.decide();
    assert_eq!(first.positions(), [1, 2]);
    runner.apply(Event::Guest(Uuid::nil()));
    runner.sent(&first.started[0]);
    assert!(runner.decide().started.is_empty());
    runner.sent(&first.started[1]);
    assert!(runner.decide().started.is_empty());
    runner.apply(Event::GuestLeft(Uuid::nil()));
    assert_eq!(runner.decide().positions(), [3]);
}

/// What waits behind a message that hangs.
fn waiting_behind() -> (Runner, Decided) {
    let (mut runner, _) = Runner::reporting_with(plan_with(1, Pipelining::Messages));
    runner.allowed(Some(1));
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
    let decided = runner.decide_with_crew();
    assert_eq!(decided.positions(), [1]);
    assert_eq!(runner.state.jobs[&JOB].behind, 1);
    (runner, decided)
}

#[test]
fn what_waits_behind_a_message_goes_back_when_its_lease_ends() {
    let (mut runner, decided) = waiting_behind();
    runner.apply(Event::Changed(Changes {
        stopped: vec![JOB],
        ..Changes::default()
    }));
    runner.decide();
    assert_eq!(runner.state.jobs[&JOB].in_flight, 1);
    runner.sent(&decided.started[0]);
    let call = runner.decide().call();
    let outcomes: Vec<_> = (call.items[0].outcomes.iter())
        .map(|fact| (fact.pos, fact.outcome))
        .collect();
    assert_eq!(outcomes, [(1, "sent"), (2, "returned"), (3, "returned")]);
}

#[test]
fn what_waits_behind_a_message_does_not_outlive_the_freedom_of_its_job() {
    let (mut runner, decided) = waiting_behind();
    runner.pass(Duration::from_secs(3));
    runner.decide();
    assert_eq!(runner.state.jobs[&JOB].in_flight, 1);
    runner.sent(&decided.started[0]);
    assert!(runner.decide().started.is_empty());
    runner.unlimited();
    assert_eq!(runner.decide().positions(), [2, 3]);
}

#[test]
fn two_jobs_take_turns_where_connections_are_few() {
    for pipelining in [Pipelining::Commands, Pipelining::Messages] {
        const OTHER: i64 = 2;
        let plan = plan_with(1, pipelining);
        let (mut runner, _) = Runner::reporting_with(plan.clone());
        runner.allowed(Some(1));
        let mut other = chunk(1, 11..=19);
        other.key.job_no = OTHER;
        runner.apply(answer(1, Verdict::Ok, 3, &[1, 2, 3]));
        runner.apply(Event::Woken);
        let mut started = runner.decide().started;
        runner.claimed(vec![other]);
        runner.decide();
        runner.apply(Event::Planned(OTHER, Some(plan)));
        let call = runner.decide().call();
        let grant = Grant {
            granted: 9,
            first_in_us: 0,
            interval_us: 0,
        };
        runner.apply(Event::Granted(OTHER, Some(grant)));
        let answers = call.items.iter().map(|item| Answer {
            key: item.key,
            verdict: Verdict::Ok,
            mark: item.next_mark.unwrap_or(3),
            go: vec![11, 12, 13],
        });
        runner.apply(Event::Answered(answers.collect()));
        let mut jobs = Vec::new();
        for _ in 0..4 {
            let ended = started.remove(0);
            jobs.push(ended.1.key.job_no);
            runner.sent(&ended);
            started.extend(runner.decide().started);
        }
        // What waited behind before the other came goes on.
        let expected = match pipelining {
            Pipelining::Messages => [JOB, JOB, OTHER, JOB],
            _ => [JOB, OTHER, JOB, OTHER],
        };
        assert_eq!(jobs, expected);
    }
}

#[test]
fn a_refusal_that_everybody_would_meet_starts_nothing_more_of_the_job() {
    let (mut runner, first) = Runner::sending();
    let refusal = Fact {
        verdict: Some("stop_job"),
        ..Fact::new(1, Outcome::Returned)
    };
    runner.ended(&first.started[0], End::Fact(refusal.clone()));
    assert!(runner.decide().started.is_empty());
    assert!(!first.started[1].1.gate.is_open());
    runner.sent(&first.started[1]);
    let call = runner.decide().call();
    assert_eq!(call.verb, Verb::Release);
    assert_eq!(call.items[0].outcomes[0], refusal);
}

#[test]
fn a_refused_call_is_taken_apart_and_only_the_bad_item_is_given_up() {
    let mut runner = Runner::new();
    runner.decide();
    runner.claimed(vec![chunk(1, 1..=2), chunk(2, 3..=9)]);
    runner.decide();
    runner.apply(Event::Planned(JOB, Some(plan())));
    runner.decide();
    runner.apply(Event::Refused);
    assert_eq!(runner.decide().call().items[0].key, key(1));
    runner.apply(Event::Refused);
    assert_eq!(runner.decide().call().items[0].key, key(2));
    runner.apply(answer(2, Verdict::Ok, 5, &[3, 4, 5]));
    assert_eq!(runner.state.known(), [key(2)]);
}

#[test]
fn of_a_refused_item_each_outcome_is_told_alone_and_none_takes_others_with_it() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    let held = runner.decide().call();
    runner.apply(answer(1, Verdict::Again, 3, &[]));
    runner.sent(&first.started[1]);
    assert_eq!(held.items[0].outcomes, [fact(1)]);
    let both = runner.decide().call();
    assert_eq!(both.items[0].outcomes, [fact(1), fact(2)]);
    assert!(both.items[0].next_mark.is_some());

    runner.apply(Event::Refused);
    assert_eq!(runner.alone(), (Verb::Report, fact(1)));
    runner.apply(Event::Unanswered);
    assert_eq!(runner.alone(), (Verb::Report, fact(1)));
    runner.apply(answer(1, Verdict::Ok, 3, &[2, 3]));
    assert_eq!(runner.alone(), (Verb::Report, fact(2)));
    runner.apply(answer(1, Verdict::Ok, 3, &[3]));
    assert_eq!(runner.state.unrecorded(), 0);
    assert!(runner.decide().call().items[0].next_mark.is_some());
}

#[test]
fn an_outcome_is_told_in_fewer_words_before_it_is_given_up() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    runner.decide().call();
    runner.apply(Event::Refused);
    assert_eq!(runner.alone(), (Verb::Report, fact(1)));
    runner.apply(Event::Refused);
    assert_eq!(runner.state.unrecorded(), 1);
    assert_eq!(runner.alone(), (Verb::Report, Fact::new(1, Outcome::Sent)));
    runner.apply(Event::Refused);
    assert_eq!(runner.state.unrecorded(), 0);
    assert_eq!(runner.state.known(), [key(1)]);
}

#[test]
fn a_refused_release_tells_its_outcomes_one_by_one_and_then_gives_the_lease_back() {
    let (mut runner, first) = Runner::sending();
    runner.apply(Event::Drain);
    runner.sent(&first.started[0]);
    runner.sent(&first.started[1]);
    assert_eq!(runner.decide().call().verb, Verb::Release);
    runner.apply(Event::Refused);
    for told in [fact(1), fact(2), Fact::new(3, Outcome::Returned)] {
        assert_eq!(runner.alone(), (Verb::Report, told));
        runner.apply(answer(1, Verdict::Stop, 3, &[]));
    }
    let release = runner.decide().call();
    assert_eq!(release.verb, Verb::Release);
    assert!(release.items[0].outcomes.is_empty());
    runner.apply(Event::Refused);
    runner.apply(Event::Claimed(vec![]));
    assert!(runner.state.is_drained());
}

#[test]
fn while_reports_fail_no_more_outcomes_are_kept_than_the_windows_had_room_for() {
    const LEASES: i64 = 2;
    let (mut runner, first) = Runner::sending();
    let mut under_way = first.started;
    let mut next_chunk = 10;
    for round in 0..500 {
        runner.apply(Event::Unanswered);
        for started in std::mem::take(&mut under_way) {
            runner.sent(&started);
        }
        // Claims succeed, and a job has as many leases as it may.
        let decided = runner.decide();
        let chunks = match runner.state.known().len() {
            1 => vec![chunk(2, 10..=20)],
            _ if round % 100 == 99 => {
                next_chunk += 20;
                vec![chunk(next_chunk, next_chunk..=next_chunk + 9)]
            }
            _ => vec![],
        };
        runner.claimed(chunks);
        runner.unlimited();
        under_way = decided.started;
        runner.pass(Duration::from_secs(1));
    }
    // Three positions were passed before, and none since: two leases of a window of three have room for six.
    assert_eq!(runner.state.unrecorded(), 3);
    assert!(under_way.is_empty());
    assert!(runner.state.unrecorded() <= LEASES as usize * WINDOW);
}

#[test]
fn a_drained_runner_has_recorded_and_given_back_everything() {
    let (mut runner, first) = Runner::sending();
    runner.apply(Event::Drain);
    runner.apply(Event::Claimed(vec![]));
    runner.decide();
    runner.sent(&first.started[0]);
    runner.sent(&first.started[1]);
    let decided = runner.decide();
    assert!(decided.started.is_empty() && decided.claims.is_empty());
    assert_eq!(decided.call().verb, Verb::Release);
    assert!(!runner.state.is_drained());
    runner.apply(answer(1, Verdict::Ok, 3, &[]));
    assert!(runner.state.is_drained());
}
