//! The rules of style elements, written into the elements that they speak of: many mail programs read no others.
//!
//! Only `style` attributes are added, at the places where the start tags stand in the source: everything else of a
//! template, tags included, stays as it is, and so do the style elements, with their media queries.

use std::collections::BTreeMap;
use std::ops::Range;

use css_inline::{CSSInliner, InlineOptions};
use lol_html::html_content::Element;
use minijinja::machinery::Token;

use crate::bounds::MAX_BYTES;
use crate::markup::{self, Scope, decoded, elements, escaped};
use crate::tags::{Piece, Spanned, blanked, pieces, position};
use crate::template::{Part, TemplateError};
use crate::tree;

/// Numbers the elements.
const NUMBER: &str = "data-campaign-n";

/// Elements that are not shown.
const HIDDEN: [&str; 9] = [
    "base", "head", "html", "link", "meta", "noscript", "script", "style", "title",
];

/// It compares each element with each selector. A mail of 500 elements and 100 selectors is a large one.
const MAX_COMPARED: usize = 250_000;

/// A selector may look at each attribute.
const MAX_ATTRIBUTES_COMPARED: usize = 2_000_000;

/// So long can the selectors be: a long one is compared part by part.
const MAX_COMPARED_BYTES: usize = 100_000_000;

/// For `~` it goes back over the elements before: this takes a quarter of a second.
const MAX_PASSED: usize = 20_000_000;

/// It keeps the declarations of each element.
const MAX_KEPT: usize = 1_000_000;

/// For each element it may compare each declaration with each other: this takes a third of a second.
const MAX_DECLARED: usize = 250_000_000;

/// What makes a selector depend on the neighbours of an element, which loops and conditions change.
const ORDER: [&str; 8] = [
    ":nth-", ":first-", ":last-", ":only-", ":empty", "+", "~", ":has(",
];

/// The HTML template as it is sent. It must compile.
///
/// What depends on tags is left to the style element, for the programs that read it: a style element that holds a tag or
/// stands in a block; in a template with blocks, one that speaks of the order of elements; and an element whose class,
/// id or attributes are made by tags.
pub fn inlined(source: &str) -> Result<String, TemplateError> {
    if !source.to_ascii_lowercase().contains("<style") {
        return Ok(source.to_owned());
    }
    let pieces = pieces(source);
    let html = blanked(source, &pieces);
    let failed = |message: String| {
        let style = html.to_ascii_lowercase().find("<style").unwrap_or_default();
        let (line, column) = position(source, style);
        TemplateError {
            part: Part::Html,
            line,
            column,
            message: format!("its CSS cannot be written into the elements: {message}"),
            hint: Some(
                "Leave it to the mail programs: <style data-css-inline=\"ignore\">.".to_owned(),
            ),
        }
    };
    let mut reader = Reader {
        html: &html,
        tags: tags(&pieces),
        blocks: blocks(&pieces),
        edits: Vec::new(),
        elements: Vec::new(),
        styles: 0,
        selectors: 0,
        declarations: 0,
        siblings: 0,
        bytes: 0,
        style: 0..0,
    };
    elements(&html, Scope::Document, "*", |_, element| {
        reader.element(element)
    })
    .map_err(|error| failed(error.to_string()))?;
    if reader.selectors == 0 {
        return Ok(source.to_owned());
    }
    // To the inliner what stands in it is not HTML, to all others it is.
    if html.to_ascii_lowercase().contains("annotation-xml") {
        return Err(failed("annotation-xml is for no mail".to_owned()));
    }
    let copy = edited(&html, &reader.edits);
    let size = tree::measured(&copy, tree::Reader::Inliner).map_err(&failed)?;
    if size.styles > reader.styles {
        return Err(failed(
            "parsers find style elements in different places".to_owned(),
        ));
    }
    if size.elements * reader.selectors > MAX_COMPARED {
        return Err(failed(format!(
            "{} elements and {} selectors are too many",
            size.elements, reader.selectors
        )));
    }
    if size.attributes * reader.selectors > MAX_ATTRIBUTES_COMPARED {
        return Err(failed(format!(
            "{} attributes and {} selectors are too many",
            size.attributes, reader.selectors
        )));
    }
    if size.elements * size.widest * reader.siblings > MAX_PASSED {
        return Err(failed(format!(
            "{} elements, {} of them side by side, and {} times ~ are too many",
            size.elements, size.widest, reader.siblings
        )));
    }
    if size.elements * reader.bytes > MAX_COMPARED_BYTES {
        return Err(failed(format!(
            "{} elements and {} kB of rules are too many",
            size.elements,
            reader.bytes / 1024
        )));
    }
    if size.elements * reader.declarations > MAX_KEPT
        || size.elements * reader.declarations.pow(2) > MAX_DECLARED
    {
        return Err(failed(format!(
            "{} elements and {} declarations are too many",
            size.elements, reader.declarations
        )));
    }
    let options = InlineOptions {
        load_remote_stylesheets: false,
        ..InlineOptions::default()
    };
    let styled = CSSInliner::new(options)
        .inline(&copy)
        .map_err(|error| failed(error.to_string()))?;
    let rules = rules(&styled).map_err(|error| failed(error.to_string()))?;
    let edits: Vec<(Range<usize>, String)> = (reader.elements.iter().enumerate())
        .filter_map(|(n, place)| place.edit(source, rules.get(&n)?))
        .collect();
    let inlined = edited(source, &edits);
    if inlined.len() > MAX_BYTES {
        // It would be kept, and then not be sent.
        return Err(failed(format!(
            "it makes them more than {} kB",
            MAX_BYTES / 1024
        )));
    }
    Ok(inlined)
}

