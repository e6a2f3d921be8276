//! What the messages of a job have in common, made once and shared by its workers.

use message::mail::{Identity, Sender};
use message::template::{Source, Template};

use crate::smtp::Mail;
use crate::storage::{IntegrationSpec, JobSpec, Recipient};

pub struct Plan {
    pub job: JobSpec,
    pub relay: IntegrationSpec,
    /// A template that does not compile fails each of its recipients: it was checked when it was saved, so only
    /// another version of the check can get here.
    template: Result<Template, String>,
}

impl Plan {
    pub fn new(job: JobSpec, relay: IntegrationSpec) -> Plan {
        let source = &job.template;
        let template = Template::compile(&Source {
            subject: &source.subject,
            html: &source.html,
            text: source.text.as_deref(),
            variables: &source.variables,
        })
        .map_err(|error| error.to_string());
        Plan {
            job,
            relay,
            template,
        }
    }

    /// The message for one recipient: the same bytes in every attempt. The error is for `attempt.detail`.
    pub fn mail(&self, to: &Recipient) -> Result<Mail, String> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        let address =
            message::address::fold(&to.email).ok_or("the recipient's address is not valid")?;
        let rendered = template
            .render(&to.email, &to.vars)
            .map_err(|error| error.to_string())?;
        let content = message::mail::build(
            &Sender {
                email: &self.job.from_email,
                name: self.job.from_name.as_deref(),
            },
            &address,
            &rendered,
            &Identity {
                job_id: self.job.id,
                pos: to.pos.unsigned_abs(),
                date: to.first_leased_at,
            },
        )
        .map_err(|error| error.to_string())?;
        let parse = |address: &str| address.parse().map_err(|_| "an address is not valid");
        Ok(Mail {
            from: parse(&self.job.from_email)?,
            to: parse(&address)?,
            content,
        })
    }
}
