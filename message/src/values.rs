//! What a template may make of its values. The engine accounts for the text that a template makes, not for collections: one that
//! is repeated, added to itself or put into another grows without end, and writing it out needs as much memory, time or stack.
//! So a collection is made only where it is used up at once: what a loop runs over, what `in` looks in, what is joined or counted.
//! Everything that has a name, is printed or goes on as an operand is one text, number or truth value.

use std::collections::BTreeSet;

use minijinja::machinery::ast::{
    BinOpKind, Call, CallArg, CompareOpKind, Expr, Filter, Macro, Stmt,
};
use minijinja::machinery::{Span, parse};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;

use crate::tags::position;
use crate::template::{Part, TemplateError};

/// Filters that make a collection.
const MAKE: [&str; 2] = ["lines", "split"];
/// Filters that make one value of a collection.
const USE_UP: [&str; 5] = ["count", "first", "join", "last", "length"];

/// Filters of the engine that templates do not have: they make collections of collections, or of what is none.
pub(crate) const NOT_THERE: [&str; 21] = [
    "attr",
    "batch",
    "chain",
    "dictsort",
    "groupby",
    "items",
    "list",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "select",
    "selectattr",
    "slice",
    "sort",
    "sum",
    "tojson",
    "unique",
    "zip",
];

/// What is no value, but can be called or asked; `range` makes a collection.
const NO_VALUES: [&str; 3] = ["caller", "loop", "range"];
/// What a loop tells of itself.
const LOOP: [&str; 9] = [
    "depth",
    "depth0",
    "first",
    "index",
    "index0",
    "last",
    "length",
    "revindex",
    "revindex0",
];
/// What a loop can be asked.
const LOOP_CALLS: [&str; 2] = ["changed", "cycle"];

const OF_LISTS: &str = "A list has no name and is in no other list; write it where it is used: {% for x in … %}, {% if x in … %}, |join.";
const OF_CHOICES: &str = "Choose by {% if … %}, {% elif … %} and {% else %}.";
const OF_CALLS: &str =
    "Values have no methods; what changes one is a filter, as in {{ name|upper }}.";
const OF_MACROS: &str = "{{ name() }} calls a macro; {% if caller is defined %} asks whether there is something to call.";
const OF_LOOPS: &str =
    "There are loop.index, loop.first, loop.last, loop.length and loop.cycle('odd', 'even').";
const OF_PARTS: &str =
    "{% autoescape %} is for no part of a mail; {{ x|safe }} leaves a value as it is.";

/// Whether an expression stands where a collection is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Value,
    Collection,
}

/// Of a template that compiles.
///
/// # Errors
/// The first collection that stands elsewhere.
pub(crate) fn check(part: Part, source: &str) -> Result<(), TemplateError> {
    let Ok(template) = parse(source, part.as_str(), SyntaxConfig::default()) else {
        return Ok(());
    };
    let mut checker = Checker {
        macros: BTreeSet::new(),
    };
    checker.find_macros(std::slice::from_ref(&template));
    checker.statement(&template).map_err(|refused| {
        let (line, column) = position(source, refused.at.start_offset as usize);
        TemplateError {
            part,
            line,
            column,
            message: format!("{} cannot be used here", refused.what),
            hint: Some(refused.hint.to_owned()),
        }
    })
}

struct Refused {
    at: Span,
    what: &'static str,
    hint: &'static str,
}

fn refused(at: Span, what: &'static str, hint: &'static str) -> Result<(), Refused> {
    Err(Refused { at, what, hint })
}

struct Checker<'a> {
    macros: BTreeSet<&'a str>,
}

