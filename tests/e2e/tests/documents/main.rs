//! What the documents show in psql is run and compared; `make test-docs UPDATE_DOCS=1` writes the outputs instead.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod document;
mod psql;
mod volatile;

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use e2e::{Db, Runner};
use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Script, Stage, Store};

use document::Document;
use psql::Psql;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_shows_what_psql_says() {
    check("README.md", []).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookbook_shows_what_psql_says() {
    let refused = Reply::new(550, "5.7.1 rejected by policy");
    check(
        "docs/administration.md",
        [
            Rule::for_local_part("imran.qureshi", Fault::Reply(Stage::Rcpt, refused)).first(1),
            Rule::for_local_part("aoife.brennan", Fault::DropAtDot { accepted: true }).first(1),
        ],
    )
    .await;
}

/// With the meetup of `make demo`, a runner, and a relay that fails by these rules.
async fn check(path: &str, rules: impl IntoIterator<Item = Rule>) {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let document = Document::parse(path, &text).unwrap_or_else(|fault| panic!("{fault}"));
    let db = Db::clone_template().await;
    let relay = Config {
        store: Store::Nowhere,
        script: Script::new(rules),
        ..Config::default()
    };
    let relay = Catcher::start(relay).await.expect("no SMTP server");
    load_meetup(&db, relay.addr()).await;
    let _runner = Runner::spawn(&db, &[]).await;

    let outputs = run(&document, &db)
        .await
        .unwrap_or_else(|fault| panic!("{fault}"));
    let differences = document.differences(&outputs);
    if differences.is_empty() {
        return;
    }
    if env::var("UPDATE_DOCS").is_ok_and(|update| update == "1") {
        // All of them, so that an id is the same wherever it appears.
        fs::write(root().join(path), document.with_outputs(&outputs)).unwrap();
        println!("{path}: outputs written");
    } else {
        panic!(
            "{}\nIf what psql says now (+) is right: make test-docs UPDATE_DOCS=1",
            differences.join("\n")
        );
    }
}

/// Runs the blocks in order in one session, each when the campaigns of the last have come to rest. Returns what psql
/// said to each, or what is wrong with the first that must not fail and does.
async fn run(document: &Document, db: &Db) -> Result<Vec<String>, String> {
    let mut psql = Psql::open(db);
    let mut outputs = Vec::new();
    for block in document.blocks() {
        let output = psql.run(block.sql(), block.may_fail()).await;
        outputs.push(output.map_err(|said| document.failure(block, &said))?);
        db.until(
            &format!("{}: campaigns and test mails come to rest", document.place(block)),
            "select not exists (select from campaign.email_jobs where status in ('pending', 'running', 'partial'))
               and not exists (select from campaign.test_mails where state in ('waiting', 'under way'))
               and not exists (select from campaign.integration_tests where state in ('waiting', 'under way'))",
            &[],
        )
        .await;
    }
    Ok(outputs)
}

async fn load_meetup(db: &Db, relay: SocketAddr) {
    // The template of the other tests would turn up in hints.
    db.run("delete from campaign.email_templates").await;
    // As `make up` sets it.
    db.run(
        "insert into campaign.setting (name, value) values ('public_url', 'http://127.0.0.1:8080')",
    )
    .await;
    for folder in ["sql/meetup", "sql/meetup/demo"] {
        let mut scripts: Vec<PathBuf> = fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
            .collect();
        scripts.sort();
        for script in scripts {
            psql::load(db, &script, relay).await;
        }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn parse(lines: &[&str]) -> Document {
    Document::parse("x.md", &lines.join("\n")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_output_is_reported_with_its_line() {
    let document = parse(&[
        "Two columns:",
        "```sql",
        "select 1 as one, 2 as two;",
        "```",
        "",
        "```text",
        " one | two",
        "-----+-----",
        "   1 |   3",
        "(1 row)",
        "```",
    ]);
    let db = Db::clone_template().await;
    let outputs = run(&document, &db).await.unwrap();
    let differences = document.differences(&outputs);
    assert_eq!(
        differences,
        [
            "x.md:2: psql says something else:\n   one | two\n  -----+-----\n-    1 |   3\n+    1 |   2\n  (1 row)\n"
        ]
    );
    let mended = Document::parse("x.md", &document.with_outputs(&outputs)).unwrap();
    assert!(mended.differences(&outputs).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_is_reported_unless_the_block_says_so() {
    let document = |info: &str| {
        let sql = "select 1/0;\nselect 2 as two;\n```\n";
        let text = "```text\nERROR:  division by zero\n two\n-----\n   2\n(1 row)\n```";
        Document::parse("x.md", &format!("{info}\n{sql}{text}")).unwrap()
    };
    let db = Db::clone_template().await;
    let fault = run(&document("```sql"), &db).await.unwrap_err();
    assert_eq!(
        fault,
        "x.md:1: it fails, and is not marked: ```sql fails:\n+ ERROR:  division by zero\n"
    );
    let marked = document("```sql fails");
    let outputs = run(&marked, &db).await.unwrap();
    assert_eq!(marked.differences(&outputs), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_psql_and_its_session_last_for_the_whole_document() {
    let document = parse(&[
        "```sql",
        "create temporary table t as select 7 as n;",
        "select n from t \\gset",
        "```",
        "```sql",
        "\\echo :n",
        "```",
        "```text",
        "7",
        "```",
    ]);
    let db = Db::clone_template().await;
    let outputs = run(&document, &db).await.unwrap();
    assert_eq!(document.differences(&outputs), [""; 0]);
}
