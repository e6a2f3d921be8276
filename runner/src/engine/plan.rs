//! What the messages of a job have in common, made once and shared by its workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lettre::Address;
use message::header::{Campaign, bulk};
use message::letter::{self, Ours};
use message::links::{Links, unsubscribe_url};
use message::mail::Identity;
use message::template::Source;
use message::token::Key;
use message::verdict::{RuleError, Rules};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::rulebook::Rulebook;
use crate::smtp::Mail;
use crate::storage::{self, IntegrationSpec, JobSpec, LinksSpec, MessageSpec, Pipelining};

pub struct Plan {
    pub relay: Arc<IntegrationSpec>,
    /// What the relay's replies mean.
    pub rules: Arc<Rules>,
    /// Connections of this runner.
    pub concurrency: usize,
    /// Bound on passed positions without a recorded outcome, per lease.
    pub window: usize,
    job_id: Uuid,
    letter: Letter,
    /// Mails that were made.
    made: AtomicUsize,
}

/// Preparing a letter takes as long as some tens of mails.
const MADE_BEFORE: usize = 30;

impl Plan {
    /// # Errors
    /// A rule of this database is none that this runner understands.
    pub fn new(
        job: JobSpec,
        relay: IntegrationSpec,
        rulebook: &Rulebook,
    ) -> Result<Plan, RuleError> {
        Ok(Plan {
            rules: rulebook.rules(&relay.rules)?,
            relay: Arc::new(relay),
            concurrency: job.concurrency,
            window: job.window,
            job_id: job.id,
            letter: Letter::of_job(job),
            made: AtomicUsize::new(0),
        })
    }

    /// Whether messages may wait behind others, to be begun with their end.
    pub fn announces(&self) -> bool {
        self.relay.pipelining == Pipelining::Messages
    }

    /// Whether it is time for [`Plan::prepare`]: true once, when there are many mails.
    pub fn has_many(&self) -> bool {
        self.made.fetch_add(1, Ordering::Relaxed) == MADE_BEFORE
    }

    /// Does what the mails have in common, so that each is made faster. Takes long for a large template.
    pub fn prepare(&self) {
        if let Ok(letter) = &self.letter.letter {
            letter.prepare();
        }
    }

    /// The message for one recipient: the same bytes in every attempt. The error is for `attempt.detail`.
    pub fn mail(&self, to: &storage::Recipient) -> Result<Mail, String> {
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
    /// Envelope of its mails.
    from: Result<Address, &'static str>,
    /// A template that does not compile fails each of its recipients: it was checked when it was saved, so only another version of
    /// the check can get here. So does a key that signs no links.
    letter: Result<letter::Letter, String>,
}

impl Letter {
    pub fn of_job(job: JobSpec) -> Letter {
        let ours = match (&job.message.public_url, job.links) {
            (Some(public_url), Some(spec)) => links(public_url, job.job_no, &spec),
            _ => Ok(Ours::None),
        };
        let id = job.id.simple().to_string();
        Letter::new(job.message, &id[..12], ours)
    }

    /// Of a mail that belongs to no job.
    pub fn of_test(message: MessageSpec) -> Letter {
        let ours = match &message.public_url {
            Some(public_url) => Ours::Test {
                unsubscribe_url: unsubscribe_url(public_url, "test"),
            },
            None => Ours::None,
        };
        Letter::new(message, "test", Ok(ours))
    }

    fn new(message: MessageSpec, id: &str, ours: Result<Ours, &'static str>) -> Letter {
        let campaign = Campaign {
            from_email: &message.from_email,
            id,
            segment: &message.segment,
            has_unsubscribe: !matches!(ours, Ok(Ours::None)),
        };
        let template = message.template;
        let source = Source {
            subject: &template.subject,
            html: &template.html,
            text: template.text.as_deref(),
            variables: &template.variables,
        };
        let from = letter::From {
            headers: bulk(&campaign, &message.headers),
            email: message.from_email,
            name: message.from_name,
            reply_to: message.reply_to,
        };
        Letter {
            from: (from.email.parse()).map_err(|_| "an address is not valid"),
            letter: ours.map_err(str::to_owned).and_then(|ours| {
                letter::Letter::new(&source, from, ours).map_err(|error| error.to_string())
            }),
        }
    }

