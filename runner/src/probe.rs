//! Trying an integration step by step, with a result in plain words for each.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use message::mail::{Identity, Sender, build};
use message::reply::Phase;
use message::template::Rendered;
use message::verdict::{Rules, Verdict};
use uuid::Uuid;

use crate::fence::{Fence, Fences, Gate};
use crate::smtp::{Dialer, Mail, Permit, Relay, Sent, Trace};
use crate::storage::{IntegrationSpec, StepResult};

const STEPS: [&str; 5] = ["resolve", "connect", "tls", "login", "mail"];

/// More than all steps may take together.
pub const PATIENCE: Duration = Duration::from_secs(3600);

/// Goes as far as it can: what comes after a step that failed is skipped. `email` gets one mail.
pub async fn probe(
    relay: &IntegrationSpec,
    email: Option<&str>,
    dialer: &dyn Dialer,
    alive: Fence,
) -> Vec<StepResult> {
    let mut trace = Trace::default();
    let dialed = dialer.dial(relay, &mut trace).await;
    let mut said: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (phase, line) in trace.0 {
        said.entry(step(phase)).or_default().push(line);
    }
    let mut results: Vec<StepResult> = Vec::new();
    let failed_at = dialed.as_ref().err().map(|error| step(error.phase));
    for step in &STEPS[..4] {
        let lines = said.remove(step).unwrap_or_default();
        match &dialed {
            Err(error) if failed_at == Some(step) => {
                results.push(result(step, "failed", error.reason.clone()));
                break;
            }
            _ if !lines.is_empty() => results.push(result(step, "ok", lines.join("; "))),
            _ => {
                let why = match *step {
                    "login" => "the integration has no username",
                    _ => "not used: plain text",
                };
                results.push(result(step, "skipped", why.to_owned()));
            }
        }
    }
    if let Ok(mut connection) = dialed {
        results.push(match email {
            Some(email) => send(relay, email, &mut *connection, alive).await,
            None => result("mail", "skipped", "no address was given".to_owned()),
        });
        connection.quit().await;
    }
    for step in &STEPS[results.len()..] {
        results.push(result(
            step,
            "skipped",
            "a step before it failed".to_owned(),
        ));
    }
    results
}

async fn send(
    relay: &IntegrationSpec,
    email: &str,
    connection: &mut dyn Relay,
    alive: Fence,
) -> StepResult {
    let mail = match mail(relay, email) {
        Ok(mail) => mail,
        Err(why) => return result("mail", "failed", why),
    };
    let rules = match Rules::compile(&relay.rules) {
        Ok(rules) => rules,
        Err(error) => return result("mail", "failed", format!("campaign.smtp_rules: {error}")),
    };
    let permit = Permit::new(
        std::sync::Arc::<Gate>::default(),
        Fences::without_news(alive),
    );
    let (phase, answer, how) = match connection.send(&mail, &permit).await {
        Sent::Ended {
            phase,
            answer,
            lost,
        } => (phase, answer, lost.unwrap_or_default()),
        Sent::DeadIdle(how) => (Phase::Mail, None, how),
        Sent::NotStarted | Sent::Withheld => {
            let why = "not sent: the runner has not heard of the database for too long";
            return result("mail", "failed", why.to_owned());
        }
    };
    let judgement = rules.judge(phase, answer.as_ref());
    let said = answer.map_or(how, |answer| format!("{} {}", answer.code, answer.text));
    match judgement.verdict {
        Verdict::Sent => result(
            "mail",
            "ok",
            format!("the relay accepted a mail to {email}: {said}"),
        ),
        Verdict::Uncertain => {
            let detail = format!("nobody can know whether the relay accepted the mail: {said}");
            result("mail", "failed", detail)
        }
        _ => result(
            "mail",
            "failed",
            format!("refused at {}: {said}", phase.as_str()),
        ),
    }
}

fn mail(relay: &IntegrationSpec, email: &str) -> Result<Mail, String> {
    let identity = Identity {
        job_id: Uuid::new_v4(),
        pos: 1,
        date: SystemTime::now(),
    };
    let sender = Sender {
        email: &relay.from_email,
        name: relay.from_name.as_deref(),
        reply_to: relay.reply_to.as_deref(),
        headers: &relay.headers,
    };
    let rendered = Rendered {
        subject: format!("Test of {}", relay.name).replace(char::is_control, " "),
        html: "<p>This mail was sent to try an integration of pg_campaign. It works.</p>\n"
            .to_owned(),
        text: "This mail was sent to try an integration of pg_campaign. It works.\n".to_owned(),
    };
    let content =
        build(&sender, email, &rendered, None, &identity).map_err(|error| error.to_string())?;
    let parse = |address: &str| {
        (address.parse()).map_err(|_| format!("{address} is not an address that can be mailed"))
    };
    Ok(Mail {
        from: parse(sender.email)?,
        to: parse(email)?,
        content,
    })
}

fn step(phase: Phase) -> &'static str {
    match phase {
        Phase::Resolve => "resolve",
        Phase::Connect | Phase::Greeting | Phase::Ehlo => "connect",
        Phase::Tls => "tls",
        Phase::Auth => "login",
        _ => "mail",
    }
}

fn result(step: &'static str, result: &'static str, detail: String) -> StepResult {
    StepResult {
        step: step.into(),
        result,
        detail,
    }
}
