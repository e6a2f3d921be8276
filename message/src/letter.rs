//! A message without its recipient, from which a mail is made for each of many.
//!
//! A mail is made in one of two ways, which give the same bytes. What a mail is, is said by the first: the template is rendered, its
//! links are rewritten, and [`mail::build`] makes the message. The second is the first, done once for all mails: see
//! [`Letter::prepare`].

mod body;
mod layout;
mod marks;
mod prepared;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use lettre::Address;
use serde_json::{Map, Value};

use crate::address;
use crate::links::Links;
use crate::mail::{self, Identity, Sender};
use crate::template::{Recipient, Source, Template, TemplateError};
use prepared::Prepared;

/// Who a letter is from: what a [`Sender`] says.
#[derive(Debug, Clone)]
pub struct From {
    pub email: String,
    pub name: Option<String>,
    pub reply_to: Option<String>,
    /// All further fields, see [`crate::header::bulk`].
    pub headers: BTreeMap<String, String>,
}

/// Which links of ours a message has.
pub enum Ours {
    None,
    /// To a page that says that it is a test.
    Test {
        unsubscribe_url: String,
    },
    All(Links),
}

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// For the envelope: the recipient's address, folded.
    pub to: Address,
    /// As after DATA, CRLF line ends, without dot-stuffing.
    pub content: Vec<u8>,
}

/// A message without its recipient.
pub struct Letter {
    template: Template,
    subject: String,
    html: String,
    text: Option<String>,
    from: From,
    ours: Ours,
    /// `Some(None)` = there is nothing that they have in common.
    prepared: OnceLock<Option<Prepared>>,
}

impl Letter {
    /// # Errors
    /// The template does not compile.
    pub fn new(source: &Source<'_>, from: From, ours: Ours) -> Result<Letter, TemplateError> {
        Ok(Letter {
            template: Template::compile(source)?,
            subject: source.subject.to_owned(),
            html: source.html.to_owned(),
            text: source.text.map(str::to_owned),
            from,
            ours,
            prepared: OnceLock::new(),
        })
    }

    /// Does all that the mails of the letter have in common, once. It takes as long as some tens of mails; meanwhile others are made
    /// from the beginning.
    ///
    /// It changes no mail. It is for templates that print variables and do nothing else, where a value stands for itself: in
    /// text, in quoted attributes, in parts of URLs that do not decide which links are tracked. Others, and single mails of which
    /// a value is none of the usual ones, are made as before: no text, longer than 256 bytes, with control characters; for a text
    /// part that is made of the HTML also empty, or with characters whose width depends on others; or such that lettre would take
    /// base64.
    pub fn prepare(&self) {
        self.prepared.get_or_init(|| Prepared::new(self));
    }

    /// The same arguments give the same bytes. The error is for a person, and names no address.
    pub fn mail(
        &self,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Result<Mail, String> {
        match self.prepared_mail(email, vars, identity) {
            Some(mail) => Ok(mail),
            None => self.rendered_mail(email, vars, identity),
        }
    }

    /// What [`Letter::mail`] returns, made of what was prepared. `None` = that cannot be done.
    pub fn prepared_mail(
        &self,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Option<Mail> {
        (self.prepared.get()?.as_ref()?).mail(&self.ours, email, vars, identity)
    }

    /// What [`Letter::mail`] returns, made from the beginning.
    pub fn rendered_mail(
        &self,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Result<Mail, String> {
        let address = address::fold(email).ok_or("the recipient's address is not valid")?;
        let unsubscribe_url = match &self.ours {
            Ours::None => None,
            Ours::Test { unsubscribe_url } => Some(unsubscribe_url.clone()),
            Ours::All(links) => Some(links.unsubscribe_url(identity.pos)),
        };
        let mut rendered = self
            .template
            .render(&Recipient {
                email,
                unsubscribe_url: unsubscribe_url.as_deref(),
                vars,
            })
            .map_err(|error| error.to_string())?;
        if let Ours::All(links) = &self.ours {
            rendered.html = links.tracked(rendered.html, identity.pos)?;
        }
        let content = mail::build(
            &self.sender(),
            &address,
            &rendered,
            unsubscribe_url.as_deref(),
            identity,
        )
        .map_err(|error| error.to_string())?;
        Ok(Mail {
            to: Address::try_from(address).map_err(|_| "an address is not valid")?,
            content,
        })
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            email: &self.from.email,
            name: self.from.name.as_deref(),
            reply_to: self.from.reply_to.as_deref(),
            headers: &self.from.headers,
        }
    }
}
