//! What the mails of a letter have in common: see [`Letter::prepare`].

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use httpdate::HttpDate;
use lettre::Address;
use lettre::message::header::Headers;
use minijinja::machinery::Token as Word;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{Body, Builder, Kind as Part, Line, Origin, Scratch, Values};
use super::layout::{self, Example, Lines};
use super::marks::{Marks, Slice};
use super::{Letter, Mail, Ours};
use crate::address;
use crate::context::{self, Encoding};
use crate::header::UNSUBSCRIBE;
use crate::links::{Links, are_settled, unsubscribe_url};
use crate::mail::{self, Identity};
use crate::markup::{Scope, comments, elements};
use crate::tags::{Piece, pieces};
use crate::template::{self, Recipient, Rendered};
use crate::token::Kind;
use crate::tree::FORMATTING;

/// Of a value, in bytes: all values of this length together pass all bounds.
const MAX_VALUE: usize = 256;

/// Name of the variable that is made for each mail.
const UNSUBSCRIBE_URL: &str = "unsubscribe_url";

pub(super) struct Prepared {
    head: Vec<Field>,
    subject: Line,
    text: Body,
    html: Body,
    /// Those that are printed.
    variables: Vec<String>,
    /// Variables by number, as they are printed somewhere.
    forms: Vec<(usize, Encoding)>,
    tokens: Vec<Kind>,
    /// The text part is made of the HTML.
    has_layout: bool,
    /// Bytes of a mail without its values, about.
    size: usize,
}

/// A piece of the header.
#[derive(Debug)]
enum Field {
    Literal(String),
    To,
    Date,
    /// The whole field.
    Subject,
    /// Job and position, as in the Message-ID and the boundary.
    Id,
    Token(Origin),
}

/// Numbers what is printed.
#[derive(Default)]
struct Register {
    variables: Vec<String>,
    forms: Vec<(usize, Encoding)>,
    tokens: Vec<Kind>,
}

fn number<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    all.iter()
        .position(|other| *other == one)
        .unwrap_or_else(|| {
            all.push(one);
            all.len() - 1
        })
}

impl Register {
    fn form(&mut self, variable: usize, encoding: Encoding) -> Origin {
        Origin::Form(number(&mut self.forms, (variable, encoding)))
    }

    fn token(&mut self, kind: Kind) -> Origin {
        Origin::Token(number(&mut self.tokens, kind))
    }
}

/// What a mark stands for.
#[derive(Clone, Copy)]
enum Slot {
    Variable(usize, Encoding),
    Token(Kind),
}

impl Slot {
    /// As it stands in the text part that is made of the HTML: URLs as they are, all else decoded.
    fn in_text(self) -> Slot {
        match self {
            Slot::Variable(variable, Encoding::Html) => Slot::Variable(variable, Encoding::Plain),
            other => other,
        }
    }

    fn origin(self, register: &mut Register) -> Origin {
        match self {
            Slot::Variable(variable, encoding) => register.form(variable, encoding),
            Slot::Token(kind) => register.token(kind),
        }
    }

    /// As it may be printed.
    fn printed(self, values: &[String], token: &str, out: &mut String) {
        match self {
            Slot::Variable(variable, encoding) => {
                encoding.encode(values.get(variable).map_or("", String::as_str), out);
            }
            Slot::Token(_) => out.push_str(token),
        }
    }
}

/// Names of the variables that a part prints, in order. `None` = it does more than that.
fn outputs(source: &str) -> Option<Vec<&str>> {
    let outputs = pieces(source).into_iter().filter_map(|piece| match piece {
        Piece::Literal(_) => None,
        Piece::Output(tokens) => Some(match &*tokens {
            [one] => match one.token {
                Word::Ident(name) => Some(name),
                _ => None,
            },
            _ => None,
        }),
        Piece::Statement(_) => Some(None),
    });
    outputs.collect()
}

/// A template whose values are marked, one by one.
struct Marked<'a> {
    letter: &'a Letter,
    marks: Marks,
    slots: Vec<Slot>,
    register: Register,
}

