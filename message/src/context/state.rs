//! Where an HTML tokenizer may be (WHATWG HTML 13.2.5), as far as the place of a value depends on it.
//!
//! Programs differ: where they do, and where a value decides, a state has more than one successor.

use super::{Ground, Place};

/// Elements whose content is no markup, first those that are markup to some programs (scripting off, old ones).
const RAW: [&str; 10] = [
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
    "xmp",
    "script",
    "style",
    "textarea",
    "title",
];
const DISPUTED: usize = 6;

/// Attributes whose value is a URL (WHATWG HTML, index of attributes; `background` and `xlink:href` of older mail).
const URL_ATTRIBUTES: [&str; 14] = [
    "action",
    "background",
    "cite",
    "data",
    "formaction",
    "href",
    "longdesc",
    "manifest",
    "ping",
    "poster",
    "src",
    "srcset",
    "usemap",
    "xlink:href",
];

/// No name that matters is longer.
const MAX_NAME: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Text(Word),
    TagOpen,
    EndTagOpen,
    TagName {
        is_end: bool,
        name: Name,
    },
    Tag(Content),
    AttributeName(Content, Name),
    AfterName(Content, Name),
    BeforeValue(Content, Kind),
    Value(Content, Quote, Kind),
    /// After `<!` and so many hyphens.
    Declaration(u8),
    Comment {
        end: CommentEnd,
        /// How much of Outlook's `[if …]>` has been read.
        condition: Condition,
    },
    BogusComment,
    /// How much of `[CDATA[` has been read.
    CdataOpen(usize),
    /// How many brackets have been read.
    Cdata(u8),
    Raw {
        element: usize,
        /// How much of its end tag has been read.
        end: usize,
        css: Css,
        script: ScriptComment,
    },
}

/// Index in RAW of the element whose start tag is read.
type Content = Option<usize>;
type Quote = Option<u8>;

/// What has been read of a word of a text that may become part of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Plain,
    Query,
}

/// The name of an element or attribute; of a name that a value makes, what stands before the value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    text: String,
    is_open: bool,
}

/// What the value of an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    Url(Url),
    Style(Css),
    Event,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Url {
    /// So much of `javascript:` has been read.
    Start(usize),
    Path,
    Query,
    Script,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Css {
    /// So much of `url(` has been read.
    Plain(usize),
    UrlStart,
    /// A character reference, which stands for a quote.
    UrlReference,
    UrlPath,
    UrlQuery,
    /// A URL without `url(`.
    StringQuery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CommentEnd {
    Start,
    StartHyphen,
    None,
    Hyphen,
    Hyphens,
    Bang,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    None,
    Open(usize),
    Inside,
    Bracket,
}

/// Inside `<!-- … -->` of a script, `</script>` may not end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ScriptComment {
    Open(usize),
    Inside(usize),
}

/// What the steps depend on besides the state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// In a macro or a block that is set: what is printed elsewhere.
    pub is_captured: bool,
    /// The document has SVG or MathML, in which other rules hold.
    pub has_foreign: bool,
}

/// A place where no encoding is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InScript;

impl State {
    pub fn text() -> State {
        State::Text(Word::Plain)
    }

    pub fn is_text(&self) -> bool {
        matches!(self, State::Text(_))
    }

