//! The engine's filters that cut texts or change them letter by letter. As the engine has them, a piece of HTML still counts as HTML,
//! so that values could decide where an attribute ends. Here they get the text that HTML stands for, and what they make is text.
//! What they look for is accounted for, like what they look through.

use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, filters, functions};

use crate::context::plain;

const BYTES_PER_FUEL: usize = 64;

pub(crate) fn add(env: &mut Environment<'_>) {
    let mut add = |name, filter: Value, changes: fn(usize, usize) -> bool| {
        env.add_filter(
            name,
            move |state: &mut State, given: Rest<ValueOrKwargs>| {
                let n = given.len();
                let given: Vec<Value> = (given.iter().enumerate())
                    .map(|(i, value)| match changes(i, n) {
                        true => text(value),
                        false => (**value).clone(),
                    })
                    .collect();
                let bytes: usize = given.iter().filter_map(Value::as_str).map(str::len).sum();
                state.consume_fuel((bytes / BYTES_PER_FUEL) as u64)?;
                filter.call(state, &given)
            },
        );
    };
    let value = |i, _| i == 0;
    add(
        "capitalize",
        Value::from_function(filters::capitalize),
        value,
    );
    add("lines", Value::from_function(filters::lines), value);
    // What is put in may be HTML; the value is encoded then.
    add("replace", Value::from_function(filters::replace), value);
    add("reverse", Value::from_function(filters::reverse), value);
    add("split", Value::from_function(filters::split), value);
    add("title", Value::from_function(filters::title), value);
    // White space around HTML is no part of it.
    add("trim", Value::from_function(filters::trim), |i, n| {
        i == 0 && n > 1
    });
    // The template's own text may be HTML; values are encoded then, and cut if it says so.
    add("format", Value::from_function(format), |i, _| i > 0);
    env.add_function("range", |from: i32, to: Option<i32>, step: Option<i32>| {
        let wide = |n| n as isize;
        functions::range(wide(from), to.map(wide), step.map(wide))
    });
}

fn text(value: &Value) -> Value {
    match value.as_str() {
        Some(html) if value.is_safe() => Value::from(plain(html)),
        _ => value.clone(),
    }
}

/// The engine's, which panics at some that have thousands of digits.
fn format(state: &mut State, format: &Value, given: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    if format.as_str().is_some_and(is_wide) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "width and precision of a format have two digits at most",
        ));
    }
    filters::format(state, format, given)
}

fn is_wide(format: &str) -> bool {
    format
        .replace("%%", "")
        .split('%')
        .skip(1)
        .any(|conversion| {
            let named = conversion.strip_prefix('(').and_then(|c| c.split_once(')'));
            let conversion = named.map_or(conversion, |(_, after)| after);
            let end = conversion.find(|c: char| c.is_ascii_alphabetic());
            let numbers = end.map_or(conversion, |end| &conversion[..end]);
            let is_long = |n: &str| n.trim_start_matches(['-', '+', '#', ' ', '0']).len() > 2;
            numbers.contains('*') || numbers.split('.').any(is_long)
        })
}
