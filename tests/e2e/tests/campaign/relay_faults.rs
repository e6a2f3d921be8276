use e2e::{Db, Job, Runner, mails_to, relay, until};
use mail_catcher::{Catcher, Config, Fault, Reply, Rule, Stage, Store};
use serde_json::{Value, json};

/// `outcome phase code` of each attempt for this recipient.
async fn attempts(db: &Db, job: &Job, pos: i64) -> Vec<String> {
    db.all(
        "select concat_ws(' ', outcome, phase, smtp_code) from campaign.attempt
         where job_no = $1 and pos = $2 order by at, chunk_no",
        &[&job.job_no, &pos],
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_connections_are_retried_up_to_max_retries_and_never_after_the_dot() {
    const N: i64 = 40;
    let db = Db::clone_template().await;
    let unknown = Reply::new(550, "5.1.1 no such user");
    let unwanted = Reply::new(554, "5.7.1 not wanted");
    let catcher = relay(
        &db,
        [
            Rule::for_local_part("p1", Fault::Drop(Stage::Rcpt)).first(2),
            Rule::for_local_part("p2", Fault::Drop(Stage::Rcpt)),
            Rule::for_local_part("p3", Fault::DropAtDot { accepted: true }),
            Rule::for_local_part("p4", Fault::DropAtDot { accepted: false }),
            Rule::for_local_part("p5", Fault::Reply(Stage::Rcpt, unknown)),
            Rule::for_local_part("p6", Fault::Reply(Stage::Dot, unwanted)),
        ],
    )
    .await;
    let _runner = Runner::spawn(&db, &[]).await;

    let job = db
        .start(
            40,
            json!({"chunk_size": 30, "concurrency": 3, "max_retries": 3}),
        )
        .await;
    db.until_status(&job, "completed").await;

    assert_eq!(
        attempts(&db, &job, 1).await,
        ["deferred rcpt", "deferred rcpt", "sent dot 250"]
    );
    assert_eq!(
        attempts(&db, &job, 2).await,
        ["deferred rcpt", "deferred rcpt", "failed rcpt"]
    );
    assert_eq!(attempts(&db, &job, 3).await, ["uncertain dot"]);
    assert_eq!(attempts(&db, &job, 4).await, ["uncertain dot"]);
    assert_eq!(attempts(&db, &job, 5).await, ["failed rcpt 550"]);
    assert_eq!(attempts(&db, &job, 6).await, ["failed dot 554"]);
    let of_the_others: Vec<String> = db
        .all(
            "select distinct concat_ws(' ', outcome, smtp_code) from campaign.attempt where job_no = $1 and pos > 6",
            &[&job.job_no],
        )
        .await;
    assert_eq!(of_the_others, ["sent 250"]);

    for number in 1..=40 {
        let expected = usize::from(![2, 4, 5, 6].contains(&number));
        assert_eq!(
            mails_to(&catcher, &e2e::address(number)),
            expected,
            "p{number}"
        );
    }
    assert_eq!(db.count(&job, "sent_count").await, N - 5);
    assert_eq!(db.count(&job, "failed_count").await, 3);
    assert_eq!(db.count(&job, "uncertain_count").await, 2);
    let errors: Value = db
        .one(
            "select errors from campaign.email_jobs where id = $1",
            &[&job.id],
        )
        .await;
    let mut errors: Vec<(&str, i64)> = (errors.as_array().unwrap().iter())
        .map(|error| {
            let email = error["email"].as_str().unwrap();
            (email, error["attempts"].as_i64().unwrap())
        })
        .collect();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            ("p2@example.com", 3),
            ("p5@example.com", 1),
            ("p6@example.com", 1)
        ]
    );
    db.assert_books_hold(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_relay_is_down_recipients_wait_and_no_attempt_is_spent() {
    let db = Db::clone_template().await;
    let relay_of_before = relay(&db, []).await;
    let listen = relay_of_before.addr();
    relay_of_before.stop().await;
    let runner = Runner::spawn(&db, &[]).await;
    let job = db
        .start(200, json!({"chunk_size": 50, "max_retries": 1}))
        .await;
    until(
        "the runner says that the relay cannot be reached",
        async || (runner.log().contains("the relay cannot be reached")).then_some(()),
    )
    .await;

    let config = Config {
        listen,
        store: Store::Nowhere,
        ..Config::default()
    };
    let catcher = Catcher::start(config).await.unwrap();
    db.until_status(&job, "completed").await;

    job.assert_each_has_one_mail(&catcher, 200);
    assert_eq!(db.count(&job, "sent_count").await, 200);
    let outcomes: Vec<String> = db
        .all(
            "select outcome || ' ' || count(*) from campaign.attempt where job_no = $1 group by outcome",
            &[&job.job_no],
        )
        .await;
    assert_eq!(outcomes, ["sent 200"]);
    db.assert_books_hold(&job).await;
}
