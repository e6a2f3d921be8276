//! How large the tree of a document becomes that html5ever makes: the inliner of CSS and the conversion to text read it,
//! with stack for each of its levels, and time and memory that grow with what is measured here.
//!
//! A parser closes and opens elements by itself. It opens formatting elements that are left open again in each block, with
//! all their attributes, so that a short document can have a tree of gigabytes. So the tree is not guessed from the tags:
//! the same parser builds it, of nodes without content, until something is too much.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};

use html5ever::buffer_queue::BufferQueue;
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts, TreeSink};
use html5ever::{Attribute, QualName, TokenizerResult};

/// A tenth of what 1 MiB of stack is enough for without optimisation.
const MAX_DEPTH: usize = 100;

/// Elements and comments, and texts in tables that are put before them. A mail of 3,000 tags is a large one.
const MAX_NODES: usize = 10_000;

const MAX_ATTRIBUTES: usize = 50_000;

/// Of the names and values of all attributes. A document that is sent has a quarter of it, but for what is opened again.
const MAX_ATTRIBUTE_BYTES: usize = 1 << 20;

/// In one tag or comment. A parser compares each attribute of a tag with each other.
const MAX_TAG_BYTES: usize = 32 * 1024;

/// To open a formatting element, a parser looks at all attributes of each that is open.
const MAX_COMPARED: usize = 1_000_000;

/// `html` and `body` after the first: each of their attributes is looked for in the first.
const MAX_ROOTS: usize = 100;

/// Bytes of text times the lists, quotations and headings that it stands in: so often it gets a prefix, at most, of up to ten
/// characters each.
const MAX_PREFIXED: usize = 1_000_000;

/// Columns and rows, of all cells.
const MAX_SPANNED: usize = 10_000;

/// Rows times the columns of the widest: each row has room for all columns of its table.
const MAX_CELLS: usize = 1_000_000;

/// The number of the first item of a list.
const MAX_START: u64 = 1_000_000;

/// A parser stops between these only.
const PIECE: usize = 4 * 1024;

/// Elements that are no level: a parser adds them, and none of them is in another.
const ADDED: [&str; 6] = ["body", "html", "tbody", "tfoot", "thead", "tr"];

/// Elements that a parser opens again (WHATWG HTML 13.2.4.3).
pub(crate) const FORMATTING: [&str; 14] = [
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
];

/// Elements whose lines get a prefix.
const PREFIXED: [&str; 10] = [
    "blockquote",
    "dd",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "ol",
    "ul",
];

/// Who reads the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// To it, `noscript` holds text.
    Inliner,
    /// To it, `noscript` holds elements.
    TextConverter,
}

/// What a document has, also of what a parser makes by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub elements: usize,
    pub attributes: usize,
    /// Nodes of one parent, at most.
    pub widest: usize,
    pub styles: usize,
}

/// # Errors
/// The first thing that is too much, for a person.
pub(crate) fn measured(html: &str, reader: Reader) -> Result<Size, String> {
    let options = TreeBuilderOpts {
        scripting_enabled: reader == Reader::Inliner,
        ..TreeBuilderOpts::default()
    };
    let counter = Counter {
        builder: TreeBuilder::new(Tree::new(reader), options),
        has_read: Cell::new(false),
    };
    let tokenizer = Tokenizer::new(counter, Default::default());
    let tree = &tokenizer.sink.builder.sink;
    let input = BufferQueue::default();
    let mut rest = html;
    let mut unread = 0;
    while !rest.is_empty() {
        let most = rest.floor_char_boundary(PIECE);
        let tag = rest
            .bytes()
            .take(most)
            .skip(1)
            .position(|byte| byte == b'<');
        let (piece, after) = rest.split_at(tag.map_or(most, |before| before + 1));
        rest = after;
        input.push_back(StrTendril::from_slice(piece));
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        unread += piece.len();
        if tokenizer.sink.has_read.take() {
            unread = 0;
        }
        if unread > MAX_TAG_BYTES {
            return Err(format!(
                "a tag or comment of more than {} kB",
                MAX_TAG_BYTES / 1024
            ));
        }
        tree.check()?;
    }
    tokenizer.end();
    tree.check()?;
    Ok(tree.size.get())
}

/// Tells whether the tokenizer has come to the end of something.
struct Counter {
    builder: TreeBuilder<usize, Tree>,
    has_read: Cell<bool>,
}

impl TokenSink for Counter {
    type Handle = usize;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<usize> {
        if !matches!(token, Token::ParseError(_)) {
            self.has_read.set(true);
        }
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder
            .adjusted_current_node_present_but_not_in_html_namespace()
    }
}

struct Tree {
    reader: Reader,
    /// The first is the document. A handle is a place in it.
    nodes: RefCell<Vec<Node>>,
    size: Cell<Size>,
    deepest: Cell<usize>,
    attribute_bytes: Cell<usize>,
    compared: Cell<usize>,
    roots: Cell<usize>,
    prefixed: Cell<usize>,
    spanned: Cell<usize>,
    rows: Cell<usize>,
    /// Of the widest row.
    columns: Cell<usize>,
    /// Of cells that reach into other rows.
    overhanging: Cell<usize>,
    start: Cell<u64>,
    /// Texts that are put before a table.
    texts: Cell<usize>,
}

