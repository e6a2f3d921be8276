//! How large a template may be. The engine's parser, and what it makes of a template, need stack for each link of a chain of
//! operators or branches, and time that grows with its square; fuel bounds the run only. So templates are measured by the
//! tokenizer, which needs neither, before anything else reads them.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

use crate::tags::position;
use crate::template::{Part, TemplateError};

/// Mail programs cut a message off long before: Gmail shows 102 kB.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// In one `{{ … }}` or `{% … %}`.
const MAX_TOKENS: usize = 100;

/// `elif` of all ifs that are open: each is a level of what is made of it.
const MAX_BRANCHES: usize = 50;

/// Brackets in each other.
const MAX_BRACKETS: usize = 20;

/// Blocks in each other.
const MAX_DEPTH: usize = 20;

/// # Errors
/// The first thing that is too much.
pub(crate) fn check(part: Part, source: &str) -> Result<(), TemplateError> {
    let refuse = |offset: usize, message: String, hint: &str| {
        let (line, column) = position(source, offset);
        Err(TemplateError {
            part,
            line,
            column,
            message,
            hint: Some(hint.to_owned()),
        })
    };
    if source.len() > MAX_BYTES {
        return refuse(
            0,
            format!("more than {} kB", MAX_BYTES / 1024),
            "Mail programs cut off what is longer than about 100 kB: put the rest on a web page.",
        );
    }
    let mut tag_start = 0;
    let (mut tokens, mut brackets) = (0, 0usize);
    // Name and branches of each open block.
    let mut blocks: Vec<(&str, usize)> = Vec::new();
    let mut is_first = false;
    let mut is_set = false;
    // An error of the tokenizer is for the parser to tell, which reads no further either.
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        let offset = span.start_offset as usize;
        if matches!(token, Token::VariableStart | Token::BlockStart) {
            (tag_start, tokens, brackets, is_set) = (offset, 0, 0, false);
            is_first = matches!(token, Token::BlockStart);
            continue;
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            return refuse(
                tag_start,
                format!("a tag of more than {MAX_TOKENS} words and signs"),
                "Make it several tags, or let the segment's query compute the value.",
            );
        }
        let was_first = std::mem::take(&mut is_first);
        match token {
            Token::Ident(name) if was_first => match name {
                "autoescape" | "call" | "filter" | "for" | "if" | "macro" | "set" | "with" => {
                    blocks.push((name, 0));
                    is_set = name == "set";
                }
                "elif" => {
                    if let Some((_, branches)) = blocks.last_mut() {
                        *branches += 1;
                    }
                }
                name => {
                    let ended = name.strip_prefix("end");
                    blocks.pop_if(|(open, _)| Some(*open) == ended);
                }
            },
            // It is one only without a value; what a filter is told is none.
            Token::Assign if std::mem::take(&mut is_set) => drop(blocks.pop()),
            Token::Pipe => is_set = false,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                brackets = brackets.saturating_sub(1);
            }
            _ => {}
        }
        if brackets > MAX_BRACKETS {
            return refuse(
                tag_start,
                format!("more than {MAX_BRACKETS} brackets in each other"),
                "Make it several tags, or let the segment's query compute the value.",
            );
        }
        let branches: usize = blocks.iter().map(|(_, branches)| branches).sum();
        if branches > MAX_BRANCHES {
            return refuse(
                tag_start,
                format!("more than {MAX_BRANCHES} elif in one if, and the ifs around it"),
                "Let the segment's query compute the value.",
            );
        }
        if blocks.len() > MAX_DEPTH {
            return refuse(
                tag_start,
                format!("more than {MAX_DEPTH} blocks in each other"),
                "Join conditions by and, or let the segment's query compute the value.",
            );
        }
    }
    Ok(())
}
