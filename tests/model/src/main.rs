//! `make model`: all configurations, and the counterexample for each guard. With the name of a guard: that one, step by step.

use std::process::ExitCode;

use model::configurations::{Configuration, LONG, REMOVALS, Removal, SHORT};
use model::properties::Property;
use model::search::Search;

fn main() -> ExitCode {
    match std::env::args().nth(1) {
        None => all(),
        Some(guard) => show(&guard),
    }
}

fn all() -> ExitCode {
    println!(
        "{:>10} {:>5} {:>8}  what may happen",
        "states", "steps", "time"
    );
    let held = SHORT
        .iter()
        .chain(LONG)
        .filter(|configuration| holds(configuration))
        .count();

    println!(
        "\n{:>10} {:>5} {:>8}  without this guard",
        "states", "steps", "time"
    );
    let found = REMOVALS.iter().filter(|removal| breaks(removal)).count();

    println!(
        "\n{held} of {} configurations hold; {found} of {} guards are missed when they are taken away",
        SHORT.len() + LONG.len(),
        REMOVALS.len()
    );
    ExitCode::from(u8::from(
        held < SHORT.len() + LONG.len() || found < REMOVALS.len(),
    ))
}

fn holds(configuration: &Configuration) -> bool {
    let search = configuration.search(&Property::ALL);
    println!(
        "{} {configuration}{}",
        figures(&search, search.depth),
        cut_off(&search)
    );
    if let Some(counterexample) = &search.counterexample {
        println!("{counterexample}");
    }
    search.counterexample.is_none()
}

fn breaks(removal: &Removal) -> bool {
    let search = removal.configuration().search(&[removal.breaks]);
    let steps = search
        .counterexample
        .as_ref()
        .map(|found| found.steps.len());
    let outcome = match steps {
        Some(_) => format!("breaks: {}", removal.breaks),
        None => "BREAKS NOTHING".to_owned(),
    };
    println!(
        "{} {:?} {outcome}",
        figures(&search, steps.unwrap_or_default()),
        removal.guard
    );
    steps.is_some()
}

fn figures(search: &Search, steps: usize) -> String {
    format!(
        "{:>10} {steps:>5} {:>7.1}s ",
        search.states,
        search.time.as_secs_f64()
    )
}

/// The model has no number for another chunk there, and looks no further.
fn cut_off(search: &Search) -> String {
    match search.cut_off {
        0 => String::new(),
        states => format!(" ({states} states cut off)"),
    }
}

fn show(guard: &str) -> ExitCode {
    let removal = REMOVALS
        .iter()
        .find(|removal| format!("{:?}", removal.guard) == guard);
    let Some(removal) = removal else {
        let guards: Vec<String> = REMOVALS
            .iter()
            .map(|removal| format!("{:?}", removal.guard))
            .collect();
        eprintln!("error: no guard {guard}\nThere are: {}", guards.join(", "));
        return ExitCode::from(2);
    };
    match removal
        .configuration()
        .search(&[removal.breaks])
        .counterexample
    {
        Some(counterexample) => {
            println!("{counterexample}");
            ExitCode::SUCCESS
        }
        None => ExitCode::FAILURE,
    }
}