struct Node {
    name: QualName,
    is_integration_point: bool,
    /// Bytes of its name and attributes.
    bytes: usize,
    /// How many attributes it has, if it is a formatting element.
    formatting: usize,
    is_level: bool,
    is_prefixed: bool,
    /// How many a cell spans.
    columns: usize,
    /// Of its children, if they are cells.
    width: usize,
    parent: Option<usize>,
    /// Also those that it had before: the others name it as their parent.
    children: Vec<usize>,
    at: Place,
}

/// Where a node stands: the most that it ever was, so that a tree that is rebuilt again and again is measured once.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    depth: usize,
    /// How many elements around it and itself give a prefix to its lines.
    prefixes: usize,
    /// Attributes of the formatting elements around it, and of itself.
    formatting: usize,
}

impl Tree {
    fn new(reader: Reader) -> Tree {
        let tree = Tree {
            reader,
            nodes: RefCell::default(),
            size: Cell::default(),
            deepest: Cell::default(),
            attribute_bytes: Cell::default(),
            compared: Cell::default(),
            roots: Cell::default(),
            prefixed: Cell::default(),
            spanned: Cell::default(),
            rows: Cell::default(),
            columns: Cell::default(),
            overhanging: Cell::default(),
            start: Cell::default(),
            texts: Cell::default(),
        };
        tree.node(QualName::new(None, html5ever::ns!(), "".into()), &[], false);
        tree
    }

    fn check(&self) -> Result<(), String> {
        if self.deepest.get() > MAX_DEPTH {
            return Err(format!(
                "more than {MAX_DEPTH} elements in each other; are all of them closed?"
            ));
        }
        if self.nodes.borrow().len() + self.texts.get() > MAX_NODES {
            return Err(format!(
                "more than {MAX_NODES} elements; are all of them closed?"
            ));
        }
        if self.size.get().attributes > MAX_ATTRIBUTES
            || self.attribute_bytes.get() > MAX_ATTRIBUTE_BYTES
            || self.compared.get() > MAX_COMPARED
        {
            return Err("too many or too long attributes; are all elements closed?".to_owned());
        }
        if self.roots.get() > MAX_ROOTS {
            return Err(format!("more than {MAX_ROOTS} html or body tags"));
        }
        if self.reader == Reader::Inliner {
            return Ok(());
        }
        if self.prefixed.get() > MAX_PREFIXED {
            return Err("too long a text in too many lists or quotations".to_owned());
        }
        if self.spanned.get() > MAX_SPANNED {
            return Err(format!(
                "cells that span more than {MAX_SPANNED} columns and rows"
            ));
        }
        let columns = (self.columns.get()).saturating_add(self.overhanging.get());
        if self.rows.get().saturating_mul(columns) > MAX_CELLS {
            return Err("tables of too many rows and columns".to_owned());
        }
        if self.start.get() > MAX_START {
            return Err(format!("a list that does not start below {MAX_START}"));
        }
        Ok(())
    }

    fn node(&self, name: QualName, attributes: &[Attribute], is_integration_point: bool) -> usize {
        let local = name.local.as_ref();
        let bytes = self.attributes(attributes);
        // All columns or rows that there are.
        let all = MAX_SPANNED / 10;
        let span = |name: &str| {
            let values = (attributes.iter()).filter(|attribute| &*attribute.name.local == name);
            let spans = values.map(|attribute| match attribute.value.parse().unwrap_or(1) {
                0 => all,
                span => span,
            });
            spans.fold(1, usize::max)
        };
        let (columns, rows) = (span("colspan"), span("rowspan"));
        add(&self.spanned, columns - 1);
        add(&self.spanned, rows - 1);
        if rows > 1 {
            add(&self.overhanging, columns);
        }
        if local == "tr" {
            add(&self.rows, 1);
        }
        for attribute in attributes {
            if &*attribute.name.local == "start" {
                let start = attribute.value.parse().unwrap_or(0i64).unsigned_abs();
                self.start.set(self.start.get().max(start));
            }
        }
        let is_formatting = FORMATTING.contains(&local);
        let node = Node {
            is_integration_point,
            bytes: local.len() + bytes,
            formatting: if is_formatting { attributes.len() } else { 0 },
            is_level: !local.is_empty()
                && (name.ns != html5ever::ns!(html) || !ADDED.contains(&local)),
            is_prefixed: PREFIXED.contains(&local),
            columns,
            width: 0,
            name,
            parent: None,
            children: Vec::new(),
            at: Place::default(),
        };
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        nodes.len() - 1
    }

    /// Counts them.
    fn attributes(&self, attributes: &[Attribute]) -> usize {
        let bytes = attributes
            .iter()
            .map(|attribute| attribute.name.local.len() + attribute.value.len())
            .sum();
        add(&self.attribute_bytes, bytes);
        let size = self.size.get();
        self.size.set(Size {
            attributes: size.attributes + attributes.len(),
            ..size
        });
        bytes
    }

