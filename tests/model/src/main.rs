use model::configurations::*;
use model::properties::Property;
fn main() {
    let what = std::env::args().nth(1).unwrap_or_default();
    if what == "short" {
        for c in SHORT {
            show(c);
        }
    }
    if what == "long" {
        for c in LONG {
            show(c);
        }
    }
    if what == "removals" {
        for r in REMOVALS {
            let found = r.configuration().search(&[r.breaks]);
            match &found.counterexample {
                Some(c) => println!(
                    "ok   {:?}: {} steps, {} states, {:?}",
                    r.guard,
                    c.steps.len(),
                    found.states,
                    found.time
                ),
                None => {
                    let any = r.configuration().search(&Property::ALL);
                    println!(
                        "NONE {:?} {} ({} states); any: {:?}",
                        r.guard,
                        r.breaks,
                        found.states,
                        any.counterexample.map(|c| (c.broken, c.steps.len()))
                    );
                }
            }
        }
    }
    if what == "show" {
        let g = std::env::args().nth(2).unwrap();
        for r in REMOVALS {
            if format!("{:?}", r.guard) == g {
                if let Some(c) = r.configuration().search(&[r.breaks]).counterexample {
                    println!("{}\n  {}", c.broken, c.steps.join("\n  "));
                }
            }
        }
    }
}
fn show(c: &Configuration) {
    let found = c.search(&Property::ALL);
    println!(
        "{c}: {} states depth {} cut {} {:?}",
        found.states, found.depth, found.cut_off, found.time
    );
    if let Some(c) = found.counterexample {
        println!("{}\n  {}", c.broken, c.steps.join("\n  "));
    }
}
