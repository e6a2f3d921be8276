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

/// What is no value, but can be called; `range` makes a collection.
const CALLED: [&str; 3] = ["caller", "loop", "range"];

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
        macros: CALLED.into(),
    };
    checker.find_macros(std::slice::from_ref(&template));
    checker
        .statement(&template)
        .map_err(|Misplaced { at, what }| {
            let (line, column) = position(source, at.start_offset as usize);
            TemplateError {
                part,
                line,
                column,
                message: format!("{what} cannot be used here"),
                hint: Some(
                    "Lists are for {% for x in … %}, {% if x in … %} and |join; a value is one text or number."
                        .to_owned(),
                ),
            }
        })
}

struct Misplaced {
    at: Span,
    what: &'static str,
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

    fn statements(&self, statements: &[Stmt<'a>]) -> Result<(), Misplaced> {
        statements.iter().try_for_each(|s| self.statement(s))
    }

    fn statement(&self, statement: &Stmt<'a>) -> Result<(), Misplaced> {
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
            Stmt::AutoEscape(s) => {
                self.value(&s.enabled)?;
                self.statements(&s.body)
            }
            Stmt::FilterBlock(s) => {
                self.value(&s.filter)?;
                self.statements(&s.body)
            }
            Stmt::Macro(s) => self.declaration(s),
            Stmt::CallBlock(s) => {
                self.call(&s.call, s.call.span(), Use::Value)?;
                self.declaration(&s.macro_decl)
            }
            Stmt::Do(s) => self.call(&s.call, s.call.span(), Use::Value),
        }
    }

    fn declaration(&self, declared: &Macro<'a>) -> Result<(), Misplaced> {
        declared.defaults.iter().try_for_each(|e| self.value(e))?;
        self.statements(&declared.body)
    }

    fn value(&self, expression: &Expr<'a>) -> Result<(), Misplaced> {
        self.expression(expression, Use::Value)
    }

    fn expression(&self, expression: &Expr<'a>, used_as: Use) -> Result<(), Misplaced> {
        let collection = |what| match used_as {
            Use::Collection => Ok(()),
            Use::Value => Err(Misplaced {
                at: expression.span(),
                what,
            }),
        };
        match expression {
            Expr::Var(e) if self.macros.contains(e.id) => Err(Misplaced {
                at: e.span(),
                what: "a macro, or loop, without its brackets,",
            }),
            Expr::Var(_) => Ok(()),
            Expr::Const(e) => match e.value.kind() {
                ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => collection("a list"),
                _ => Ok(()),
            },
            Expr::List(e) => {
                collection("a list")?;
                e.items.iter().try_for_each(|e| self.value(e))
            }
            Expr::Tuple(e) => {
                collection("a list")?;
                e.items.iter().try_for_each(|e| self.value(e))
            }
            Expr::Map(e) => Err(Misplaced {
                at: e.span(),
                what: "a map",
            }),
            Expr::Slice(e) => {
                self.expression(&e.expr, used_as)?;
                [&e.start, &e.stop, &e.step]
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
                let used_as = self.filtered(e, used_as, collection)?;
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
                Expr::Var(of) if of.id == "loop" => Ok(()),
                of => self.value(of),
            },
            Expr::GetItem(e) => {
                self.expression(&e.expr, Use::Collection)?;
                self.value(&e.subscript_expr)
            }
            Expr::Call(e) => self.call(e, e.span(), used_as),
        }
    }

    /// What the filter wants, if what it makes may stand here.
    fn filtered(
        &self,
        filter: &Filter<'a>,
        used_as: Use,
        collection: impl Fn(&'static str) -> Result<(), Misplaced>,
    ) -> Result<Use, Misplaced> {
        self.arguments(&filter.args, Use::Value)?;
        match filter.name {
            // Of a text it makes a text.
            "reverse" => Ok(used_as),
            name if MAKE.contains(&name) => {
                collection("a list")?;
                Ok(Use::Collection)
            }
            name if USE_UP.contains(&name) => Ok(Use::Collection),
            _ => Ok(Use::Value),
        }
    }

    fn call(&self, call: &Call<'a>, at: Span, used_as: Use) -> Result<(), Misplaced> {
        match &call.expr {
            Expr::Var(called) if called.id == "range" && used_as == Use::Value => {
                return Err(Misplaced { at, what: "range" });
            }
            Expr::Var(_) => {}
            Expr::GetAttr(called) if matches!(&called.expr, Expr::Var(of) if of.id == "loop") => {}
            _ => {
                return Err(Misplaced {
                    at,
                    what: "a call of what is neither a macro nor a function",
                });
            }
        }
        self.arguments(&call.args, Use::Value)
    }

    fn arguments(&self, arguments: &[CallArg<'a>], used_as: Use) -> Result<(), Misplaced> {
        arguments.iter().try_for_each(|argument| match argument {
            CallArg::Pos(e) | CallArg::Kwarg(_, e) => self.expression(e, used_as),
            CallArg::PosSplat(e) | CallArg::KwargSplat(e) => self.value(e),
        })
    }
}
