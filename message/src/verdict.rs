//! What a reply, or its absence, means: for a recipient, for the relay, for the whole job. Which replies mean what is data
//! (`campaign.smtp_rules`); what can be concluded at all is fixed here.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::reply::{Answer, Outcome, Phase};

/// A compiled pattern may take this many bytes: a rule matches a line of text, not a book.
const PATTERN_SIZE: usize = 256 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The relay accepted the mail.
    Sent,
    /// Not now.
    Defer,
    /// Never.
    Fail,
    /// Nobody can know (RFC 1047).
    Uncertain,
    /// Not now, and everything over this relay more slowly.
    SlowDown,
    /// The same would happen to everybody: a person has to mend something first.
    StopJob,
    /// The relay wants another connection.
    Reconnect,
}

impl Verdict {
    pub const ALL: [Verdict; 7] = [
        Verdict::Sent,
        Verdict::Defer,
        Verdict::Fail,
        Verdict::Uncertain,
        Verdict::SlowDown,
        Verdict::StopJob,
        Verdict::Reconnect,
    ];

    /// The name as stored in `attempt.verdict`.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Sent => "sent",
            Verdict::Defer => "defer",
            Verdict::Fail => "fail",
            Verdict::Uncertain => "uncertain",
            Verdict::SlowDown => "slow_down",
            Verdict::StopJob => "stop_job",
            Verdict::Reconnect => "reconnect",
        }
    }

    /// What is reported of the recipient.
    pub fn outcome(self) -> Outcome {
        match self {
            Verdict::Sent => Outcome::Sent,
            Verdict::Defer | Verdict::SlowDown => Outcome::Deferred,
            Verdict::Fail => Outcome::Failed,
            Verdict::Uncertain => Outcome::Uncertain,
            Verdict::StopJob | Verdict::Reconnect => Outcome::Returned,
        }
    }

    /// Acceptance and doubt are facts of the protocol, which no rule may claim.
    fn is_for_rules(self) -> bool {
        !matches!(self, Verdict::Sent | Verdict::Uncertain)
    }
}

impl FromStr for Verdict {
    type Err = ();

    fn from_str(name: &str) -> Result<Verdict, ()> {
        Verdict::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == name)
            .ok_or(())
    }
}

/// A row of `campaign.smtp_rules`. What is `None` fits everything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RuleRow {
    pub id: i64,
    pub phase: Option<String>,
    /// Regular expression that must match the whole reply code.
    pub code: Option<String>,
    /// Regular expression that must match the whole enhanced status code.
    pub enhanced: Option<String>,
    /// Regular expression that is searched for in the text, in any case.
    pub reply: Option<String>,
    pub verdict: String,
    pub class: String,
}

/// Why a rule cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule}: {column}: {reason}")]
pub struct RuleError {
    pub rule: i64,
    pub column: &'static str,
    pub reason: String,
}

/// Rules in their order: the first that fits decides.
#[derive(Default)]
pub struct Rules(Vec<Rule>);

struct Rule {
    id: i64,
    phase: Option<Phase>,
    code: Option<Regex>,
    enhanced: Option<Regex>,
    reply: Option<Regex>,
    verdict: Verdict,
    class: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    pub class: Option<String>,
    /// Id of the rule that decided.
    pub rule: Option<i64>,
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rules({})", self.0.len())
    }
}

impl Rules {
    pub fn compile(rows: &[RuleRow]) -> Result<Rules, RuleError> {
        rows.iter()
            .map(compile)
            .collect::<Result<_, _>>()
            .map(Rules)
    }