    fn attach(&self, child: usize, parent: usize) {
        let nodes = &mut *self.nodes.borrow_mut();
        nodes[child].parent = Some(parent);
        let columns = nodes[child].columns;
        let row = &mut nodes[parent];
        row.children.push(child);
        let size = self.size.get();
        self.size.set(Size {
            widest: size.widest.max(row.children.len()),
            ..size
        });
        row.width = row.width.saturating_add(columns);
        if &*row.name.local == "tr" {
            self.columns.set(self.columns.get().max(row.width));
        }
        // A node is measured again only if it gets deeper, which it does a hundred times at most.
        let mut moved = vec![(child, parent)];
        while let Some((child, parent)) = moved.pop() {
            let around = nodes[parent].at;
            let node = &mut nodes[child];
            let at = Place {
                depth: node.at.depth.max(around.depth + usize::from(node.is_level)),
                prefixes: (node.at.prefixes).max(around.prefixes + usize::from(node.is_prefixed)),
                formatting: (node.at.formatting).max(around.formatting + node.formatting),
            };
            let is_deeper = at.depth > node.at.depth || at.prefixes > node.at.prefixes;
            node.at = at;
            self.deepest.set(self.deepest.get().max(at.depth));
            if is_deeper && at.depth <= MAX_DEPTH {
                let children = nodes[child].children.iter();
                let children =
                    children.filter(|grandchild| nodes[**grandchild].parent == Some(child));
                moved.extend(children.map(|grandchild| (*grandchild, child)));
            }
        }
        let node = &nodes[child];
        add(&self.compared, node.at.formatting);
        add(&self.prefixed, node.bytes * node.at.prefixes);
    }

    fn insert(&self, parent: usize, child: NodeOrText<usize>) {
        match child {
            NodeOrText::AppendNode(node) => self.attach(node, parent),
            NodeOrText::AppendText(text) => {
                let prefixes = self.nodes.borrow()[parent].at.prefixes;
                add(&self.prefixed, text.len() * prefixes);
            }
        }
    }
}

fn add(sum: &Cell<usize>, more: usize) {
    sum.set(sum.get().saturating_add(more));
}

impl TreeSink for Tree {
    type Handle = usize;
    type Output = ();
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) {}

    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Ref<'a, QualName> {
        Ref::map(self.nodes.borrow(), |nodes| &nodes[*target].name)
    }

    fn create_element(&self, name: QualName, attrs: Vec<Attribute>, flags: ElementFlags) -> usize {
        let size = self.size.get();
        let is_style = name.ns == html5ever::ns!(html) && &*name.local == "style";
        self.size.set(Size {
            elements: size.elements + 1,
            styles: size.styles + usize::from(is_style),
            ..size
        });
        let is_integration_point = flags.mathml_annotation_xml_integration_point;
        self.node(name, &attrs, is_integration_point)
    }

    fn create_comment(&self, _text: StrTendril) -> usize {
        self.node(QualName::new(None, html5ever::ns!(), "".into()), &[], false)
    }

    fn create_pi(&self, _target: StrTendril, data: StrTendril) -> usize {
        self.create_comment(data)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        self.insert(*parent, child);
    }

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        if matches!(child, NodeOrText::AppendText(_)) {
            add(&self.texts, 1);
        }
        let parent = self.nodes.borrow()[*sibling].parent;
        self.insert(parent.unwrap_or_default(), child);
    }

    fn append_based_on_parent_node(
        &self,
        element: &usize,
        prev_element: &usize,
        child: NodeOrText<usize>,
    ) {
        let parent = self.nodes.borrow()[*element].parent;
        match parent {
            Some(_) => self.append_before_sibling(element, child),
            None => self.append(prev_element, child),
        }
    }

    fn append_doctype_to_document(
        &self,
        _name: StrTendril,
        _public_id: StrTendril,
        _system_id: StrTendril,
    ) {
    }

    /// As if they stood in the element itself: one of the readers has them there.
    fn get_template_contents(&self, target: &usize) -> usize {
        *target
    }

    fn same_node(&self, x: &usize, y: &usize) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn add_attrs_if_missing(&self, _target: &usize, attrs: Vec<Attribute>) {
        add(&self.roots, 1);
        self.attributes(&attrs);
    }

    fn remove_from_parent(&self, target: &usize) {
        self.nodes.borrow_mut()[*target].parent = None;
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let children = std::mem::take(&mut self.nodes.borrow_mut()[*node].children);
        for child in children {
            let parent = self.nodes.borrow()[child].parent;
            if parent == Some(*node) {
                self.attach(child, *new_parent);
            }
        }
    }

    /// One of the readers does not know of them.
    fn is_mathml_annotation_xml_integration_point(&self, target: &usize) -> bool {
        self.reader == Reader::TextConverter && self.nodes.borrow()[*target].is_integration_point
    }
}
