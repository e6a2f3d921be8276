//! The text part that is made of the HTML, with its values left open.
//!
//! What html2text does with a text is decided by the elements around it, but for where its lines break: words are put into a line as
//! long as they fit. So a paragraph with values is kept in one piece, and wrapped for each mail.
//!
//! Which lines are a paragraph, and what they begin with, is found by converting the HTML with several values: what is found must
//! give the very lines that html2text gives, for all of them.

use unicode_width::UnicodeWidthChar;

use super::body::Line;
use super::marks::Marks;
use crate::text::{WIDTH, from_html_at};

/// So wide that nothing is wrapped.
const UNWRAPPED: usize = 1 << 20;

/// A paragraph with values.
#[derive(Debug)]
pub(super) struct Paragraph {
    /// What its first line begins with (`* `), and what the others begin with. Both are of the same width.
    pub first: String,
    pub rest: String,
    pub line: Line,
}

/// A paragraph whose values are marked.
#[derive(Debug)]
pub(super) struct Found {
    pub first: String,
    pub rest: String,
    pub content: String,
}

/// Lines of the text part.
#[derive(Debug)]
pub(super) enum Lines {
    /// Each with its break; values that are marked do not move them.
    AsTheyAre(String),
    Paragraph(Found),
}

/// HTML with marks, and what it becomes with values.
pub(super) struct Example {
    pub html: String,
    /// The values as they stand in the text part, by mark.
    pub values: Vec<String>,
}

/// `None` = it cannot be said how the values are laid out.
pub(super) fn lines(html: &str, marks: &Marks, examples: &[Example]) -> Option<Vec<Lines>> {
    let unwrapped = from_html_at(html, UNWRAPPED).ok()?;
    let wrapped: Vec<String> = (examples.iter())
        .map(|example| from_html_at(&example.html, WIDTH).ok())
        .collect::<Option<_>>()?;
    let groups: Vec<Vec<&str>> = groups(&unwrapped);
    let examples: Vec<(Vec<Vec<&str>>, &[String])> = (wrapped.iter().zip(examples))
        .map(|(text, example)| (self::groups(text), &*example.values))
        .collect();
    if (examples.iter()).any(|(wrapped, _)| wrapped.len() != groups.len()) {
        return None;
    }
    let mut lines = Vec::new();
    for (n, group) in groups.iter().enumerate() {
        if n > 0 {
            lines.push(Lines::AsTheyAre("\n".to_owned()));
        }
        let mut rests: Vec<(&[&str], &[String])> = (examples.iter())
            .map(|(wrapped, values)| (&*wrapped[n], *values))
            .collect();
        if !group.iter().any(|line| marks.is_in(line)) {
            let (first, _) = rests.first()?;
            if rests.iter().any(|(other, _)| other != first) {
                return None;
            }
            lines.extend(first.iter().map(|line| as_it_is(line)));
            continue;
        }
        for line in group {
            lines.push(found(line, marks, &mut rests)?);
        }
        if rests.iter().any(|(rest, _)| !rest.is_empty()) {
            return None;
        }
    }
    Some(lines)
}

fn as_it_is(line: &str) -> Lines {
    Lines::AsTheyAre(format!("{line}\n"))
}

/// Lines between empty ones: nothing that is wrapped makes an empty line.
fn groups(text: &str) -> Vec<Vec<&str>> {
    let mut groups = vec![Vec::new()];
    for line in text.lines() {
        match (line, groups.last_mut()) {
            ("", _) | (_, None) => groups.push(Vec::new()),
            (_, Some(group)) => group.push(line),
        }
    }
    groups
}

