//! A part of a message on the wire. Its literal text is encoded once; what a mail adds is what its values are.
//!
//! lettre chooses the encoding of a part by the whole of it, and wraps quoted-printable by the column: a value changes the lines
//! up to the next line break. So lines without values are encoded to their ends beforehand, the others up to their soft line
//! breaks, which are set for each mail.

use super::layout;
use super::marks::{Marks, Slice};

/// RFC 2045 section 6.7: a line has at most 76 characters, with the `=` of a soft line break.
const MAX_LINE: usize = 76;

/// Where a value comes from: see [`Values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A variable, as it is printed somewhere.
    Form(usize),
    Token(usize),
}

/// Text in the forms that it can have on the wire.
#[derive(Debug, Default)]
struct Forms {
    plain: String,
    /// Quoted-printable, without soft line breaks.
    quoted: String,
    /// Bytes that would be three in quoted-printable, by the count of lettre, to which `=` is none.
    special: usize,
}

impl Forms {
    fn new(text: &str) -> Forms {
        let mut quoted = String::with_capacity(text.len() + 16);
        quote(text, &mut quoted);
        Forms {
            special: specials(text),
            plain: text.to_owned(),
            quoted,
        }
    }
}

fn is_printable(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

fn specials(text: &str) -> usize {
    text.bytes().filter(|&byte| !is_printable(byte)).count()
}

/// Appends text of one line in quoted-printable, without soft line breaks.
fn quote(text: &str, out: &mut String) {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'=' || !is_printable(byte) {
            // Empty within a character, whose first byte was not copied either.
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push('=');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
            copied = at + 1;
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
}

/// Appends a line in quoted-printable that has no soft line breaks yet, nor white space made safe at its end.
fn set_soft_breaks(line: &mut String, out: &mut Vec<u8>) {
    let end = match line.as_bytes().last() {
        Some(b' ') => "=20",
        Some(b'\t') => "=09",
        _ => "",
    };
    if !end.is_empty() {
        line.pop();
        line.push_str(end);
    }
    let mut rest = line.as_bytes();
    while rest.len() > MAX_LINE {
        // No encoded byte is torn.
        let cut = match (rest[MAX_LINE - 3], rest[MAX_LINE - 2]) {
            (b'=', _) => MAX_LINE - 3,
            (_, b'=') => MAX_LINE - 2,
            _ => MAX_LINE - 1,
        };
        let (soft, after) = rest.split_at(cut);
        out.extend_from_slice(soft);
        out.extend_from_slice(b"=\r\n");
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// The values of one mail.
#[derive(Debug, Default)]
pub(super) struct Values {
    forms: Vec<Value>,
    tokens: Vec<Value>,
    /// Of all values.
    text: String,
}

/// Ends of its forms in the text of all values; they begin where others end.
#[derive(Debug, Clone, Copy)]
struct Value {
    start: usize,
    plain: usize,
    quoted: usize,
    special: usize,
}

impl Values {
    pub fn with_capacity(forms: usize, tokens: usize) -> Values {
        Values {
            forms: Vec::with_capacity(forms),
            tokens: Vec::with_capacity(tokens),
            text: String::with_capacity(64 * (forms + tokens)),
        }
    }

    /// The next variable, as it is printed somewhere.
    pub fn add_form(&mut self, print: impl FnOnce(&mut String)) {
        let start = self.text.len();
        print(&mut self.text);
        let plain = self.text.len();
        let is_quoted = |byte| byte == b'=' || !is_printable(byte);
        let mut special = 0;
        if self.text.as_bytes()[start..].iter().copied().any(is_quoted) {
            let value = self.text[start..].to_owned();
            special = specials(&value);
            quote(&value, &mut self.text);
        }
        self.forms.push(Value {
            start,
            plain,
            quoted: self.text.len(),
            special,
        });
    }

    /// The next token: it has no character that is encoded anywhere.
    pub fn add_token(&mut self, print: impl FnOnce(&mut String)) {
        let start = self.text.len();
        print(&mut self.text);
        let plain = self.text.len();
        self.tokens.push(Value {
            start,
            plain,
            quoted: plain,
            special: 0,
        });
    }

    fn value(&self, origin: Origin) -> Value {
        match origin {
            Origin::Form(index) => self.forms[index],
            Origin::Token(index) => self.tokens[index],
        }
    }

    pub fn plain(&self, origin: Origin) -> &str {
        let value = self.value(origin);
        &self.text[value.start..value.plain]
    }

    fn quoted(&self, origin: Origin) -> &str {
        let value = self.value(origin);
        match value.quoted > value.plain {
            true => &self.text[value.plain..value.quoted],
            false => &self.text[value.start..value.plain],
        }
    }
}

/// Text with values in it.
#[derive(Debug)]
pub(super) struct Line(Vec<Bit>);

#[derive(Debug)]
enum Bit {
    Literal(Forms),
    Value(Origin),
}

impl Line {
    /// `origins`: of what is marked, by number.
    pub fn new(text: &str, marks: &Marks, origins: &[Origin]) -> Option<Line> {
        let bits = marks.slices(text).map(|slice| {
            Some(match slice {
                Slice::Literal(text) => Bit::Literal(Forms::new(text)),
                Slice::Mark(number) => Bit::Value(*origins.get(number)?),
            })
        });
        bits.collect::<Option<Vec<Bit>>>().map(Line)
    }

    pub fn write(&self, values: &Values, out: &mut String) {
        for bit in &self.0 {
            out.push_str(match bit {
                Bit::Literal(forms) => &forms.plain,
                Bit::Value(origin) => values.plain(*origin),
            });
        }
    }

    fn write_quoted(&self, values: &Values, out: &mut String) {
        for bit in &self.0 {
            out.push_str(match bit {
                Bit::Literal(forms) => &forms.quoted,
                Bit::Value(origin) => values.quoted(*origin),
            });
        }
    }
}

/// What a mail program does with a part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Plain,
    Html,
}

/// What the encoding of a part is chosen by.
#[derive(Debug, Default, Clone, Copy)]
struct Measure {
    bytes: usize,
    /// See [`Forms`]; line breaks are some.
    special: usize,
    breaks: usize,
    has_long_line: bool,
}

impl Measure {
    fn add_line(&mut self, bytes: usize, special: usize, is_first: bool, has_break: bool) {
        // A line break belongs to the line after it (email-encoding's `line_too_long`).
        self.has_long_line |= bytes + usize::from(!is_first) >= MAX_LINE;
        let breaks = usize::from(has_break);
        self.bytes += bytes + breaks;
        self.special += special + breaks;
        self.breaks += breaks;
    }

    fn add(&mut self, other: &Measure) {
        self.bytes += other.bytes;
        self.special += other.special;
        self.breaks += other.breaks;
        self.has_long_line |= other.has_long_line;
    }

    /// `None` = base64.
    fn is_quoted(&self) -> Option<bool> {
        // Control characters are in no template that gets here, so that others than line breaks are other than ASCII.
        if self.special == self.breaks && !self.has_long_line {
            return Some(false);
        }
        (self.special <= self.bytes / 3).then_some(true)
    }
}

#[derive(Debug)]
enum Row {
    /// Whole lines, with CRLF, in both encodings.
    Fixed {
        plain: String,
        quoted: Vec<u8>,
        measure: Measure,
    },
    Line {
        line: Line,
        has_break: bool,
    },
    Paragraph(layout::Paragraph),
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Body {
    kind: Kind,
    rows: Vec<Row>,
}

/// Makes a [`Body`], line by line.
pub(super) struct Builder<'a> {
    marks: &'a Marks,
    origins: &'a [Origin],
    body: Body,
    is_first: bool,
}

impl<'a> Builder<'a> {
    pub fn new(kind: Kind, marks: &'a Marks, origins: &'a [Origin]) -> Builder<'a> {
        Builder {
            marks,
            origins,
            body: Body {
                kind,
                rows: Vec::new(),
            },
            is_first: true,
        }
    }

    /// Lines of text; the last has a break if the text has one. `None` = they have control characters.
    pub fn text(&mut self, text: &str) -> Option<()> {
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let has_break = lines.peek().is_some();
            // What is behind the last break is no line.
            if has_break || !line.is_empty() {
                self.line(line, has_break)?;
            }
        }
        Some(())
    }

    fn line(&mut self, text: &str, has_break: bool) -> Option<()> {
        if text
            .bytes()
            .any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
        {
            return None;
        }
        let is_first = std::mem::take(&mut self.is_first);
        if self.marks.is_in(text) {
            let line = Line::new(text, self.marks, self.origins)?;
            self.body.rows.push(Row::Line { line, has_break });
            return Some(());
        }
        let mut encoded = Forms::new(text);
        if !matches!(self.body.rows.last(), Some(Row::Fixed { .. })) {
            self.body.rows.push(Row::Fixed {
                plain: String::new(),
                quoted: Vec::new(),
                measure: Measure::default(),
            });
        }
        if let Some(Row::Fixed {
            plain,
            quoted,
            measure,
        }) = self.body.rows.last_mut()
        {
            measure.add_line(text.len(), encoded.special, is_first, has_break);
            plain.push_str(text);
            set_soft_breaks(&mut encoded.quoted, quoted);
            if has_break {
                plain.push_str("\r\n");
                quoted.extend_from_slice(b"\r\n");
            }
        }
        Some(())
    }

    pub fn paragraph(&mut self, paragraph: &layout::Found) -> Option<()> {
        self.is_first = false;
        let line = Line::new(&paragraph.content, self.marks, self.origins)?;
        self.body.rows.push(Row::Paragraph(layout::Paragraph {
            first: paragraph.first.clone(),
            rest: paragraph.rest.clone(),
            line,
        }));
        Some(())
    }

    pub fn end(self) -> Body {
        self.body
    }
}

/// Room for what is made on the way, so that it is allocated once.
pub(super) struct Scratch {
    line: String,
    /// Lines of all paragraphs, each with its break.
    wrapped: String,
    /// Where each paragraph ends there.
    ends: Vec<usize>,
}

impl Scratch {
    pub fn new() -> Scratch {
        Scratch {
            line: String::with_capacity(1024),
            wrapped: String::with_capacity(1024),
            ends: Vec::with_capacity(8),
        }
    }
}

impl Body {
    /// Bytes of the literal text on the wire, at most.
    pub fn size(&self) -> usize {
        let size = |bits: &Line| -> usize {
            let bits = bits.0.iter().map(|bit| match bit {
                Bit::Literal(forms) => forms.quoted.len() * 79 / 75,
                Bit::Value(_) => 64,
            });
            bits.sum()
        };
        let sizes = self.rows.iter().map(|row| match row {
            Row::Fixed { quoted, .. } => quoted.len(),
            Row::Line { line, .. } => size(line) + 5,
            Row::Paragraph(paragraph) => size(&paragraph.line) + 16,
        });
        sizes.sum()
    }

    /// Appends the part, its fields first. `None` = lettre would encode it otherwise, or a paragraph cannot be wrapped here.
    pub fn write(&self, values: &Values, scratch: &mut Scratch, out: &mut Vec<u8>) -> Option<()> {
        scratch.wrapped.clear();
        scratch.ends.clear();
        let is_quoted = self.measure(values, scratch)?.is_quoted()?;
        out.extend_from_slice(match self.kind {
            Kind::Plain => b"Content-Type: text/plain; charset=utf-8\r\n",
            Kind::Html => b"Content-Type: text/html; charset=utf-8\r\n".as_slice(),
        });
        out.extend_from_slice(match is_quoted {
            true => b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
            false => b"Content-Transfer-Encoding: 7bit\r\n\r\n".as_slice(),
        });
        let mut wrapped = 0;
        let mut ends = scratch.ends.iter();
        for row in &self.rows {
            match row {
                Row::Fixed { plain, quoted, .. } => {
                    out.extend_from_slice(match is_quoted {
                        true => quoted,
                        false => plain.as_bytes(),
                    });
                }
                Row::Line { line, has_break } => {
                    scratch.line.clear();
                    if is_quoted {
                        line.write_quoted(values, &mut scratch.line);
                        set_soft_breaks(&mut scratch.line, out);
                    } else {
                        line.write(values, &mut scratch.line);
                        out.extend_from_slice(scratch.line.as_bytes());
                    }
                    if *has_break {
                        out.extend_from_slice(b"\r\n");
                    }
                }
                Row::Paragraph(_) => {
                    let end = *ends.next()?;
                    for line in scratch.wrapped[wrapped..end].lines() {
                        if is_quoted {
                            scratch.line.clear();
                            quote(line, &mut scratch.line);
                            set_soft_breaks(&mut scratch.line, out);
                        } else {
                            out.extend_from_slice(line.as_bytes());
                        }
                        out.extend_from_slice(b"\r\n");
                    }
                    wrapped = end;
                }
            }
        }
        out.extend_from_slice(b"\r\n");
        Some(())
    }

    fn measure(&self, values: &Values, scratch: &mut Scratch) -> Option<Measure> {
        let mut measure = Measure::default();
        for (n, row) in self.rows.iter().enumerate() {
            match row {
                Row::Fixed { measure: fixed, .. } => measure.add(fixed),
                Row::Line { line, has_break } => {
                    let (mut bytes, mut special) = (0, 0);
                    for bit in &line.0 {
                        let (more_bytes, more_special) = match bit {
                            Bit::Literal(forms) => (forms.plain.len(), forms.special),
                            Bit::Value(origin) => {
                                let value = values.value(*origin);
                                (value.plain - value.start, value.special)
                            }
                        };
                        bytes += more_bytes;
                        special += more_special;
                    }
                    measure.add_line(bytes, special, n == 0, *has_break);
                }
                Row::Paragraph(paragraph) => {
                    scratch.line.clear();
                    paragraph.line.write(values, &mut scratch.line);
                    let start = scratch.wrapped.len();
                    layout::wrap(
                        &scratch.line,
                        &paragraph.first,
                        &paragraph.rest,
                        &mut scratch.wrapped,
                    )?;
                    let mut is_first = n == 0;
                    for line in scratch.wrapped[start..].lines() {
                        measure.add_line(line.len(), specials(line), is_first, true);
                        is_first = false;
                    }
                    scratch.ends.push(scratch.wrapped.len());
                }
            }
        }
        Some(measure)
    }
}