    /// The same arguments give the same bytes.
    pub fn mail(
        &self,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Result<Mail, String> {
        let letter = self.letter.as_ref().map_err(Clone::clone)?;
        let letter::Mail { to, content } = letter.mail(email, vars, identity)?;
        Ok(Mail {
            from: self.from.clone()?,
            to,
            content,
        })
    }
}

fn links(public_url: &str, job_no: i64, spec: &LinksSpec) -> Result<Ours, &'static str> {
    let key = Key::from_hex(spec.key.reveal()).ok_or("the key that signs its links is none")?;
    Ok(Ours::All(Links {
        public_url: public_url.to_owned(),
        key,
        key_id: spec.key_id,
        job_no: job_no.unsigned_abs(),
        track_opens: spec.track_opens,
        track_clicks: spec.track_clicks,
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::SystemTime;

    use message::token::{Kind, Token};
    use serde_json::json;

    use super::*;

    fn job(changes: Value) -> JobSpec {
        let mut job = json!({
            "id": Uuid::from_u128(0x1234_5678_9abc_def0 << 64), "job_no": 42, "integration_id": Uuid::nil(), "concurrency": 1, "window": 1,
            "message": {
                "from_email": "team@example.org", "from_name": null, "reply_to": null, "headers": {}, "segment": "no-show",
                "public_url": "https://mail.example.org",
                "template": {
                    "subject": "Hi {{name}}", "html": "<a href=https://a.example/>a</a><a href=https://b.example/>b</a>",
                    "text": "{{unsubscribe_url}}", "variables": []
                }
            },
            "links": {"key_id": 3, "key": "07".repeat(32), "track_opens": true, "track_clicks": true}
        });
        for (path, value) in changes.as_object().unwrap() {
            *job.pointer_mut(path).unwrap() = value.clone();
        }
        serde_json::from_value(job).unwrap()
    }

    /// The mail without the soft line breaks of quoted-printable.
    fn text(letter: &Letter) -> Result<String, String> {
        let identity = Identity {
            job_id: Uuid::nil(),
            pos: 7,
            date: SystemTime::UNIX_EPOCH,
        };
        let vars = json!({"name": "Ana"});
        let mail = letter.mail("ana@example.com", vars.as_object().unwrap(), &identity)?;
        let text = String::from_utf8(mail.content).unwrap();
        Ok(text.replace("=\r\n", "").replace("=3D", "="))
    }

    fn tokens(text: &str) -> Vec<Kind> {
        let key = Key::new(&[7; 32]).unwrap();
        let tokens = text.split("?t=").skip(1).map(|rest| {
            let end = rest.find(['"', '>', '\r']).unwrap();
            let unverified = Token::parse(&rest[..end]).unwrap();
            assert!(unverified.is_genuine(&key));
            let token = unverified.token;
            assert_eq!((token.key_id, token.job_no, token.pos), (3, 42, 7));
            token.kind
        });
        tokens.collect()
    }

    #[test]
    fn a_job_says_in_its_mails_what_its_spec_says() {
        let stop = Kind::Unsubscribe;
        let clicks = [Kind::Click { link: 1 }, Kind::Click { link: 2 }];
        let with = |opens: bool, clicks: bool| {
            let job = job(json!({"/links/track_opens": opens, "/links/track_clicks": clicks}));
            text(&Letter::of_job(job)).unwrap()
        };
        // The header, the text part, the HTML part.
        assert_eq!(tokens(&with(false, false)), [stop, stop]);
        assert_eq!(tokens(&with(true, false)), [stop, stop, Kind::Open]);
        assert_eq!(
            tokens(&with(false, true)),
            [stop, stop, clicks[0], clicks[1]]
        );
        let all = with(true, true);
        assert_eq!(tokens(&all), [stop, stop, clicks[0], clicks[1], Kind::Open]);
        assert!(all.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
        assert!(all.contains("Feedback-ID: 123456789abc:no-show:campaign:exampleorg\r\n"));
    }

    #[test]
    fn it_is_time_to_prepare_once_when_there_are_many_mails() {
        let plan = Plan::new(
            job(json!({})),
            crate::smtp::tests::spec(25),
            &Rulebook::default(),
        )
        .unwrap();
        let times: Vec<usize> = (1..=200).filter(|_| plan.has_many()).collect();
        assert_eq!(times, [MADE_BEFORE + 1]);
    }

    #[test]
    fn without_a_public_url_there_are_no_links_of_ours() {
        let mut spec = job(json!({"/message/public_url": null, "/links": null}));
        assert!(
            text(&Letter::of_job(spec.clone()))
                .unwrap_err()
                .contains("unsubscribe_url")
        );
        spec.message.template.text = None;
        let text = text(&Letter::of_job(spec)).unwrap();
        assert!(!text.contains("List-Unsubscribe") && !text.contains("?t="));
        assert!(text.contains("href=https://a.example/"));
    }

    #[test]
    fn a_key_that_is_none_fails_each_mail_and_no_key_is_shown() {
        let spec = job(json!({"/links/key": "secret"}));
        assert!(!format!("{spec:?}").contains("secret"));
        let why = text(&Letter::of_job(spec)).unwrap_err();
        assert_eq!(why, "the key that signs its links is none");
    }
    /// tokio's threads have 2 MiB.
    #[test]
    fn no_template_takes_the_runner_down_when_it_is_read() {
        let chains = [
            format!("{{{{ {}1 }}}}", "-".repeat(8_000)),
            format!("{{{{ 1{} }}}}", " and 1".repeat(8_000)),
            "{% if 1 %}".to_owned() + &"{% elif 1 %}".repeat(8_000) + "{% endif %}",
            ("{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(50)).repeat(20),
        ];
        let read = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || {
                chains.map(|html| {
                    let spec = job(json!({"/message/template/html": html}));
                    text(&Letter::of_job(spec))
                })
            });
        for mail in read.unwrap().join().unwrap() {
            assert!(mail.unwrap_err().contains("more than"));
        }
    }
}