impl<'a> Checker<'a> {
    fn find_macros(&mut self, statements: &[Stmt<'a>]) {
        for statement in statements {
            match statement {
                Stmt::Template(s) => self.find_macros(&s.children),
                Stmt::ForLoop(s) => {
                    self.find_macros(&s.body);
                    self.find_macros(&s.else_body);
                }
                Stmt::IfCond(s) => {
                    self.find_macros(&s.true_body);
                    self.find_macros(&s.false_body);
                }
                Stmt::WithBlock(s) => self.find_macros(&s.body),
                Stmt::SetBlock(s) => self.find_macros(&s.body),
                Stmt::AutoEscape(s) => self.find_macros(&s.body),
                Stmt::FilterBlock(s) => self.find_macros(&s.body),
                Stmt::Macro(s) => {
                    self.macros.insert(s.name);
                    self.find_macros(&s.body);
                }
                Stmt::CallBlock(s) => self.find_macros(&s.macro_decl.body),
                Stmt::EmitExpr(_) | Stmt::EmitRaw(_) | Stmt::Set(_) | Stmt::Do(_) => {}
            }
        }
    }

    fn statements(&self, statements: &[Stmt<'a>]) -> Result<(), Refused> {
        statements.iter().try_for_each(|s| self.statement(s))
    }

    fn statement(&self, statement: &Stmt<'a>) -> Result<(), Refused> {
        match statement {
            Stmt::Template(s) => self.statements(&s.children),
            Stmt::EmitExpr(s) => self.value(&s.expr),
            Stmt::EmitRaw(_) => Ok(()),
            Stmt::ForLoop(s) => {
                self.expression(&s.iter, Use::Collection)?;
                s.filter_expr.iter().try_for_each(|e| self.value(e))?;
                self.statements(&s.body)?;
                self.statements(&s.else_body)
            }
            Stmt::IfCond(s) => {
                self.value(&s.expr)?;
                self.statements(&s.true_body)?;
                self.statements(&s.false_body)
            }
            Stmt::WithBlock(s) => {
                s.assignments
                    .iter()
                    .try_for_each(|(_, value)| self.value(value))?;
                self.statements(&s.body)
            }
            Stmt::Set(s) => self.value(&s.expr),
            Stmt::SetBlock(s) => {
                s.filter.iter().try_for_each(|e| self.value(e))?;
                self.statements(&s.body)
            }
            Stmt::AutoEscape(s) => refused(s.enabled.span(), "autoescape", OF_PARTS),
            Stmt::FilterBlock(s) => {
                self.value(&s.filter)?;
                self.statements(&s.body)
            }
            Stmt::Macro(s) => self.declaration(s),
            Stmt::CallBlock(s) => {
                match &s.call.expr {
                    Expr::Var(called) if self.macros.contains(called.id) => {}
                    _ => refused(s.call.span(), "a call of what is no macro", OF_CALLS)?,
                }
                self.arguments(&s.call.args, Use::Value)?;
                self.declaration(&s.macro_decl)
            }
            Stmt::Do(s) => self.call(&s.call, s.call.span(), Use::Value),
        }
    }

    fn declaration(&self, declared: &Macro<'a>) -> Result<(), Refused> {
        declared.defaults.iter().try_for_each(|e| self.value(e))?;
        self.statements(&declared.body)
    }

    fn value(&self, expression: &Expr<'a>) -> Result<(), Refused> {
        self.expression(expression, Use::Value)
    }

    fn expression(&self, expression: &Expr<'a>, used_as: Use) -> Result<(), Refused> {
        let list = || match used_as {
            Use::Collection => Ok(()),
            Use::Value => refused(expression.span(), "a list", OF_LISTS),
        };
        match expression {
            Expr::Var(e) if e.id == "loop" => refused(e.span(), "loop", OF_LOOPS),
            Expr::Var(e) if self.is_no_value(e.id) => {
                refused(e.span(), "a macro without its brackets", OF_MACROS)
            }
            Expr::Var(_) => Ok(()),
            Expr::Const(e) => match e.value.kind() {
                ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => list(),
                _ => Ok(()),
            },
            Expr::List(e) => {
                list()?;
                e.items.iter().try_for_each(|e| self.value(e))
            }
            Expr::Tuple(e) => {
                list()?;
                e.items.iter().try_for_each(|e| self.value(e))
            }
            Expr::Map(e) => refused(e.span(), "a map", OF_CHOICES),
            Expr::Slice(e) => {
                self.expression(&e.expr, used_as)?;
                if let Some(step) = &e.step {
                    return refused(
                        step.span(),
                        "a step",
                        "|reverse turns a text or list round.",
                    );
                }
                [&e.start, &e.stop]
                    .into_iter()
                    .flatten()
                    .try_for_each(|e| self.value(e))
            }
            Expr::UnaryOp(e) => self.value(&e.expr),
            Expr::BinOp(e) => {
                let (left, right) = match e.op {
                    BinOpKind::In => (Use::Value, Use::Collection),
                    BinOpKind::ScAnd | BinOpKind::ScOr => (used_as, used_as),
                    _ => (Use::Value, Use::Value),
                };
                self.expression(&e.left, left)?;
                self.expression(&e.right, right)
            }
            Expr::Compare(e) => {
                self.value(&e.expr)?;
                e.ops.iter().try_for_each(|compared| {
                    let used_as = match compared.op {
                        CompareOpKind::In | CompareOpKind::NotIn => Use::Collection,
                        _ => Use::Value,
                    };
                    self.expression(&compared.expr, used_as)
                })
            }
            Expr::IfExpr(e) => {
                self.value(&e.test_expr)?;
                self.expression(&e.true_expr, used_as)?;
                (e.false_expr.iter()).try_for_each(|e| self.expression(e, used_as))
            }
            Expr::Filter(e) => {
                if MAKE.contains(&e.name) {
                    list()?;
                }
                let used_as = self.filtered(e, used_as)?;
                (e.expr.iter()).try_for_each(|e| self.expression(e, used_as))
            }
            Expr::Test(e) => {
                match &e.expr {
                    Expr::Var(_) if matches!(e.name, "defined" | "undefined") => {}
                    tested => self.value(tested)?,
                }
                let used_as = match e.name {
                    "in" => Use::Collection,
                    _ => Use::Value,
                };
                self.arguments(&e.args, used_as)
            }
            Expr::GetAttr(e) => match &e.expr {
                Expr::Var(of) if of.id == "loop" => match LOOP.contains(&e.name) {
                    true => Ok(()),
                    false => refused(e.span(), "this of a loop", OF_LOOPS),
                },
                of => self.value(of),
            },
            Expr::GetItem(e) => {
                self.expression(&e.expr, Use::Collection)?;
                self.value(&e.subscript_expr)
            }
            Expr::Call(e) => self.call(e, e.span(), used_as),
        }
    }

    fn is_no_value(&self, name: &str) -> bool {
        self.macros.contains(name) || NO_VALUES.contains(&name)
    }

    /// What the filter wants of its value.
    fn filtered(&self, filter: &Filter<'a>, used_as: Use) -> Result<Use, Refused> {
        let (of, arguments) = match filter.name {
            // It makes the one or the other of them.
            "d" | "default" => (used_as, used_as),
            // Of a text it makes a text.
            "reverse" => (used_as, Use::Value),
            name if MAKE.contains(&name) || USE_UP.contains(&name) => (Use::Collection, Use::Value),
            _ => (Use::Value, Use::Value),
        };
        self.arguments(&filter.args, arguments)?;
        Ok(of)
    }

    fn call(&self, call: &Call<'a>, at: Span, used_as: Use) -> Result<(), Refused> {
        match &call.expr {
            Expr::Var(called) if called.id == "caller" || self.macros.contains(called.id) => {}
            Expr::Var(called) if called.id == "range" => match used_as {
                Use::Collection => {}
                Use::Value => refused(at, "a list", OF_LISTS)?,
            },
            // What it is given comes back: named arguments as a map of them.
            Expr::GetAttr(called) if matches!(&called.expr, Expr::Var(of) if of.id == "loop") => {
                let is_positional = |a: &CallArg<'_>| matches!(a, CallArg::Pos(_));
                if !LOOP_CALLS.contains(&called.name)
                    || call.args.is_empty()
                    || !call.args.iter().all(is_positional)
                {
                    refused(at, "this of a loop", OF_LOOPS)?;
                }
            }
            _ => refused(at, "a call of what is no macro", OF_CALLS)?,
        }
        self.arguments(&call.args, Use::Value)
    }

    fn arguments(&self, arguments: &[CallArg<'a>], used_as: Use) -> Result<(), Refused> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(e) | CallArg::Kwarg(_, e) => self.expression(e, used_as),
            CallArg::PosSplat(e) | CallArg::KwargSplat(e) => refused(
                e.span(),
                "* of an argument",
                "Name the arguments one by one.",
            ),
        })
    }
}
