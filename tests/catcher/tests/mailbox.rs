//! Mails as files, and the program around the server.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use mail_catcher::{Catcher, Config, Store};
use rustix::process::{Pid, Signal, kill_process};
use support::{Client, mail};

async fn catcher(dir: &Path) -> Catcher {
    let store = Store::Mailbox(dir.to_owned());
    Catcher::start(Config {
        store,
        ..Config::default()
    })
    .await
    .unwrap()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_acknowledged_mail_is_a_whole_file_and_a_line_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let catcher = catcher(dir.path()).await;
    let mut client = Client::ready(catcher.addr()).await;
    assert_eq!(client.send("niamh.o'connor@example.com").await, Some(250));
    let name = "00000001-niamh.o_connor@example.com.eml";
    assert_eq!(names(dir.path()), [name, "log.jsonl"]);
    let text = fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(text, mail("niamh.o'connor@example.com"));
    let log = fs::read_to_string(dir.path().join("log.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
    assert_eq!(line["message_id"], "<niamh.o'connor@example.com>");
    assert_eq!(line["recipient"], "niamh.o'connor@example.com");
    assert_eq!(line["from"], "hello@example.net");
    assert_eq!(line["file"], name);
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let catcher = catcher(dir.path()).await;
        let mut client = Client::ready(catcher.addr()).await;
        assert_eq!(client.send("ana@example.com").await, Some(250));
        catcher.stop().await;
    }
    let expected = [
        "00000001-ana@example.com.eml",
        "00000002-ana@example.com.eml",
        "log.jsonl",
    ];
    assert_eq!(names(dir.path()), expected);
    let log = fs::read_to_string(dir.path().join("log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2);
}

#[tokio::test]
async fn a_mail_that_cannot_be_stored_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let catcher = catcher(dir.path()).await;
    let mut client = Client::ready(catcher.addr()).await;
    dir.close().unwrap();
    assert_eq!(client.send("ana@example.com").await, Some(451));
    assert!(catcher.accepted().is_empty());
}

#[tokio::test]
async fn the_program_says_where_it_listens_and_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_mail-catcher"))
        .args(["--listen", "127.0.0.1:0", "--mailbox"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addr = line
        .trim()
        .strip_prefix("listening on ")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        Client::ready(addr).await.send("ana@example.com").await,
        Some(250)
    );
    let pid = Pid::from_raw(program.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(program.wait().unwrap().success());
    assert_eq!(
        names(dir.path()),
        ["00000001-ana@example.com.eml", "log.jsonl"]
    );
}
