//! What replies mean.

use message::reply::{Answer, Outcome, Phase};
use message::verdict::{Rules, Verdict};

const PHASES: [Phase; 9] = [
    Phase::Connect,
    Phase::Greeting,
    Phase::Ehlo,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::Body,
    Phase::Dot,
    Phase::Render,
];
const DIALOGUE: [Phase; 4] = [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Body];

fn after(phase: Phase, code: u16) -> Outcome {
    judged(phase, Some(&Answer::parse(code, ""))).outcome()
}

fn lost(phase: Phase) -> Outcome {
    judged(phase, None).outcome()
}

/// Without any rule.
fn judged(phase: Phase, answer: Option<&Answer>) -> Verdict {
    Rules::default().judge(phase, answer).verdict
}

#[test]
fn only_acceptance_of_the_final_dot_is_sent() {
    for phase in PHASES {
        for code in [220, 235, 250, 251, 354] {
            assert_eq!(
                after(phase, code) == Outcome::Sent,
                phase == Phase::Dot && code < 300,
                "{phase:?} {code}"
            );
        }
    }
}

#[test]
fn a_lost_connection_is_uncertain_at_the_dot_and_only_there() {
    for phase in PHASES {
        assert_eq!(
            lost(phase) == Outcome::Uncertain,
            phase == Phase::Dot,
            "{phase:?}"
        );
    }
    for phase in DIALOGUE {
        assert_eq!(lost(phase), Outcome::Deferred);
    }
}

#[test]
fn before_the_first_mail_command_nobody_is_refused() {
    for phase in [Phase::Connect, Phase::Greeting, Phase::Ehlo] {
        assert_eq!(judged(phase, None), Verdict::Defer);
        for code in [421, 454, 535, 554] {
            let answer = Answer::parse(code, "");
            assert_eq!(judged(phase, Some(&answer)), Verdict::Defer);
        }
    }
}

#[test]
fn temporary_refusals_are_deferred_and_permanent_ones_fail() {
    for phase in DIALOGUE.into_iter().chain([Phase::Dot]) {
        for code in [421, 450, 451, 452, 454] {
            assert_eq!(after(phase, code), Outcome::Deferred);
        }
        for code in [500, 550, 552, 554] {
            assert_eq!(after(phase, code), Outcome::Failed);
        }
    }
}

#[test]
fn a_message_that_cannot_be_made_has_failed() {
    assert_eq!(lost(Phase::Render), Outcome::Failed);
}

#[test]
fn an_answer_at_the_dot_that_neither_accepts_nor_refuses_is_uncertain() {
    assert_eq!(after(Phase::Dot, 354), Outcome::Uncertain);
}

#[test]
fn an_enhanced_code_is_taken_only_when_it_agrees_with_the_reply() {
    let enhanced = |code, text| Answer::parse(code, text).enhanced;
    assert_eq!(
        enhanced(550, "5.1.1 no such user").as_deref(),
        Some("5.1.1")
    );
    assert_eq!(enhanced(421, "4.7.0\nlater").as_deref(), Some("4.7.0"));
    assert_eq!(enhanced(250, "2.0.0").as_deref(), Some("2.0.0"));
    for text in [
        "4.1.1 x",
        "5.1 x",
        "5.1.1.1 x",
        "5.1000.1 x",
        "5..1 x",
        "5.1.1x",
        " 5.1.1",
        "3.1.1",
        "",
        "mail 5.1.1",
        "é",
    ] {
        assert_eq!(enhanced(550, text), None, "{text:?}");
    }
}

#[test]
fn names_are_those_of_the_table() {
    let names: Vec<&str> = PHASES.into_iter().map(Phase::as_str).collect();
    assert_eq!(
        names,
        [
            "connect", "greeting", "ehlo", "mail", "rcpt", "data", "body", "dot", "render"
        ]
    );
    let outcomes = [
        Outcome::Sent,
        Outcome::Failed,
        Outcome::Deferred,
        Outcome::Uncertain,
        Outcome::Returned,
    ];
    assert_eq!(
        outcomes.map(Outcome::as_str),
        ["sent", "failed", "deferred", "uncertain", "returned"]
    );
}

#[test]
fn control_characters_of_a_reply_become_blanks() {
    let answer = Answer::parse(550, "5.1.1 no\0 such\x1b[31m user\nreally\u{85}");
    assert_eq!(answer.text, "5.1.1 no  such [31m user\nreally ");
}
