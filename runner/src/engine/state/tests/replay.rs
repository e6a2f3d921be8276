use super::*;
use crate::storage::{Replay, ReplayItem};

fn told(item: &ReplayItem) -> Vec<(i64, &str)> {
    (item.outcomes.iter())
        .map(|fact| (fact.pos, fact.outcome))
        .collect()
}

fn replay(decided: &Decided) -> Arc<Replay> {
    assert_eq!(decided.replays.len(), 1);
    decided.replays[0].0.clone()
}

#[test]
fn a_runner_that_the_database_forgot_starts_nothing_and_tells_what_it_did() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    runner.apply(Event::NotRegistered);
    runner.apply(Event::Unanswered);
    let decided = runner.decide();
    assert!(decided.started.is_empty() && decided.calls.is_empty() && decided.claims.is_empty());
    let replay = replay(&decided);
    assert!(replay.last);
    assert_eq!(replay.items.len(), 1);
    let item = &replay.items[0];
    assert_eq!((item.key, item.mark), (key(1), 3));
    assert_eq!(told(item), [(1, "sent"), (3, "returned")]);
    assert_eq!(item.open, [2], "its message is under way");
    assert!(!first.started[1].1.gate.is_open());
}

#[test]
fn what_ends_during_a_replay_is_reported_after_it_and_the_lease_given_back() {
    let (mut runner, first) = Runner::sending();
    runner.sent(&first.started[0]);
    runner.apply(Event::NotRegistered);
    runner.decide();
    runner.sent(&first.started[1]);
    let decided = runner.decide();
    assert!(decided.calls.is_empty() && decided.replays.is_empty());
    runner.apply(Event::Replayed(1, vec![]));
    let decided = runner.decide();
    let call = decided.call();
    assert_eq!(call.verb, Verb::Release);
    assert_eq!(call.items[0].outcomes, [fact(2)]);
    assert_eq!(decided.claims.len(), 1, "there is work again");
    runner.apply(answer(1, Verdict::Fenced, 3, &[]));
    assert!(runner.state.known().is_empty());
}

#[test]
fn a_replay_waits_for_the_calls_under_way_since_their_answers_tell_what_is_passed() {
    let (mut runner, _) = Runner::reporting();
    runner.apply(Event::Woken);
    runner.decide();
    runner.apply(Event::NotRegistered);
    assert!(runner.decide().replays.is_empty());
    runner.apply(answer(1, Verdict::Ok, 3, &[1, 2]));
    runner.apply(Event::ClaimUnanswered);
    let decided = runner.decide();
    assert!(decided.started.is_empty());
    let replay = replay(&decided);
    assert_eq!(replay.items[0].mark, 3);
    let refused_and_given_back = [(3, "returned"), (1, "returned"), (2, "returned")];
    assert_eq!(told(&replay.items[0]), refused_and_given_back);
}

#[test]
fn a_replay_without_an_answer_is_repeated_the_same() {
    let (mut runner, _) = Runner::sending();
    runner.apply(Event::NotRegistered);
    let first = replay(&runner.decide());
    runner.apply(Event::ReplayUnanswered);
    let decided = runner.decide();
    assert_eq!(decided.replays, [(first, 1)]);
}

#[test]
fn one_lease_that_the_database_refuses_does_not_keep_the_others_from_being_told() {
    let (mut runner, _) = Runner::sending();
    runner.apply(Event::Woken);
    runner.decide();
    runner.claimed(vec![chunk(2, 10..=18)]);
    runner.apply(Event::NotRegistered);
    runner.apply(Event::Unanswered);
    let both = replay(&runner.decide());
    assert_eq!(both.items.len(), 2);
    runner.apply(Event::ReplayRefused);
    let mut parts = Vec::new();
    while runner.state.is_replaying() {
        let part = replay(&runner.decide());
        parts.push((part.items.len(), part.last, part.since_us.is_some()));
        match part.items.first() {
            Some(item) if item.key == key(1) => runner.apply(Event::ReplayRefused),
            _ => runner.apply(Event::Replayed(1, vec![])),
        }
    }
    let forgotten = [(1, false, false), (1, false, true), (0, true, true)];
    assert_eq!(parts, forgotten);
}

#[test]
fn a_runner_that_is_told_to_stop_replays_before_it_ends() {
    let (mut runner, first) = Runner::sending();
    runner.apply(Event::Drain);
    runner.apply(Event::NotRegistered);
    runner.sent(&first.started[0]);
    runner.sent(&first.started[1]);
    assert_eq!(told(&replay(&runner.decide()).items[0]).len(), 3);
    assert!(!runner.state.is_drained());
    runner.apply(Event::Replayed(1, vec![]));
    runner.decide();
    assert!(runner.state.is_drained());
}