    /// `answer` is the reply that ended the attempt; `None` = the connection was lost, the server did not answer in
    /// time, or there was no dialogue.
    ///
    /// RFC 5321 section 4.2.5: after a 4xx or 5xx reply to the final dot the server must not deliver. A lost connection
    /// before the dot counts as a 451 (section 3.8); at the dot nothing can be known (RFC 1047).
    pub fn judge(&self, phase: Phase, answer: Option<&Answer>) -> Judgement {
        let by_protocol = match (phase, answer.map(|answer| answer.code)) {
            // The same data would fail again.
            (Phase::Render, _) => Verdict::Fail,
            (_, Some(400..=499)) => Verdict::Defer,
            // Nobody was refused yet.
            (phase, Some(500..=599)) if phase.opens_session() => Verdict::Defer,
            (_, Some(500..=599)) => Verdict::Fail,
            (Phase::Dot, Some(200..=299)) => Verdict::Sent,
            // Neither accepted nor refused: as good as no reply.
            (Phase::Dot, _) => Verdict::Uncertain,
            (_, _) => Verdict::Defer,
        };
        let rule = answer
            // Only a refusal is a matter of opinion.
            .filter(|answer| (400..600).contains(&answer.code) && phase != Phase::Render)
            .and_then(|answer| self.0.iter().find(|rule| rule.fits(phase, answer)));
        match rule {
            Some(rule) => Judgement {
                verdict: match rule.verdict {
                    Verdict::Fail | Verdict::Reconnect if phase.opens_session() => Verdict::Defer,
                    verdict => verdict,
                },
                class: Some(rule.class.clone()),
                rule: Some(rule.id),
            },
            None => Judgement {
                verdict: by_protocol,
                class: None,
                rule: None,
            },
        }
    }
}

impl Rule {
    fn fits(&self, phase: Phase, answer: &Answer) -> bool {
        let fits = |pattern: &Option<Regex>, value: Option<&str>| match (pattern, value) {
            (None, _) => true,
            (Some(pattern), Some(value)) => pattern.is_match(value),
            (Some(_), None) => false,
        };
        self.phase.is_none_or(|own| own == phase)
            && fits(&self.code, Some(&answer.code.to_string()))
            && fits(&self.enhanced, answer.enhanced.as_deref())
            && fits(&self.reply, Some(&answer.text))
    }
}

fn compile(row: &RuleRow) -> Result<Rule, RuleError> {
    let wrong = |column, reason: &str| RuleError {
        rule: row.id,
        column,
        reason: reason.to_owned(),
    };
    let pattern = |column, pattern: &Option<String>, whole| {
        pattern
            .as_deref()
            .map(|pattern| regex(pattern, whole).map_err(|reason| wrong(column, &reason)))
            .transpose()
    };
    Ok(Rule {
        id: row.id,
        phase: match row.phase.as_deref() {
            None => None,
            Some(name) => match name.parse() {
                // Where no server speaks there is nothing to judge.
                Ok(Phase::Resolve | Phase::Connect | Phase::Render) => {
                    return Err(wrong("phase", "no reply comes in this phase"));
                }
                Ok(phase) => Some(phase),
                Err(()) => return Err(wrong("phase", "there is no such phase")),
            },
        },
        code: pattern("code", &row.code, true)?,
        enhanced: pattern("enhanced", &row.enhanced, true)?,
        reply: pattern("reply", &row.reply, false)?,
        verdict: match row.verdict.parse::<Verdict>() {
            Ok(verdict) if verdict.is_for_rules() => verdict,
            Ok(_) => return Err(wrong("verdict", "it is a fact, not a matter of rules")),
            Err(()) => return Err(wrong("verdict", "there is no such verdict")),
        },
        class: row.class.clone(),
    })
}