    /// Adds the states after one more byte of the source.
    pub fn feed(self, byte: u8, mode: Mode, next: &mut Vec<State>) {
        match self {
            State::Text(_) if byte == b'<' => next.push(State::TagOpen),
            State::Text(word) => next.push(State::Text(match byte {
                _ if !mode.is_captured || is_blank(byte) || byte == b'>' => Word::Plain,
                b'?' => Word::Query,
                _ => word,
            })),
            State::TagOpen => match byte {
                b'/' => next.push(State::EndTagOpen),
                b'!' => next.push(State::Declaration(0)),
                b'?' => next.push(State::BogusComment),
                _ if byte.is_ascii_alphabetic() => next.push(State::TagName {
                    is_end: false,
                    name: Name::new(byte),
                }),
                _ => State::text().feed(byte, mode, next),
            },
            State::EndTagOpen if byte.is_ascii_alphabetic() => next.push(State::TagName {
                is_end: true,
                name: Name::new(byte),
            }),
            State::EndTagOpen => State::BogusComment.feed(byte, mode, next),
            State::TagName { is_end, name } if is_blank(byte) || b"/>".contains(&byte) => {
                for content in contents(is_end, &name, mode) {
                    State::Tag(content).feed(byte, mode, next);
                }
            }
            State::TagName { is_end, mut name } => {
                name.push(byte);
                next.push(State::TagName { is_end, name });
            }
            State::Tag(content) => next.push(match byte {
                b'/' => State::Tag(content),
                b'>' => after_tag(content),
                _ if is_blank(byte) => State::Tag(content),
                _ => State::AttributeName(content, Name::new(byte)),
            }),
            State::AttributeName(content, mut name) => next.push(match byte {
                b'/' => State::Tag(content),
                b'>' => after_tag(content),
                b'=' => State::BeforeValue(content, Kind::of(&name)),
                _ if is_blank(byte) => State::AfterName(content, name),
                _ => {
                    name.push(byte);
                    State::AttributeName(content, name)
                }
            }),
            State::AfterName(content, name) => match byte {
                b'=' => next.push(State::BeforeValue(content, Kind::of(&name))),
                _ if is_blank(byte) => next.push(State::AfterName(content, name)),
                _ => State::Tag(content).feed(byte, mode, next),
            },
            State::BeforeValue(content, kind) => match byte {
                b'"' | b'\'' => next.push(State::Value(content, Some(byte), kind)),
                b'>' => next.push(after_tag(content)),
                _ if is_blank(byte) => next.push(State::BeforeValue(content, kind)),
                _ => State::Value(content, None, kind).feed(byte, mode, next),
            },
            State::Value(content, quote, kind) => next.push(match quote {
                Some(quote) if byte == quote => State::Tag(content),
                None if is_blank(byte) => State::Tag(content),
                None if byte == b'>' => after_tag(content),
                _ => State::Value(content, quote, kind.step(byte)),
            }),
            State::Declaration(hyphens) => match (hyphens, byte) {
                (0, b'-') => next.push(State::Declaration(1)),
                (1, b'-') => next.push(State::Comment {
                    end: CommentEnd::Start,
                    condition: Condition::Open(0),
                }),
                (0, b'[') if mode.has_foreign => {
                    next.push(State::BogusComment);
                    next.push(State::CdataOpen(1));
                }
                _ => State::BogusComment.feed(byte, mode, next),
            },
            State::Comment { end, condition } => comment(end, condition, byte, next),
            State::BogusComment if byte == b'>' => next.push(State::text()),
            State::BogusComment => next.push(State::BogusComment),
            State::CdataOpen(read) => {
                let open = b"[CDATA[";
                if open.get(read) == Some(&byte) {
                    next.push(if read + 1 == open.len() {
                        State::Cdata(0)
                    } else {
                        State::CdataOpen(read + 1)
                    });
                }
            }
            State::Cdata(brackets) => next.push(match byte {
                b']' => State::Cdata((brackets + 1).min(2)),
                b'>' if brackets == 2 => State::text(),
                _ => State::Cdata(0),
            }),
            State::Raw {
                element,
                end,
                css,
                script,
            } => {
                let name = RAW[element];
                if end == name.len() + 2 && (is_blank(byte) || b"/>".contains(&byte)) {
                    State::Tag(None).feed(byte, mode, next);
                    if name != "script" || matches!(script, ScriptComment::Open(_)) {
                        return;
                    }
                }
                let wanted = match end {
                    0 => Some(b'<'),
                    1 => Some(b'/'),
                    _ => name.as_bytes().get(end - 2).copied(),
                };
                let end = if wanted == Some(byte.to_ascii_lowercase()) && name != "plaintext" {
                    end + 1
                } else {
                    usize::from(byte == b'<')
                };
                next.push(State::Raw {
                    element,
                    end,
                    css: css.step(byte),
                    script: script.step(byte),
                });
            }
        }
    }