struct Reader<'a> {
    /// The template with its tags blanked out.
    html: &'a str,
    /// Where they stood, ascending.
    tags: Vec<usize>,
    /// From the first tag of each outermost block to its last.
    blocks: Vec<Range<usize>>,
    /// What the copy for the inliner has instead, ascending.
    edits: Vec<(Range<usize>, String)>,
    /// Those that have a number, by it.
    elements: Vec<Place>,
    /// How many style elements there are.
    styles: usize,
    /// How many the style elements have, about.
    selectors: usize,
    /// Likewise.
    declarations: usize,
    /// How often they have `~`.
    siblings: usize,
    /// How long they are.
    bytes: usize,
    /// The text of the last style element.
    style: Range<usize>,
}

/// Where the rules of an element go.
struct Place {
    /// Behind its name.
    name_end: usize,
    style: Option<markup::Value>,
}

impl Reader<'_> {
    fn element(&mut self, element: &mut Element<'_, '_>) {
        let at = element.source_location().bytes();
        let name = element.tag_name();
        let name_end = at.start + 1 + name.len();
        if name == "style" {
            self.styles += 1;
            // In SVG they can stand in each other, and an inliner would have to guess.
            let is_inner = self.style.contains(&at.end);
            if !is_inner {
                self.style = markup::style_text(self.html, at.end..self.html.len());
            }
            let css = self.style.clone();
            if !is_inner && self.is_the_same_for_all(element, at, &css) {
                let css = &self.html[css];
                self.selectors += css.matches(['{', ',']).count();
                self.declarations += css.matches([';', '}']).count();
                self.siblings += css.matches('~').count();
                self.bytes += css.len();
            } else {
                let ignored = " data-css-inline=\"ignore\"".to_owned();
                self.edits.push((name_end..name_end, ignored));
            }
            return;
        }
        let style = element.attributes().iter().find(|a| a.name() == "style");
        // The inliner must not mix the author's own rules, which may hold tags, with those of the style elements.
        let own = style.and_then(|style| style.name_source_location());
        let own = own.map(|own| (own.bytes().start..own.bytes().end, "data-own".to_owned()));
        if HIDDEN.contains(&name.as_str()) || self.has_tags_that_matter(element, at) {
            self.edits.extend(own);
            return;
        }
        let number = format!(" {NUMBER}=\"{}\"", self.elements.len());
        self.edits.push((name_end..name_end, number));
        self.edits.extend(own);
        self.elements.push(Place {
            name_end,
            style: style.and_then(|style| markup::value(self.html, 0, style)),
        });
    }

    fn tags_in(&self, part: &Range<usize>) -> usize {
        let before = |end: usize| self.tags.partition_point(|at| *at < end);
        before(part.end) - before(part.start)
    }

    /// Whether the rules of a style element hold whatever the tags say.
    fn is_the_same_for_all(
        &self,
        style: &Element<'_, '_>,
        start_tag: Range<usize>,
        css: &Range<usize>,
    ) -> bool {
        let css_end = css.end;
        let css = self.html[css.clone()].to_ascii_lowercase();
        let media = style.get_attribute("media");
        let refused = style.get_attribute("data-css-inline");
        let order = |part| css.contains(part);
        refused.is_none_or(|refused| refused != "ignore")
            && media.is_none_or(|media| media.trim().eq_ignore_ascii_case("all"))
            && self.tags_in(&(start_tag.start..css_end)) == 0
            && !self
                .blocks
                .iter()
                .any(|block| block.contains(&start_tag.start))
            && (self.blocks.is_empty() || !ORDER.into_iter().any(order))
    }

    /// Whether tags decide which rules speak of an element: anywhere but in the value of a harmless attribute.
    fn has_tags_that_matter(&self, element: &Element<'_, '_>, start_tag: Range<usize>) -> bool {
        let harmless = |name: &str| !matches!(name, "class" | "id");
        let values = (element.attributes().iter())
            .filter(|attribute| harmless(&attribute.name()))
            .filter_map(|attribute| markup::value(self.html, 0, attribute));
        let in_values: usize = values.map(|value| self.tags_in(&value.at)).sum();
        self.tags_in(&start_tag) != in_values
    }
}

