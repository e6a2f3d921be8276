//! What the messages of a job have in common, made once and shared by its workers.

use std::sync::Arc;

use message::mail::{Identity, Sender};
use message::template::{Source, Template};
use message::verdict::{RuleError, Rules};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::smtp::Mail;
use crate::storage::{IntegrationSpec, JobSpec, MessageSpec, Recipient};

pub struct Plan {
    pub relay: Arc<IntegrationSpec>,
    /// What the relay's replies mean.
    pub rules: Rules,
    /// Connections of this runner.
    pub concurrency: usize,
    /// Bound on passed positions without a recorded outcome, per lease.
    pub window: usize,
    job_id: Uuid,
    letter: Letter,
}

impl Plan {
    /// # Errors
    /// A rule of this database is none that this runner understands.
    pub fn new(job: JobSpec, relay: IntegrationSpec) -> Result<Plan, RuleError> {
        Ok(Plan {
            rules: Rules::compile(&relay.rules)?,
            relay: Arc::new(relay),
            concurrency: job.concurrency,
            window: job.window,
            job_id: job.id,
            letter: Letter::new(job.message),
        })
    }

    /// The message for one recipient: the same bytes in every attempt. The error is for `attempt.detail`.
    pub fn mail(&self, to: &Recipient) -> Result<Mail, String> {
        let identity = Identity {
            job_id: self.job_id,
            pos: to.pos.unsigned_abs(),
            date: to.first_leased_at,
        };
        self.letter.mail(&to.email, &to.vars, &identity)
    }
}

/// A message without its recipient.
pub struct Letter {
    message: MessageSpec,
    /// A template that does not compile fails each of its recipients: it was checked when it was saved, so only
    /// another version of the check can get here.
    template: Result<Template, String>,
}

impl Letter {
    pub fn new(message: MessageSpec) -> Letter {
        let source = &message.template;
        let template = Template::compile(&Source {
            subject: &source.subject,
            html: &source.html,
            text: source.text.as_deref(),
            variables: &source.variables,
        })
        .map_err(|error| error.to_string());
        Letter { message, template }
    }

    /// The same arguments give the same bytes.
    pub fn mail(
        &self,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Result<Mail, String> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let address =
            message::address::fold(email).ok_or("the recipient's address is not valid")?;
        let rendered = template
            .render(email, vars)
            .map_err(|error| error.to_string())?;
        let sender = Sender {
            email: &self.message.from_email,
            name: self.message.from_name.as_deref(),
            reply_to: self.message.reply_to.as_deref(),
            headers: &self.message.headers,
        };
        let content = message::mail::build(&sender, &address, &rendered, identity)
            .map_err(|error| error.to_string())?;
        let parse = |address: &str| address.parse().map_err(|_| "an address is not valid");
        Ok(Mail {
            from: parse(sender.email)?,
            to: parse(&address)?,
            content,
        })
    }
}