    /// Adds the states after a value that is encoded for this place: it may be empty, it may end a name, and the markup
    /// of a macro may end a comment.
    pub fn print(self, next: &mut Vec<State>) {
        match self {
            State::TagOpen => next.extend([
                State::TagOpen,
                State::text(),
                State::TagName {
                    is_end: false,
                    name: Name::open(),
                },
            ]),
            State::EndTagOpen => next.extend([
                State::EndTagOpen,
                State::BogusComment,
                State::TagName {
                    is_end: true,
                    name: Name::open(),
                },
            ]),
            State::TagName { is_end, mut name } => {
                name.is_open = true;
                next.push(State::TagName { is_end, name });
            }
            State::AttributeName(content, mut name) => {
                name.is_open = true;
                next.push(State::AttributeName(content, name));
            }
            State::Tag(content) | State::AfterName(content, _) => {
                next.push(State::AttributeName(content, Name::open()));
                next.push(self);
            }
            State::BeforeValue(content, kind) => {
                next.push(State::Value(content, None, kind.print()));
                next.push(State::Value(content, None, kind));
                next.push(self);
            }
            State::Value(content, quote, kind) => {
                next.push(State::Value(content, quote, kind.print()));
                next.push(self);
            }
            State::Declaration(_) => next.extend([
                State::Declaration(0),
                State::Declaration(1),
                State::BogusComment,
                State::Comment {
                    end: CommentEnd::Start,
                    condition: Condition::None,
                },
                State::Comment {
                    end: CommentEnd::StartHyphen,
                    condition: Condition::None,
                },
                State::Comment {
                    end: CommentEnd::Hyphens,
                    condition: Condition::None,
                },
                State::Comment {
                    end: CommentEnd::None,
                    condition: Condition::None,
                },
            ]),
            State::Comment { end, condition } => {
                let ends = [
                    end,
                    CommentEnd::StartHyphen,
                    CommentEnd::None,
                    CommentEnd::Hyphen,
                    CommentEnd::Hyphens,
                    CommentEnd::Bang,
                ];
                let conditions = match condition {
                    Condition::None => vec![condition],
                    _ => vec![
                        condition,
                        Condition::None,
                        Condition::Inside,
                        Condition::Bracket,
                    ],
                };
                next.push(State::text());
                for condition in conditions {
                    next.extend(ends.map(|end| State::Comment { end, condition }));
                }
            }
            State::CdataOpen(_) => next.extend([self, State::Cdata(0)]),
            State::Cdata(_) => next.extend([State::Cdata(0), State::Cdata(1), State::Cdata(2)]),
            State::Raw {
                element,
                end,
                css,
                script,
            } => {
                if element < DISPUTED {
                    next.push(State::text());
                }
                // What is left of its name may be a value.
                let ends = match end {
                    0 => 0..=0,
                    1 => 0..=1,
                    _ => 0..=RAW[element].len() + 2,
                };
                for end in ends {
                    next.push(State::Raw {
                        element,
                        end,
                        css: css.print(),
                        script,
                    });
                }
            }
            State::Text(_) | State::BogusComment => next.push(self),
        }
    }

    /// The place of a value that is printed in this state.
    pub fn place(&self) -> Result<Place, InScript> {
        Ok(match self {
            State::Text(Word::Plain) => Place::Text,
            State::Text(Word::Query) => Place::Query,
            State::TagOpen | State::EndTagOpen | State::Declaration(_) | State::CdataOpen(_) => {
                Place::Doubtful
            }
            State::TagName { .. }
            | State::Tag(_)
            | State::AttributeName(..)
            | State::AfterName(..) => Place::Name,
            State::BeforeValue(_, kind) => kind.place(Ground::Bare)?,
            State::Value(_, Some(_), kind) => kind.place(Ground::Quoted)?,
            State::Value(_, None, kind) => kind.place(Ground::Bare)?,
            // To some programs these are text, which may be the markup of a macro.
            State::Comment { .. } => Place::Text,
            State::BogusComment | State::Cdata(_) => Place::Quoted,
            State::Raw { element, .. } if RAW[*element] == "script" => return Err(InScript),
            State::Raw { end: 1.., .. } => Place::Doubtful,
            State::Raw { element, .. } if *element < DISPUTED => Place::Text,
            State::Raw { element, css, .. } if RAW[*element] == "style" => css.place(Ground::Raw),
            State::Raw { .. } => Place::Quoted,
        })
    }
}