impl Place {
    /// `rules` before what the author wrote, which wins.
    fn edit(&self, source: &str, rules: &str) -> Option<(Range<usize>, String)> {
        let rules = escaped(rules.trim().trim_end_matches(';'));
        match &self.style {
            None => Some((self.name_end..self.name_end, format!(" style=\"{rules}\""))),
            Some(value) if value.is_quoted => {
                Some((value.at.start..value.at.start, format!("{rules};")))
            }
            Some(value) => {
                let own = &source[value.at.clone()];
                let quoted = format!("\"{rules};{own}\"");
                (!own.contains('"')).then(|| (value.at.clone(), quoted))
            }
        }
    }
}

/// The rules of each numbered element.
fn rules(styled: &str) -> Result<BTreeMap<usize, String>, lol_html::errors::RewritingError> {
    let mut rules = BTreeMap::new();
    elements(
        styled,
        Scope::Document,
        "[data-campaign-n][style]",
        |_, element| {
            let number = element.get_attribute(NUMBER).and_then(|n| n.parse().ok());
            let style = element.get_attribute("style").map(|style| decoded(&style));
            if let (Some(number), Some(style)) = (number, style) {
                // One line, so that errors name the lines of the author; and never a new tag.
                let style = style.replace(['\r', '\n'], " ");
                // The inliner makes ' of every ", also where a string has both.
                let is_broken = style.matches('\'').count() % 2 == 1;
                let is_tag = ["{{", "{%", "{#"].iter().any(|open| style.contains(open));
                if !is_tag && !is_broken && !style.trim().is_empty() {
                    // The parser may have made two elements of one: both have the same rules.
                    rules.entry(number).or_insert(style);
                }
            }
        },
    )?;
    Ok(rules)
}

fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut edited = String::with_capacity(text.len() + 64 * edits.len());
    let mut copied = 0;
    for (at, new) in edits {
        edited.push_str(&text[copied..at.start]);
        edited.push_str(new);
        copied = at.end;
    }
    edited.push_str(&text[copied..]);
    edited
}

fn tags(pieces: &[Piece<'_>]) -> Vec<usize> {
    let first = |piece: &Piece<'_>| match piece {
        Piece::Literal(_) => None,
        Piece::Output(tokens) | Piece::Statement(tokens) => tokens.first().map(|t| t.at.start),
    };
    pieces.iter().filter_map(first).collect()
}

fn blocks(pieces: &[Piece<'_>]) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for piece in pieces {
        let Piece::Statement(tokens) = piece else {
            continue;
        };
        let Some((first, name)) = tokens.first().and_then(|t| Some((t, t.name()?))) else {
            continue;
        };
        let opens = match name {
            "autoescape" | "call" | "filter" | "for" | "if" | "macro" | "with" => true,
            // What a filter is told is no assignment.
            "set" => !(tokens.iter())
                .take_while(|token| !matches!(token.token, Token::Pipe))
                .any(Spanned::is_assignment),
            _ => false,
        };
        if opens {
            if depth == 0 {
                start = first.at.start;
            }
            depth += 1;
        } else if name.starts_with("end") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                blocks.push(start..first.at.start);
            }
        }
    }
    blocks
}