fn regex(pattern: &str, whole: bool) -> Result<Regex, String> {
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .case_insensitive(true)
            .size_limit(PATTERN_SIZE)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "the pattern is too big".to_owned(),
                // Its last line says what is wrong; the lines above draw the pattern.
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    last.trim_start_matches("error: ").to_owned()
                }
            })
    };
    // By itself first: `550)|(?:.*` must not close the group that is put around it.
    let alone = build(pattern)?;
    if whole {
        build(&format!(r"\A(?:{pattern})\z"))
    } else {
        Ok(alone)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(id: i64, columns: [Option<&str>; 4], verdict: &str) -> RuleRow {
        let [phase, code, enhanced, reply] = columns.map(|column| column.map(str::to_owned));
        RuleRow {
            id,
            phase,
            code,
            enhanced,
            reply,
            verdict: verdict.to_owned(),
            class: format!("class {id}"),
        }
    }

    fn judge(rows: &[RuleRow], phase: Phase, reply: &str) -> (Verdict, Option<i64>) {
        let answer = Answer::read(reply).unwrap();
        let judgement = Rules::compile(rows).unwrap().judge(phase, Some(&answer));
        assert_eq!(
            judgement.class,
            judgement.rule.map(|rule| format!("class {rule}"))
        );
        (judgement.verdict, judgement.rule)
    }

    #[test]
    fn without_rules_the_first_digit_decides() {
        for (phase, reply, verdict) in [
            (Phase::Dot, "250 ok", Verdict::Sent),
            (Phase::Rcpt, "450 later", Verdict::Defer),
            (Phase::Rcpt, "550 no", Verdict::Fail),
            (Phase::Dot, "451 later", Verdict::Defer),
            (Phase::Dot, "554 no", Verdict::Fail),
            (Phase::Dot, "354 go", Verdict::Uncertain),
            (Phase::Data, "250 what", Verdict::Defer),
            (Phase::Rcpt, "354 what", Verdict::Defer),
            (Phase::Rcpt, "571 not you", Verdict::Fail),
            (Phase::Rcpt, "471 not now", Verdict::Defer),
            (Phase::Rcpt, "550", Verdict::Fail),
            (Phase::Greeting, "554 no", Verdict::Defer),
        ] {
            assert_eq!(
                judge(&[], phase, reply),
                (verdict, None),
                "{phase:?} {reply}"
            );
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rows = [
            row(7, [Some("rcpt"), Some("5.."), None, None], "stop_job"),
            row(3, [None, Some("550"), None, None], "slow_down"),
            row(9, [None, None, None, None], "reconnect"),
        ];
        assert_eq!(
            judge(&rows, Phase::Rcpt, "550 x"),
            (Verdict::StopJob, Some(7))
        );
        assert_eq!(
            judge(&rows, Phase::Dot, "550 x"),
            (Verdict::SlowDown, Some(3))
        );
        assert_eq!(
            judge(&rows, Phase::Mail, "421 x"),
            (Verdict::Reconnect, Some(9))
        );
    }

    #[test]
    fn every_column_of_a_rule_must_fit() {
        let rows = [row(
            1,
            [Some("dot"), Some("554"), Some("5.7.1"), Some("spam")],
            "stop_job",
        )];
        for (phase, reply, fits) in [
            (Phase::Dot, "554 5.7.1 looks like SPAM", true),
            (Phase::Rcpt, "554 5.7.1 looks like spam", false),
            (Phase::Dot, "550 5.7.1 looks like spam", false),
            (Phase::Dot, "554 5.7.2 looks like spam", false),
            (Phase::Dot, "554 looks like spam", false),
            (Phase::Dot, "554 5.7.1 looks fine", false),
        ] {
            let rule = judge(&rows, phase, reply).1;
            assert_eq!(rule.is_some(), fits, "{phase:?} {reply}");
        }
    }

    #[test]
    fn codes_match_as_a_whole_and_texts_anywhere() {
        let by = |column: usize, pattern: &str| {
            let mut columns = [None; 4];
            columns[column] = Some(pattern);
            [row(1, columns, "slow_down")]
        };
        let fits = |rows: &[RuleRow], reply| judge(rows, Phase::Rcpt, reply).1.is_some();
        assert!(!fits(&by(1, "5"), "550 5.1.10 x"));
        assert!(!fits(&by(1, "5|50"), "550 5.1.10 x"));
        assert!(fits(&by(1, "421|55[0-4]"), "550 5.1.10 x"));
        assert!(!fits(&by(1, "421|55[0-4]"), "559 5.1.10 x"));
        assert!(!fits(&by(2, r"5\.1\.1"), "550 5.1.10 x"));
        assert!(fits(&by(2, r"5\.1\.\d+"), "550 5.1.10 x"));
        assert!(fits(
            &by(3, "Of the"),
            "550-5.1.10 first\n550 5.1.10 end OF THE line"
        ));
        // A line of the text is no text of its own.
        assert!(!fits(&by(3, "^second"), "550-5.1.10 first\n550 second"));
    }

    #[test]
    fn without_an_answer_no_rule_is_asked() {
        let rules = Rules::compile(&[row(1, [None; 4], "stop_job")]).unwrap();
        for phase in Phase::ALL {
            let expected = match phase {
                Phase::Dot => Verdict::Uncertain,
                Phase::Render => Verdict::Fail,
                _ => Verdict::Defer,
            };
            let judgement = rules.judge(phase, None);
            assert_eq!(judgement.verdict, expected, "{phase:?}");
            assert_eq!((judgement.class, judgement.rule), (None, None));
        }
    }

    #[test]
    fn a_rule_changes_no_acceptance_and_nothing_that_cannot_be_known() {
        let rows = [row(1, [None; 4], "fail")];
        for (phase, reply, verdict) in [
            (Phase::Dot, "250 2.0.0 queued", Verdict::Sent),
            (Phase::Dot, "354 what", Verdict::Uncertain),
            (Phase::Data, "250 what", Verdict::Defer),
        ] {
            assert_eq!(judge(&rows, phase, reply), (verdict, None), "{reply}");
        }
    }

    #[test]
    fn before_mail_nobody_fails() {
        for verdict in ["fail", "reconnect"] {
            let rows = [row(1, [None; 4], verdict)];
            for phase in [Phase::Tls, Phase::Greeting, Phase::Ehlo, Phase::Auth] {
                assert_eq!(judge(&rows, phase, "550 no"), (Verdict::Defer, Some(1)));
            }
        }
        let rows = [row(1, [Some("auth"), None, None, None], "stop_job")];
        assert_eq!(
            judge(&rows, Phase::Auth, "535 no"),
            (Verdict::StopJob, Some(1))
        );
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_refused() {
        for (columns, verdict, column) in [
            ([Some("lunch"), None, None, None], "fail", "phase"),
            ([Some("connect"), None, None, None], "fail", "phase"),
            ([Some("render"), None, None, None], "fail", "phase"),
            ([None, Some("55["), None, None], "fail", "code"),
            ([None, Some("550)|(?:.*"), None, None], "fail", "code"),
            ([None, None, Some("(5"), None], "fail", "enhanced"),
            ([None, None, None, Some("*")], "fail", "reply"),
            ([None, None, None, Some(r"\w{10000}")], "fail", "reply"),
            ([None; 4], "sent", "verdict"),
            ([None; 4], "uncertain", "verdict"),
            ([None; 4], "maybe", "verdict"),
        ] {
            let error = Rules::compile(&[row(42, columns, verdict)]).unwrap_err();
            assert_eq!((error.rule, error.column), (42, column), "{error}");
            assert!(!error.reason.is_empty() && !error.reason.contains('\n'));
        }
    }

    #[test]
    fn verdicts_and_phases_have_names() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
    }

    #[test]
    fn a_reply_is_read_as_it_is_logged() {
        let answer = Answer::read("550-5.1.1 The address\r\n550 5.1.1 does not exist\r\n").unwrap();
        assert_eq!(answer.code, 550);
        assert_eq!(answer.enhanced.as_deref(), Some("5.1.1"));
        assert_eq!(answer.text, "5.1.1 The address\n5.1.1 does not exist");
        assert_eq!(Answer::read("576").unwrap().code, 576);
        for none in ["", "no", "5.1.1 no", "650 no", "ä550"] {
            assert_eq!(Answer::read(none), None, "{none}");
        }
    }
}