impl Name {
    fn new(byte: u8) -> Name {
        let mut name = Name::default();
        name.push(byte);
        name
    }

    fn open() -> Name {
        Name {
            is_open: true,
            ..Name::default()
        }
    }

    fn push(&mut self, byte: u8) {
        if !self.is_open && self.text.len() <= MAX_NAME {
            // Other than ASCII characters are in no name that matters.
            let byte = if byte.is_ascii() { byte } else { b'?' };
            self.text.push(char::from(byte.to_ascii_lowercase()));
        }
    }

    fn can_be(&self, name: &str) -> bool {
        if self.is_open {
            name.starts_with(&self.text)
        } else {
            name == self.text
        }
    }
}

impl Kind {
    fn of(name: &Name) -> Kind {
        let is_url = || URL_ATTRIBUTES.iter().any(|url| name.can_be(url));
        if name.text.starts_with("on") {
            Kind::Event
        } else if !name.is_open {
            match name.text.as_str() {
                "style" => Kind::Style(Css::Plain(0)),
                _ if is_url() => Kind::Url(Url::Start(0)),
                _ => Kind::Plain,
            }
        } else if name.can_be("on") || name.can_be("style") || is_url() {
            Kind::Unknown
        } else {
            Kind::Plain
        }
    }

    fn step(self, byte: u8) -> Kind {
        match self {
            Kind::Url(url) => Kind::Url(url.step(byte)),
            Kind::Style(css) => Kind::Style(css.step(byte)),
            Kind::Plain | Kind::Event | Kind::Unknown => self,
        }
    }

    fn print(self) -> Kind {
        match self {
            Kind::Url(Url::Start(_)) => Kind::Url(Url::Path),
            Kind::Style(css) => Kind::Style(css.print()),
            Kind::Url(_) | Kind::Plain | Kind::Event | Kind::Unknown => self,
        }
    }

    fn place(self, ground: Ground) -> Result<Place, InScript> {
        Ok(match (self, ground) {
            (Kind::Plain | Kind::Url(Url::Start(0)), Ground::Bare) => Place::Unquoted,
            (Kind::Plain | Kind::Url(Url::Start(0)), _) => Place::Quoted,
            (Kind::Url(Url::Start(_) | Url::Path), _) => Place::Path,
            (Kind::Url(Url::Query), _) => Place::Query,
            (Kind::Url(Url::Script) | Kind::Event, _) => return Err(InScript),
            (Kind::Style(css), ground) => css.place(ground),
            (Kind::Unknown, _) => Place::Doubtful,
        })
    }
}

impl Url {
    fn step(self, byte: u8) -> Url {
        let script = b"javascript:";
        match self {
            Url::Start(0) if byte <= b' ' => self,
            // A reference may stand for a question mark, and percent-encoding is right in a path too.
            Url::Start(_) | Url::Path if b"?&".contains(&byte) => Url::Query,
            Url::Start(read) if script.get(read) == Some(&byte.to_ascii_lowercase()) => {
                if read + 1 == script.len() {
                    Url::Script
                } else {
                    Url::Start(read + 1)
                }
            }
            Url::Start(_) => Url::Path,
            Url::Path | Url::Query | Url::Script => self,
        }
    }
}

impl Css {
    fn step(self, byte: u8) -> Css {
        let quotes = b"\"'";
        match self {
            Css::Plain(_) if byte == b'?' => Css::StringQuery,
            Css::Plain(3) if byte == b'(' => Css::UrlStart,
            Css::Plain(read) if b"url("[read] == byte.to_ascii_lowercase() => Css::Plain(read + 1),
            Css::Plain(_) => Css::Plain(usize::from(byte.eq_ignore_ascii_case(&b'u'))),
            Css::StringQuery if is_blank(byte) || b"\"');".contains(&byte) => Css::Plain(0),
            Css::UrlStart | Css::UrlPath | Css::UrlQuery if byte == b')' => Css::Plain(0),
            Css::UrlStart if is_blank(byte) || quotes.contains(&byte) => self,
            Css::UrlStart if byte == b'&' => Css::UrlReference,
            Css::UrlReference if byte == b';' => Css::UrlStart,
            Css::UrlStart | Css::UrlPath if b"?&".contains(&byte) => Css::UrlQuery,
            Css::UrlStart => Css::UrlPath,
            Css::UrlReference | Css::UrlPath | Css::UrlQuery | Css::StringQuery => self,
        }
    }