impl Marked<'_> {
    fn links(&self) -> Option<&Links> {
        match &self.letter.ours {
            Ours::All(links) => Some(links),
            Ours::None | Ours::Test { .. } => None,
        }
    }

    fn slot(&mut self, slot: Slot) -> String {
        self.slots.push(slot);
        self.marks.mark(self.slots.len() - 1)
    }

    /// A part as the engine makes it, with a mark for each value.
    fn part(&mut self, part: template::Part, source: &str) -> Option<String> {
        let names = outputs(source)?;
        let encodings = match part {
            template::Part::Html => context::encodings(source).ok()?,
            template::Part::Subject | template::Part::Text => {
                vec![Some(Encoding::Plain); names.len()]
            }
        };
        // First all places of a variable have the same mark.
        let marks = (self.register.variables.iter().enumerate())
            .map(|(n, name)| (name.as_str(), self.marks.mark(n)));
        let mut vars: Map<String, Value> = marks
            .map(|(name, mark)| (name.to_owned(), Value::from(mark)))
            .collect();
        let email = vars.remove("email");
        let token = self.marks.mark(self.register.variables.len());
        let url = self
            .links()
            .map(|links| unsubscribe_url(&links.public_url, &token));
        let to = Recipient {
            email: email.as_ref().and_then(Value::as_str).unwrap_or_default(),
            unsubscribe_url: url.as_deref(),
            vars: &vars,
        };
        let rendered = self.letter.template.raw_part(part, &to).ok()?;
        let mut printed = names.iter().zip(encodings);
        let mut marked = String::with_capacity(rendered.len());
        let marks = Marks::clone(&self.marks);
        for slice in marks.slices(&rendered) {
            match slice {
                Slice::Literal(text) => marked.push_str(text),
                Slice::Mark(n) => {
                    let (name, encoding) = printed.next()?;
                    let slot = match self.register.variables.get(n) {
                        Some(variable) if variable == name => Slot::Variable(n, encoding?),
                        // No encoding changes what a token consists of.
                        None if *name == UNSUBSCRIBE_URL => Slot::Token(Kind::Unsubscribe),
                        _ => return None,
                    };
                    marked.push_str(&self.slot(slot));
                }
            }
        }
        printed.next().is_none().then_some(marked)
    }

    /// The HTML as it is sent, or `None`, if a value may decide what is changed in it.
    fn tracked(&mut self, html: &str) -> Option<String> {
        let Some(links) = self.links() else {
            return Some(html.to_owned());
        };
        if links.track_clicks && !are_settled(html, &links.public_url, self.marks.start()).ok()? {
            return None;
        }
        let changes = links.changes(html).ok()?;
        let mut tracked = String::with_capacity(html.len() * 2);
        let mut copied = 0;
        for change in changes {
            tracked.push_str(&html[copied..change.at.start]);
            tracked.push_str(&change.before);
            tracked.push_str(&self.slot(Slot::Token(change.kind)));
            tracked.push_str(change.after);
            copied = change.at.end;
        }
        tracked.push_str(&html[copied..]);
        Some(tracked)
    }

    /// What the marks stand for.
    fn origins(&mut self, slot: impl Fn(Slot) -> Slot) -> Vec<Origin> {
        let register = &mut self.register;
        (self.slots.iter())
            .map(|one| slot(*one).origin(register))
            .collect()
    }

    fn line(&mut self, text: &str) -> Option<Line> {
        let origins = self.origins(|slot| slot);
        Line::new(text, &self.marks, &origins)
    }

    fn body(&mut self, part: Part, text: &str) -> Option<Body> {
        let origins = self.origins(|slot| slot);
        let mut body = Builder::new(part, &self.marks, &origins);
        body.text(&mail::unix_lines(text))?;
        Some(body.end())
    }

    /// The text part that is made of the HTML.
    fn layout(&mut self, html: &str) -> Option<Body> {
        if !has_usual_places(html, self.marks.start())? {
            return None;
        }
        let examples = examples(self.register.variables.len());
        // Tokens have from 26 to 62 characters.
        let tokens = ["a".repeat(62), "a".repeat(26)];
        let examples: Vec<Example> = (examples.iter().zip(tokens.iter().cycle()))
            .map(|(values, token)| Example {
                html: self.marks.filled(html, |mark, out| {
                    self.slots[mark].printed(values, token, out);
                }),
                values: (self.slots.iter())
                    .map(|slot| {
                        let mut text = String::new();
                        slot.in_text().printed(values, token, &mut text);
                        text
                    })
                    .collect(),
            })
            .collect();
        let lines = layout::lines(html, &self.marks, &examples)?;
        let origins = self.origins(Slot::in_text);
        let mut body = Builder::new(Part::Plain, &self.marks, &origins);
        for lines in &lines {
            match lines {
                Lines::AsTheyAre(text) => body.text(text)?,
                Lines::Paragraph(paragraph) => body.paragraph(paragraph)?,
            }
        }
        Some(body.end())
    }
}