/// What the next lines of all examples are, if one line was wrapped in the same way in all. They are taken away.
fn found(line: &str, marks: &Marks, rests: &mut [(&[&str], &[String])]) -> Option<Lines> {
    let filled = |values: &[String]| {
        marks.filled(line, |mark, out| {
            out.push_str(values.get(mark).map_or("", String::as_str));
        })
    };
    // A line of the list of links, which are not wrapped; or a short one without values.
    if rests
        .iter()
        .all(|(rest, values)| rest.first() == Some(&filled(values).trim_end()))
    {
        for (rest, _) in rests {
            *rest = &rest[1..];
        }
        return Some(as_it_is(line));
    }
    beginnings(line)
        .into_iter()
        .find_map(|(length, rest_begins)| {
            let (first, content) = line.split_at(length);
            let mut taken = Vec::with_capacity(rests.len());
            for (rest, values) in rests.iter() {
                let mut wrapped = String::new();
                let (_, content) = (filled(values))
                    .split_at_checked(length)
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
                wrap(&content, first, &rest_begins, &mut wrapped)?;
                let wrapped: Vec<&str> = wrapped.lines().collect();
                if !rest.starts_with(&wrapped) {
                    return None;
                }
                taken.push(wrapped.len());
            }
            let lines = match marks.is_in(line) {
                true => Lines::Paragraph(Found {
                    first: first.to_owned(),
                    rest: rest_begins,
                    content: content.to_owned(),
                }),
                false => {
                    let (rest, _) = rests.first()?;
                    let mut lines = rest[..*taken.first()?].join("\n");
                    lines.push('\n');
                    Lines::AsTheyAre(lines)
                }
            };
            for ((rest, _), taken) in rests.iter_mut().zip(taken) {
                *rest = &rest[taken..];
            }
            Some(lines)
        })
}

/// How the lines of a paragraph may begin, by what its first line begins with: the signs of items stand in that only, those of
/// headings and quotations in all.
fn beginnings(line: &str) -> Vec<(usize, String)> {
    let mut found = vec![(0, String::new())];
    let (mut length, mut rest) = (0, String::new());
    for word in line.split_inclusive(' ') {
        let sign = word.trim_end();
        let is_number = |sign: &str| {
            sign.strip_suffix('.')
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        if sign.is_empty() || sign == "*" || is_number(sign) {
            rest.push_str(&" ".repeat(word.len()));
        } else if sign == ">" || sign.bytes().all(|byte| byte == b'#') {
            rest.push_str(word);
        } else {
            break;
        }
        length += word.len();
        found.push((length, rest.clone()));
    }
    found
}

/// Appends the lines of a paragraph, each with its break. `None` = a word is longer than a line, there is none, or the width of a
/// character may depend on others.
pub(super) fn wrap(content: &str, first: &str, rest: &str, out: &mut String) -> Option<()> {
    let width = WIDTH.checked_sub(rest.len())?;
    let start = out.len();
    let mut column = 0;
    for word in content.split(' ').filter(|word| !word.is_empty()) {
        let columns = columns(word)?;
        if columns > width {
            return None;
        }
        if out.len() == start {
            out.push_str(first);
        } else if column + 1 + columns > width {
            out.push('\n');
            out.push_str(rest);
            column = 0;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += columns;
    }
    if out.len() == start {
        return None;
    }
    out.push('\n');
    Some(())
}

fn columns(word: &str) -> Option<usize> {
    let bytes = word.as_bytes();
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Some(bytes.len());
    }
    word.chars().map(character_columns).sum()
}

/// Of characters that are as wide in a text as alone: not those that join, combine or change others.
fn character_columns(character: char) -> Option<usize> {
    match character {
        ' '..='~' => Some(1),
        // Latin, Greek, Cyrillic.
        '\u{a1}'..='\u{ac}'
        | '\u{ae}'..='\u{24f}'
        | '\u{370}'..='\u{482}'
        | '\u{48a}'..='\u{52f}'
        | '\u{1e00}'..='\u{1fff}'
        // Punctuation, currencies, arrows, signs.
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}'
        | '\u{20a0}'..='\u{20bf}'
        | '\u{2190}'..='\u{27bf}'
        // Kana, Han, Hangul.
        | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        // Emoji without the tones of skin.
        | '\u{1f300}'..='\u{1f3fa}'
        | '\u{1f400}'..='\u{1f64f}' => character.width().filter(|&width| width > 0),
        _ => None,
    }
}