    fn print(self) -> Css {
        match self {
            Css::Plain(_) => Css::Plain(0),
            Css::UrlStart | Css::UrlReference => Css::UrlPath,
            Css::UrlPath | Css::UrlQuery | Css::StringQuery => self,
        }
    }

    fn place(self, ground: Ground) -> Place {
        match self {
            Css::Plain(_) => Place::Css(ground),
            Css::UrlStart => Place::CssUrl(ground),
            Css::UrlPath => Place::Path,
            Css::UrlReference | Css::UrlQuery | Css::StringQuery => Place::Query,
        }
    }
}

impl ScriptComment {
    fn step(self, byte: u8) -> ScriptComment {
        let open = b"<!--";
        match self {
            ScriptComment::Open(read) if open[read] == byte => {
                if read + 1 == open.len() {
                    ScriptComment::Inside(2)
                } else {
                    ScriptComment::Open(read + 1)
                }
            }
            ScriptComment::Open(_) => ScriptComment::Open(usize::from(byte == b'<')),
            ScriptComment::Inside(2) if byte == b'>' => ScriptComment::Open(0),
            ScriptComment::Inside(hyphens) if byte == b'-' => {
                ScriptComment::Inside((hyphens + 1).min(2))
            }
            ScriptComment::Inside(_) => ScriptComment::Inside(0),
        }
    }
}

fn comment(end: CommentEnd, condition: Condition, byte: u8, next: &mut Vec<State>) {
    let end = match (end, byte) {
        (CommentEnd::None | CommentEnd::Hyphen, b'>') => CommentEnd::None,
        (_, b'>') => return next.push(State::text()),
        (CommentEnd::Start, b'-') => CommentEnd::StartHyphen,
        (CommentEnd::None | CommentEnd::Bang, b'-') => CommentEnd::Hyphen,
        (_, b'-') => CommentEnd::Hyphens,
        (CommentEnd::Hyphens, b'!') => CommentEnd::Bang,
        _ => CommentEnd::None,
    };
    let open = b"[if";
    let condition = match condition {
        Condition::Open(read) if open[read] == byte.to_ascii_lowercase() => {
            if read + 1 == open.len() {
                Condition::Inside
            } else {
                Condition::Open(read + 1)
            }
        }
        Condition::Inside | Condition::Bracket if byte == b']' => Condition::Bracket,
        Condition::Bracket if byte == b'>' => {
            // Outlook reads what follows.
            next.push(State::text());
            Condition::None
        }
        Condition::Inside | Condition::Bracket => Condition::Inside,
        Condition::None | Condition::Open(_) => Condition::None,
    };
    next.push(State::Comment { end, condition });
}

/// What may follow a start tag.
fn contents(is_end: bool, name: &Name, mode: Mode) -> Vec<Content> {
    if is_end {
        return vec![None];
    }
    let raw = (0..RAW.len()).filter(|raw| name.can_be(RAW[*raw]));
    let mut contents: Vec<Content> = raw.map(Some).collect();
    let is_disputed = |content: &Content| content.is_some_and(|raw| raw < DISPUTED);
    if name.is_open || mode.has_foreign || contents.iter().all(is_disputed) {
        contents.push(None);
    }
    contents
}

fn after_tag(content: Content) -> State {
    match content {
        None => State::text(),
        Some(element) => State::Raw {
            element,
            end: 0,
            css: Css::Plain(0),
            script: ScriptComment::Open(0),
        },
    }
}

fn is_blank(byte: u8) -> bool {
    b" \t\n\r\x0C".contains(&byte)
}
