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