/// Whether no value can change how a document is read: not in a declaration, at the end of a comment or behind what may be the
/// beginning of a character reference.
fn is_well_placed(html: &str, mark: &str) -> Option<bool> {
    let mut is_well_placed = true;
    comments(html, |comment| {
        let mut parts = comment.split(mark).peekable();
        while let (Some(before), Some(after)) = (parts.next(), parts.peek()) {
            let next = after.trim_start_matches(|c: char| c.is_ascii_digit());
            is_well_placed &= !before.is_empty()
                && !before.ends_with(['-', '!', '<'])
                && !next.is_empty()
                && !next.starts_with(['-', '!', '>']);
        }
    })
    .ok()?;
    let mut parts = html.split(mark).peekable();
    while let (Some(before), Some(_)) = (parts.next(), parts.peek()) {
        let reference = before.rsplit_once('&').map(|(_, after)| after);
        is_well_placed &= !reference.is_some_and(|name| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
        });
        let declaration = before.rsplit_once("<!").map(|(_, after)| after);
        is_well_placed &=
            !declaration.is_some_and(|after| !after.starts_with("--") && !after.contains('>'));
    }
    Some(is_well_placed)
}

/// Whether values stand in attributes only that do not decide about the layout, nor, of elements that are opened again, about which
/// are the same (WHATWG HTML 13.2.4.3).
fn has_usual_places(html: &str, mark: &str) -> Option<bool> {
    let mut are_usual = true;
    elements(html, Scope::Document, "*", |_, element| {
        let is_formatting = FORMATTING.contains(&element.tag_name().as_str());
        are_usual &= element.attributes().iter().all(|attribute| {
            let name = attribute.name();
            !attribute.value().contains(mark)
                || name == "href"
                || !is_formatting && matches!(name.as_str(), "src" | "alt" | "title")
        });
    })
    .ok()?;
    Some(are_usual)
}

/// Values of each of so many variables: of one word, of many, of several lengths, widths and kinds of characters.
fn examples(variables: usize) -> Vec<Vec<String>> {
    let texts = [
        "Ada".to_owned(),
        "7".to_owned(),
        "José Müller-Łukasz".to_owned(),
        "D'Arcy & \"Sons\" <b> = #1 / 50%?".to_owned(),
        "a b c d e f g h i j k l m n o p q r s t u v w x y z "
            .repeat(4)
            .trim_end()
            .to_owned(),
        "x".repeat(23),
        "ab cde fghi jklmn opqrst uvwxyz0 12345678 9abcdefgh "
            .repeat(3)
            .trim_end()
            .to_owned(),
    ];
    let same = texts.iter().map(|text| vec![text.clone(); variables]);
    let mixed = texts.iter().cycle().take(variables).cloned().collect();
    same.chain(std::iter::once(mixed)).collect()
}

impl Prepared {
    /// `None` = all mails of the letter are made as before.
    pub fn new(letter: &Letter) -> Option<Prepared> {
        if matches!(letter.ours, Ours::Test { .. }) {
            return None;
        }
        let parts = [
            Some(&letter.subject),
            Some(&letter.html),
            letter.text.as_ref(),
        ];
        let mut register = Register::default();
        for part in parts.into_iter().flatten() {
            for name in outputs(part)? {
                if name != UNSUBSCRIBE_URL {
                    number(&mut register.variables, name.to_owned());
                }
            }
        }
        let links = match &letter.ours {
            Ours::All(links) => links.public_url.as_str(),
            Ours::None | Ours::Test { .. } => "",
        };
        let text = letter.text.as_deref();
        let texts = [
            &letter.subject,
            &letter.html,
            text.unwrap_or_default(),
            links,
        ];
        let mut marked = Marked {
            letter,
            marks: Marks::absent_from(&texts)?,
            slots: Vec::new(),
            register,
        };
        let subject = marked.part(template::Part::Subject, &letter.subject)?;
        let subject = marked.line(&subject)?;
        let html = marked.part(template::Part::Html, &letter.html)?;
        if !is_well_placed(&html, marked.marks.start())? {
            return None;
        }
        let text = match text {
            Some(text) => {
                let text = marked.part(template::Part::Text, text)?;
                marked.body(Part::Plain, &text)?
            }
            None => marked.layout(&html)?,
        };
        let html = marked.tracked(&html)?;
        let html = marked.body(Part::Html, &html)?;
        let head = head(letter, &mut marked.register)?;
        let Register {
            variables,
            forms,
            tokens,
        } = marked.register;
        let prepared = Prepared {
            size: 1024 + text.size() + html.size() + 64 * (forms.len() + tokens.len()),
            head,
            subject,
            text,
            html,
            variables,
            forms,
            tokens,
            has_layout: letter.text.is_none(),
        };
        prepared.is_right(letter).then_some(prepared)
    }

