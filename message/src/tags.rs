//! The tags of a template, found by minijinja's own tokenizer, so that this crate and the engine see the same ones.

use std::ops::Range;

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// A stretch of a template: literal text, `{{ … }}` or `{% … %}`. Comments and what whitespace control removes are in
/// no piece.
pub(crate) enum Piece<'a> {
    Literal(Range<usize>),
    /// `{{ … }}`
    Output(Vec<Spanned<'a>>),
    /// `{% … %}`
    Statement(Vec<Spanned<'a>>),
}

/// A token inside a tag and its bytes in the source.
pub(crate) struct Spanned<'a> {
    pub token: Token<'a>,
    pub at: Range<usize>,
}

impl Spanned<'_> {
    pub fn name(&self) -> Option<&str> {
        match self.token {
            Token::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub fn is_assignment(&self) -> bool {
        matches!(self.token, Token::Assign)
    }
}

/// The pieces of a template that compiles, in order.
pub(crate) fn pieces(source: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut inside = Vec::new();
    for (token, span) in tokenize(source, false, SyntaxConfig::default()).map_while(Result::ok) {
        match token {
            Token::TemplateData(text) => {
                // The span of a raw block covers its tags as well.
                let start = text.as_ptr().addr() - source.as_ptr().addr();
                pieces.push(Piece::Literal(start..start + text.len()));
            }
            Token::VariableStart | Token::BlockStart => inside.clear(),
            Token::VariableEnd => pieces.push(Piece::Output(std::mem::take(&mut inside))),
            Token::BlockEnd => pieces.push(Piece::Statement(std::mem::take(&mut inside))),
            token => inside.push(Spanned {
                token,
                at: span.start_offset as usize..span.end_offset as usize,
            }),
        }
    }
    pieces
}

/// The source with each tag blanked out at its own length, so that what an HTML parser says about it
/// holds for the template.
pub(crate) fn blanked(source: &str, pieces: &[Piece<'_>]) -> String {
    let mut blanked = String::with_capacity(source.len());
    for piece in pieces {
        if let Piece::Literal(at) = piece {
            // A letter, not a blank: in `href=https://a/{% if x %}?b={{ c }}` the value goes on.
            blanked.push_str(&"x".repeat(at.start.saturating_sub(blanked.len())));
            blanked.push_str(&source[at.clone()]);
        }
    }
    blanked.push_str(&"x".repeat(source.len().saturating_sub(blanked.len())));
    blanked
}

/// Line and column, from 1, of a byte of the source.
pub(crate) fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
