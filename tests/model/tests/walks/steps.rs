//! The steps of a walk, and what must be the same after each.

use std::collections::BTreeMap;

use model::database::{
    Answer, ChunkState, Database, Decision, Doubt, Item, Job, Outcome, Process, Retry, Rules, Verb,
    Verdict,
};
use model::numbers::Numbers;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::postgres::{Campaign, Postgres, Tables};

/// Few, so that what happens to one happens to the others too.
pub const RECIPIENTS: usize = 3;
const CHUNKS: usize = 16;

/// Something that happens; numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Act {
    Claim {
        runner: usize,
        want: usize,
        forgets: Option<usize>,
    },
    Call(Call),
    /// A runner is taken for dead; or it is, and another starts in its place.
    Recover {
        runner: usize,
        dies: bool,
    },
    /// It dies, and nobody has noticed yet.
    Crash {
        runner: usize,
    },
    Tick,
    Cancel,
    Pause,
    Resume,
    RetryFailed,
    Resolve(Decision),
}

#[derive(Clone, Debug)]
pub struct Call {
    /// Of a lease that its runner still has, or has lost; the newest first.
    is_lost: bool,
    lease: usize,
    verb: Verb,
    /// Above the mark, if any.
    next_mark: Option<u8>,
    outcomes: [Option<Outcome>; RECIPIENTS],
    /// It tells of positions that the chunk never passed.
    breaks_the_protocol: bool,
    /// The answer is lost, so it is made again.
    is_repeated: bool,
}

/// Most begin where two chunks can meet in one recipient: a living runner has lost its lease, and its mails are to be sent again.
pub fn acts() -> impl Strategy<Value = Vec<Act>> {
    let acts = proptest::collection::vec(act(), 20..=35);
    (proptest::bool::weighted(0.7), acts).prop_map(|(is_lost, acts)| {
        let begin = if is_lost { lost_lease() } else { Vec::new() };
        begin.into_iter().chain(acts).collect()
    })
}