    /// Whether the largest values pass all bounds, and some mails are those that are made from the beginning.
    fn is_right(&self, letter: &Letter) -> bool {
        const EMAIL: &str = "o'neil+a=b@example.com";
        let vars = |values: &[String]| -> Map<String, Value> {
            (self.variables.iter().zip(values))
                .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                .collect()
        };
        let identity = Identity {
            job_id: Uuid::from_u128(u128::MAX),
            pos: 7,
            date: SystemTime::UNIX_EPOCH,
        };
        // Nothing becomes longer than a quotation mark.
        let largest = vec!["'".repeat(MAX_VALUE); self.variables.len()];
        if letter
            .rendered_mail(EMAIL, &vars(&largest), &identity)
            .is_err()
        {
            return false;
        }
        examples(self.variables.len()).iter().all(|values| {
            let vars = vars(values);
            let mail = self.mail(&letter.ours, EMAIL, &vars, &identity);
            mail.is_none_or(|mail| letter.rendered_mail(EMAIL, &vars, &identity) == Ok(mail))
        })
    }

    /// `None` = one of the values is none of the usual ones.
    pub fn mail(
        &self,
        ours: &Ours,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Option<Mail> {
        let to = Address::try_from(address::fold(email)?).ok()?;
        let values = self.values(ours, email, vars, identity)?;
        let mut id = [0; uuid::fmt::Simple::LENGTH];
        let job_id = identity.job_id.simple().encode_lower(&mut id);
        let mut out = Vec::with_capacity(self.size);
        let mut scratch = Scratch::new();
        let write_id = |out: &mut Vec<u8>| {
            out.extend_from_slice(job_id.as_bytes());
            out.push(b'.');
            write_number(identity.pos, out);
        };
        for field in &self.head {
            match field {
                Field::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Field::To => out.extend_from_slice(AsRef::<str>::as_ref(&to).as_bytes()),
                Field::Date => write_date(identity.date, &mut out)?,
                Field::Subject => self.write_subject(&values, &mut out),
                Field::Id => write_id(&mut out),
                Field::Token(origin) => out.extend_from_slice(values.plain(*origin).as_bytes()),
            }
        }
        for body in [&self.text, &self.html] {
            out.extend_from_slice(b"--=_");
            write_id(&mut out);
            out.extend_from_slice(b"\r\n");
            body.write(&values, &mut scratch, &mut out)?;
        }
        out.extend_from_slice(b"--=_");
        write_id(&mut out);
        out.extend_from_slice(b"--\r\n");
        Some(Mail { to, content: out })
    }

    fn values(
        &self,
        ours: &Ours,
        email: &str,
        vars: &Map<String, Value>,
        identity: &Identity,
    ) -> Option<Values> {
        let mut values = Values::with_capacity(self.forms.len(), self.tokens.len());
        let mut read = Vec::with_capacity(self.variables.len());
        for name in &self.variables {
            let value = match name.as_str() {
                "email" => email,
                name => vars.get(name)?.as_str()?,
            };
            let is_layable = || !value.is_empty() && value.trim().len() == value.len();
            if value.len() > MAX_VALUE
                || value.chars().any(char::is_control)
                || self.has_layout && !is_layable()
            {
                return None;
            }
            read.push(value);
        }
        for (variable, encoding) in &self.forms {
            values.add_form(|out| encoding.encode(read[*variable], out));
        }
        if let Ours::All(links) = ours {
            for kind in &self.tokens {
                let token = links.token(*kind, identity.pos);
                values.add_token(|out| token.sign_into(&links.key, out));
            }
        }
        Some(values)
    }

    fn write_subject(&self, values: &Values, out: &mut Vec<u8>) {
        /// With the name of the field. Nothing shorter is folded.
        const MAX_LINE: usize = 76;
        const NAME: &str = "Subject: ";
        let mut subject = String::with_capacity(128);
        self.subject.write(values, &mut subject);
        let is_plain = subject.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if is_plain && NAME.len() + subject.len() <= MAX_LINE && !subject.contains("=?") {
            out.extend_from_slice(NAME.as_bytes());
            out.extend_from_slice(subject.trim().as_bytes());
            out.extend_from_slice(b"\r\n");
        } else {
            let mut fields = Headers::new();
            fields.insert_raw(mail::subject(&template::one_line(&subject)));
            out.extend_from_slice(fields.to_string().as_bytes());
        }
    }
}

/// RFC 5322 section 3.3. `None` = a year that it does not have.
fn write_date(date: SystemTime, out: &mut Vec<u8>) -> Option<()> {
    const YEAR_9999: Duration = Duration::from_secs(253_370_764_800);
    date.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .filter(|since| *since < YEAR_9999)?;
    let mut text = String::with_capacity(32);
    write!(text, "{}", HttpDate::from(date)).ok()?;
    // What HTTP calls GMT.
    out.extend_from_slice(text.strip_suffix("GMT")?.as_bytes());
    out.extend_from_slice(b"+0000");
    Some(())
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The header of a mail of the letter, cut where another mail has others. `None` = a field is not written as it usually is.
fn head(letter: &Letter, register: &mut Register) -> Option<Vec<Field>> {
    const TO: &str = "a@example.com";
    const TOKEN: &str = "a";
    let identity = Identity {
        job_id: Uuid::nil(),
        pos: 1,
        date: SystemTime::UNIX_EPOCH,
    };
    let rendered = Rendered {
        subject: String::new(),
        html: String::new(),
        text: String::new(),
    };
    let page = match &letter.ours {
        Ours::All(links) => Some(unsubscribe_url(&links.public_url, "")),
        Ours::None | Ours::Test { .. } => None,
    };
    let url = page.as_ref().map(|page| format!("{page}{TOKEN}"));
    let mail = mail::build(&letter.sender(), TO, &rendered, url.as_deref(), &identity).ok()?;
    let mail = String::from_utf8(mail).ok()?;
    let (header, _) = mail.split_once("\r\n\r\n")?;
    let (id_start, id_end) = ("Message-ID: <", identity.message_id(&letter.from.email));
    let id_end = id_end.strip_prefix("<00000000000000000000000000000000.1")?;
    let literal = |text: &str| Field::Literal(text.to_owned());
    let mut fields = Vec::new();
    // A field goes on in lines that begin with white space.
    for field in header.replace("\r\n ", "\n ").split("\r\n") {
        let field = field.replace('\n', "\r\n");
        let (name, _) = field.split_once(':')?;
        let own = |name: &str| {
            letter
                .from
                .headers
                .keys()
                .any(|other| other.eq_ignore_ascii_case(name))
        };
        let (is_as_usual, pieces) = match name {
            "To" => (
                field == format!("To: {TO}"),
                vec![literal("To: "), Field::To],
            ),
            "Date" => (true, vec![literal("Date: "), Field::Date]),
            "Subject" => {
                fields.push(Field::Subject);
                continue;
            }
            "Message-ID" => (
                field == format!("{id_start}{}.1{id_end}", Uuid::nil().simple()),
                vec![literal(id_start), Field::Id, literal(id_end)],
            ),
            "Content-Type" => {
                let start = "Content-Type: multipart/alternative;\r\n boundary=\"=_";
                (
                    field == format!("{start}{}.1\"", Uuid::nil().simple()),
                    vec![literal(start), Field::Id, literal("\"")],
                )
            }
            UNSUBSCRIBE if !own(UNSUBSCRIBE) => {
                let start = format!("{UNSUBSCRIBE}: <{}", page.as_deref()?);
                (
                    field == format!("{start}{TOKEN}>"),
                    vec![
                        Field::Literal(start),
                        Field::Token(register.token(Kind::Unsubscribe)),
                        literal(">"),
                    ],
                )
            }
            _ => (true, vec![literal(&field)]),
        };
        if !is_as_usual {
            return None;
        }
        fields.extend(pieces);
        fields.push(literal("\r\n"));
    }
    fields.push(literal("\r\n"));
    let mut joined: Vec<Field> = Vec::with_capacity(fields.len());
    for field in fields {
        match (joined.last_mut(), field) {
            (Some(Field::Literal(text)), Field::Literal(more)) => text.push_str(&more),
            (_, field) => joined.push(field),
        }
    }
    Some(joined)
}