fn lost_lease() -> Vec<Act> {
    let (runner, want, forgets) = (0, 1, None);
    vec![
        Act::Claim {
            runner,
            want,
            forgets,
        },
        Act::Call(Call {
            is_lost: false,
            lease: 0,
            verb: Verb::Report,
            next_mark: Some(RECIPIENTS as u8),
            outcomes: [None; RECIPIENTS],
            breaks_the_protocol: false,
            is_repeated: false,
        }),
        Act::Recover {
            runner,
            dies: false,
        },
        Act::Resolve(Decision::Resend),
        Act::Tick,
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let runner = 0..2_usize;
    prop_oneof![
        6 => (runner.clone(), 1..=2_usize, proptest::option::weighted(0.15, 0..2_usize))
            .prop_map(|(runner, want, forgets)| Act::Claim { runner, want, forgets }),
        14 => call().prop_map(Act::Call),
        4 => (runner.clone(), proptest::bool::weighted(0.3)).prop_map(|(runner, dies)| Act::Recover { runner, dies }),
        1 => runner.prop_map(|runner| Act::Crash { runner }),
        5 => Just(Act::Tick),
        1 => proptest::bool::weighted(0.3).prop_map(|ends| if ends { Act::Cancel } else { Act::Tick }),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        2 => Just(Act::RetryFailed),
        1 => Just(Act::Resolve(Decision::Sent)),
        3 => Just(Act::Resolve(Decision::Resend)),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let outcome = prop_oneof![
        4 => Just(None),
        3 => Just(Some(Outcome::Sent)),
        1 => Just(Some(Outcome::Failed)),
        2 => Just(Some(Outcome::Deferred)),
        1 => Just(Some(Outcome::Uncertain)),
        1 => Just(Some(Outcome::Returned)),
    ];
    let verb = prop_oneof![5 => Just(Verb::Report), 1 => Just(Verb::Release)];
    (
        proptest::bool::weighted(0.35),
        0..4_usize,
        verb,
        proptest::option::weighted(0.7, 1..=RECIPIENTS as u8),
        proptest::array::uniform3(outcome),
        proptest::bool::weighted(0.03),
        proptest::bool::weighted(0.2),
    )
        .prop_map(
            |(is_lost, lease, verb, next_mark, outcomes, breaks_the_protocol, is_repeated)| Call {
                is_lost,
                lease,
                verb,
                next_mark,
                outcomes,
                breaks_the_protocol,
                is_repeated,
            },
        )
}

/// A lease that was handed out.
#[derive(Clone, Copy, Debug)]
struct Lease {
    runner: usize,
    process: Process,
    place: usize,
    epoch: u8,
    chunk_no: i64,
    real_epoch: i64,
}

pub struct Walk<'a> {
    postgres: &'a Postgres,
    campaign: Campaign,
    rules: Rules,
    model: Database<RECIPIENTS, CHUNKS>,
    processes: [Process; 2],
    /// Whose leases nobody has recovered yet.
    dead: Vec<Process>,
    ids: BTreeMap<Process, Uuid>,
    /// Of the chunks, by their numbers.
    places: BTreeMap<i64, usize>,
    /// The newest last.
    leases: Vec<Lease>,
    /// What was done, as in psql.
    script: Vec<String>,
}

/// What differs.
type Checked = Result<(), String>;

impl Walk<'_> {
    /// Takes all steps, on both sides.
    ///
    /// # Errors
    /// What differs, with all that was done.
    pub async fn go(postgres: &Postgres, rules: Rules, acts: &[Act]) -> Checked {
        let campaign = postgres.start(&rules).await;
        let mut walk = Walk {
            postgres,
            campaign,
            rules,
            model: Database::start(&rules),
            processes: [Process(1), Process(2)],
            dead: Vec::new(),
            ids: BTreeMap::new(),
            places: BTreeMap::new(),
            leases: Vec::new(),
            script: vec![format!(
                "start_campaign: {RECIPIENTS} recipients, chunk_size {}, window {}, max_retries {}, on_uncertain {:?}",
                rules.chunk_size, rules.window, rules.max_attempts, rules.on_uncertain
            )],
        };
        for runner in 0..2 {
            walk.register(runner).await;
        }
        walk.compare().await?;
        for act in acts {
            let differs = walk.step(act).await.and(walk.compare().await);
            if let Err(differs) = differs {
                return Err(format!("{differs}\n  {}", walk.script.join("\n  ")));
            }
            if walk.model.is_full {
                break;
            }
        }
        Ok(())
    }

    async fn register(&mut self, runner: usize) {
        let id = Uuid::new_v4();
        self.ids.insert(self.processes[runner], id);
        self.postgres.register(runner, id).await;
    }

    async fn step(&mut self, act: &Act) -> Checked {
        self.postgres.advance().await;
        match act {
            Act::Claim {
                runner,
                want,
                forgets,
            } => self.claim(*runner, *want, *forgets).await,
            Act::Call(call) => self.call(call).await,
            Act::Recover { runner, dies } => {
                if *dies {
                    self.replace(*runner).await;
                }
                // The dead first.
                let process = self.dead.pop().unwrap_or(self.processes[*runner]);
                let how = if self.processes.contains(&process) {
                    "silent"
                } else {
                    "dead"
                };
                self.say(format!("runner {} is {how}: recover_stale()", process.0));
                self.model.recover(&self.rules, process);
                self.postgres.recover(self.ids[&process]).await
            }
            Act::Crash { runner } => {
                self.say(format!("runner {} dies", self.processes[*runner].0));
                self.replace(*runner).await;
                Ok(())
            }
            Act::Tick => {
                self.say("tick()".to_owned());
                self.model.tick(&self.rules);
                self.postgres.tick().await
            }
            Act::Cancel => {
                let makes_sense = self.model.cancel(&self.rules);
                self.decide("cancel_campaign($1)", makes_sense).await
            }
            Act::Pause => {
                let makes_sense = self.model.pause();
                self.decide("pause_campaign($1)", makes_sense).await
            }
            Act::Resume => {
                let makes_sense = self.model.resume();
                self.decide("resume_campaign($1)", makes_sense).await
            }
            Act::RetryFailed => {
                let makes_sense = self.model.retry_failed(&self.rules).is_some();
                self.decide("retry_failed($1)", makes_sense).await
            }
            Act::Resolve(decision) => {
                let makes_sense = self.model.resolve(&self.rules, *decision).is_some();
                let verb = match decision {
                    Decision::Sent => "resolve_uncertain($1, 'sent')",
                    Decision::Resend => "resolve_uncertain($1, 'resend')",
                };
                self.decide(verb, makes_sense).await
            }
        }
    }

    fn say(&mut self, what: String) {
        self.script.push(what);
    }

    /// Another process takes the place of a runner, of which nobody hears any more.
    async fn replace(&mut self, runner: usize) {
        let process = self.processes[runner];
        self.leases.retain(|lease| lease.process != process);
        self.dead.push(process);
        self.processes[runner] = Process(process.0 + 2);
        self.register(runner).await;
    }

    /// A verb that makes no sense is refused, or does nothing.
    async fn decide(&mut self, verb: &str, makes_sense: bool) -> Checked {
        self.say(verb.to_owned());
        match self.postgres.decide(verb, &self.campaign).await {
            Err(refused) if makes_sense || !refused.starts_with("CP011") => Err(refused),
            _ => Ok(()),
        }
    }

    async fn claim(&mut self, runner: usize, want: usize, forgets: Option<usize>) -> Checked {
        let process = self.processes[runner];
        let is_present = |lease: &&Lease| {
            lease.process == process
                && self.model.chunks[lease.place].is_leased_to(process, lease.epoch)
        };
        let mut present: Vec<Lease> = self.leases.iter().filter(is_present).copied().collect();
        if let Some(nth) = forgets.filter(|&nth| nth < present.len()) {
            present.remove(nth);
        }
        let named: Vec<Value> = (present.iter())
            .map(|lease| json!({"job_no": self.campaign.job_no, "chunk_no": lease.chunk_no, "epoch": lease.real_epoch}))
            .collect();
        let known: Numbers = present.iter().map(|lease| lease.place).collect();
        self.say(format!(
            "runner {}: claim_chunks(want {want}, known {known})",
            process.0
        ));

        let leased = self.model.claim(&self.rules, process, want, known);
        let rows = self
            .postgres
            .claim(runner, self.ids[&process], want as i32, &json!(named))
            .await?;
        let mut found = Numbers::NONE;
        for (chunk_no, real_epoch, mark, positions) in rows {
            let place = self.places[&chunk_no];
            found.insert(place);
            let chunk = &self.model.chunks[place];
            let epoch = chunk.epoch;
            same("mark of a lease", mark, i64::from(chunk.mark))?;
            same(
                "positions of a lease",
                positions,
                shown(self.model.handed_out(&self.rules, place)),
            )?;
            self.leases.push(Lease {
                runner,
                process,
                place,
                epoch,
                chunk_no,
                real_epoch,
            });
        }
        self.say(format!("  → chunks {found}"));
        same("chunks leased", found, leased)
    }

    async fn call(&mut self, call: &Call) -> Checked {
        let is_lost = |lease: &&Lease| {
            !self.model.chunks[lease.place].is_leased_to(lease.process, lease.epoch)
        };
        let newest_first = self.leases.iter().rev().copied();
        let (lost, held): (Vec<Lease>, Vec<Lease>) =
            newest_first.partition(|lease| is_lost(&lease));
        let chosen = if call.is_lost { lost } else { held };
        if chosen.is_empty() {
            return Ok(());
        }
        let lease = chosen[call.lease % chosen.len()];
        let chunk = self.model.chunks[lease.place];
        let mut outcomes = call.outcomes;
        for (position, outcome) in outcomes.iter_mut().enumerate() {
            let is_passed = chunk.passed().contains(position);
            let is_below = position < usize::from(chunk.mark);
            // Nothing of a chunk is told twice, otherwise: that is what repetitions are.
            if !is_passed && (is_below || !call.breaks_the_protocol) {
                *outcome = None;
            }
        }
        let next_mark = call.next_mark.filter(|_| call.verb == Verb::Report);
        let next_mark = next_mark.map(|above| (chunk.mark + above).min(RECIPIENTS as u8));
        let item = Item {
            verb: call.verb,
            chunk: lease.place as u8,
            epoch: lease.epoch,
            outcomes,
            next_mark,
            attempts: [lease.place as u8; RECIPIENTS],
        };
        self.execute(lease, &item).await?;
        if call.is_repeated {
            self.say("the answer is lost; again:".to_owned());
            self.execute(lease, &item).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, lease: Lease, item: &Item<RECIPIENTS>) -> Checked {
        let verb = match item.verb {
            Verb::Report => "report",
            Verb::Release => "release",
        };
        let outcomes: Vec<Value> = (item.outcomes.iter().enumerate())
            .filter_map(|(position, outcome)| {
                let outcome = lower(&(*outcome)?);
                Some(json!({"pos": position + 1, "outcome": outcome}))
            })
            .collect();
        let real = json!({
            "job_no": self.campaign.job_no, "chunk_no": lease.chunk_no, "epoch": lease.real_epoch,
            "next_mark": item.next_mark, "outcomes": outcomes
        });
        let told: Vec<String> = (outcomes.iter())
            .map(|told| {
                format!(
                    "{} {}",
                    told["pos"],
                    told["outcome"].as_str().unwrap_or_default()
                )
            })
            .collect();
        let mark = item
            .next_mark
            .map_or(String::new(), |mark| format!(", next_mark {mark}"));
        self.say(format!(
            "runner {}: {verb}(chunk {}, epoch {}{mark}, outcomes [{}])",
            lease.process.0,
            lease.place + 1,
            lease.epoch,
            told.join(", ")
        ));
        let process = lease.process;
        let expected = self.model.report(&self.rules, process, item);
        let answer = self
            .postgres
            .call(lease.runner, self.ids[&process], verb, &real)
            .await;
        self.say(format!(
            "  → {}",
            answer.as_ref().map_or_else(Clone::clone, |answer| {
                format!(
                    "{}, mark {}, go {}",
                    answer["verdict"].as_str().unwrap_or_default(),
                    answer["mark"],
                    answer["go"]
                )
            })
        ));
        match (expected, answer) {
            (Ok(Answer { verdict, mark, go }), Ok(answer)) => {
                same(
                    "verdict",
                    &answer["verdict"],
                    &json!(lower::<Verdict>(&verdict)),
                )?;
                same("mark", &answer["mark"], &json!(mark))?;
                same("go", &answer["go"], &json!(shown(go)))
            }
            (Err(_), Err(refused)) if refused.starts_with("CP022") => Ok(()),
            (expected, answer) => Err(format!("answer: {answer:?}, not {expected:?}")),
        }
    }

    /// Everything that model and database say must be the same.
    async fn compare(&mut self) -> Checked {
        let tables = self.postgres.tables(&self.campaign).await;
        self.places = tables.places();
        let (Tables(found), places) = (&tables, &self.places);
        let (rules, model) = (&self.rules, &self.model);

        let status = match found["status"].as_str().unwrap_or_default() {
            "pending" | "running" | "partial" => Job::Running,
            "paused" => Job::Paused,
            "cancelled" => Job::Cancelled,
            "completed" | "failed" => Job::Ended,
            status => return Err(format!("status {status}")),
        };
        same("status", status, model.job)?;
        let states: Vec<String> = model.states(rules).iter().map(lower).collect();
        same("recipient_state", &found["states"], &json!(states))?;

        let chunks = found["chunks"].as_array().cloned().unwrap_or_default();
        let present = model
            .chunks
            .iter()
            .take_while(|chunk| chunk.state != ChunkState::Absent);
        same("number of chunks", chunks.len(), present.count())?;
        for (place, (found, chunk)) in chunks.iter().zip(&model.chunks).enumerate() {
            let owner = chunk.owner.map(|process| self.ids[&process]);
            let counters = chunk.counters;
            let expected = json!({
                "state": lower(&chunk.state), "owner": owner, "mark": chunk.mark, "passed": chunk.passed().len(), "recorded": chunk.recorded.len(),
                "open": shown(chunk.open()), "counters": [counters.sent, counters.failed, counters.uncertain],
            });
            for (column, expected) in expected.as_object().into_iter().flatten() {
                same(
                    &format!("{column} of chunk {}", place + 1),
                    &found[column],
                    expected,
                )?;
            }
            let is_owned = |lease: &&Lease| {
                chunk.is_leased_to(lease.process, lease.epoch) && lease.place == place
            };
            if let Some(lease) = self.leases.iter().find(is_owned) {
                same("epoch", &found["epoch"], &json!(lease.real_epoch))?;
            }
        }

        same(
            "attempts",
            rows(&found["attempts"], places),
            table(&model.attempts, lower::<Outcome>),
        )?;
        let decision = |doubt: &Doubt| lower(doubt);
        same(
            "doubts",
            rows(&found["doubts"], places),
            table(&model.doubts, decision),
        )?;
        let retries: Vec<(usize, Option<usize>)> = (model.retries.iter().enumerate())
            .filter_map(|(position, retry)| match retry {
                Retry::None => None,
                Retry::Waiting => Some((position + 1, None)),
                Retry::In(chunk) => Some((position + 1, Some(usize::from(*chunk)))),
            })
            .collect();
        let waiting = found["retries"].as_array().into_iter().flatten();
        let waiting: Vec<(usize, Option<usize>)> = waiting
            .filter_map(|row| {
                Some((
                    row[0].as_u64()? as usize,
                    row[1].as_i64().map(|number| places[&number]),
                ))
            })
            .collect();
        same("retry items", waiting, retries)?;

        let is_dirty = chunks.iter().any(|chunk| chunk["dirty"] == json!(true));
        let totals = model.totals();
        if !is_dirty {
            let totals = json!([totals.sent, totals.failed, totals.uncertain]);
            same("counters of the job", &found["job_counters"], &totals)?;
        }
        same("check_campaign", &found["broken"], &json!([]))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Checked {
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{what}: PostgreSQL says {found:?}, the model {expected:?}"
    ))
}

/// Positions as the database counts them.
fn shown(positions: Numbers) -> Vec<i64> {
    positions
        .iter()
        .map(|position| position as i64 + 1)
        .collect()
}

/// The database's word.
fn lower<T: std::fmt::Debug>(word: &T) -> String {
    format!("{word:?}").to_lowercase()
}

/// Position, chunk and word of each row.
type Rows = Vec<(usize, usize, String)>;

fn rows(found: &Value, places: &BTreeMap<i64, usize>) -> Rows {
    let rows = found.as_array().into_iter().flatten();
    rows.filter_map(|row| {
        Some((
            row[0].as_u64()? as usize,
            places[&row[1].as_i64()?],
            row[2].as_str()?.to_owned(),
        ))
    })
    .collect()
}

fn table<T>(table: &[[Option<T>; CHUNKS]; RECIPIENTS], word: impl Fn(&T) -> String) -> Rows {
    let rows = table.iter().enumerate().flat_map(|(position, row)| {
        row.iter()
            .enumerate()
            .filter_map(move |(chunk, found)| Some((position + 1, chunk, found.as_ref()?)))
    });
    rows.map(|(position, chunk, found)| (position, chunk, word(found)))
        .collect()
}
