use std::io::Write;
use std::path::Path;

use clap::Parser;
use tempfile::NamedTempFile;

use super::layer::SETTINGS;
use super::*;

const EXAMPLE: &str = include_str!("../../campaign-runner.toml");

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    serve: ServeFlags,
}

fn flags(arguments: &[&str]) -> Flags {
    let cli = Cli::parse_from([&["campaign-runner"], arguments].concat());
    Flags {
        serve: cli.serve,
        ..cli.flags
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter();
    variables
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn file(content: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn from_all(
    toml: &str,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Result<Settings, String> {
    let file = file(toml);
    let mut flags = flags(arguments);
    flags.config = Some(file.path().to_owned());
    load(&flags, &environment(variables)).map_err(|refusal| {
        let path = file.path().display().to_string();
        refusal.to_string().replace(&path, "runner.toml")
    })
}

fn from_file(toml: &str) -> Result<Settings, String> {
    from_all(toml, &[], &[])
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, String> {
    load(&flags(&[]), &environment(variables)).map_err(|refusal| refusal.to_string())
}

fn from_flags(arguments: &[&str]) -> Result<Settings, String> {
    load(&flags(arguments), &environment(&[])).map_err(|refusal| refusal.to_string())
}

fn password(settings: &Settings) -> Option<&str> {
    settings.database.password.as_ref().map(Secret::reveal)
}

#[test]
fn without_any_source_the_defaults_hold() {
    let defaults = Settings {
        poll: Duration::from_secs(1),
        notify: true,
        log: Log {
            format: LogFormat::Text,
            level: "info,deadpool=off".to_owned(),
        },
        database: Database {
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: None,
            name: None,
            password: None,
        },
        serve: Serve {
            listen: "127.0.0.1:8080".parse().unwrap(),
            forwarded: false,
            cors_origin: None,
            docs: false,
            rate: NonZeroU32::new(50).unwrap(),
        },
    };
    assert_eq!(from_environment(&[]), Ok(defaults));
}

#[test]
fn the_example_is_the_defaults() {
    assert_eq!(from_file(EXAMPLE), from_environment(&[]));
}

#[test]
fn the_example_has_every_setting() {
    let uncommented = EXAMPLE.replace("\n#", "\n").replace("\n ", "\n# ");
    let file = file(&uncommented);
    let layer = Layer::from_file(file.path()).unwrap();
    for key in SETTINGS {
        assert!(format!("{layer:?}").contains(&format!("{key:?}")), "{key}");
    }
}

#[test]
fn each_layer_overrides_the_former() {
    let toml = r#"
        poll = "2s"
        notify = false
        [log]
        format = "json"
        level = "warn"
        [database]
        host = "file.example.net"
        port = 2
        user = "file_user"
        name = "file_name"
        [serve]
        listen = "127.0.0.2:80"
        forwarded = true
        cors_origin = "https://file.example.net"
        docs = false
        rate = 2
    "#;
    let variables = [
        ("CAMPAIGN_RUNNER_POLL", "3s"),
        ("CAMPAIGN_RUNNER_NOTIFY", "true"),
        ("CAMPAIGN_RUNNER_LOG_FORMAT", "text"),
        ("CAMPAIGN_RUNNER_LOG_LEVEL", "error"),
        ("PGHOST", "environment.example.net"),
        ("PGPORT", "3"),
        ("PGUSER", "environment_user"),
        ("PGDATABASE", "environment_name"),
        ("CAMPAIGN_RUNNER_LISTEN", "127.0.0.3:80"),
        ("CAMPAIGN_RUNNER_FORWARDED", "false"),
        (
            "CAMPAIGN_RUNNER_CORS_ORIGIN",
            "https://environment.example.net",
        ),
        ("CAMPAIGN_RUNNER_DOCS", "true"),
        ("CAMPAIGN_RUNNER_RATE", "3"),
    ];
    let arguments = [
        ["--poll", "4s"],
        ["--notify", "false"],
        ["--log-format", "json"],
        ["--log-level", "debug"],
        ["--pghost", "flag.example.net"],
        ["--pgport", "4"],
        ["--pguser", "flag_user"],
        ["--pgdatabase", "flag_name"],
        ["--listen", "127.0.0.4:80"],
        ["--forwarded", "true"],
        ["--cors-origin", "https://flag.example.net"],
        ["--docs", "false"],
        ["--rate", "4"],
    ];
    let settings = |seconds, notify, format, level: &str, source: &str| Settings {
        poll: Duration::from_secs(seconds),
        notify,
        log: Log {
            format,
            level: level.to_owned(),
        },
        database: Database {
            host: format!("{source}.example.net"),
            port: seconds as u16,
            user: Some(format!("{source}_user")),
            name: Some(format!("{source}_name")),
            password: None,
        },
        serve: Serve {
            listen: format!("127.0.0.{seconds}:80").parse().unwrap(),
            forwarded: !notify,
            cors_origin: Some(
                HeaderValue::try_from(format!("https://{source}.example.net")).unwrap(),
            ),
            docs: notify,
            rate: NonZeroU32::new(seconds as u32).unwrap(),
        },
    };
    assert_eq!(
        from_file(toml),
        Ok(settings(2, false, LogFormat::Json, "warn", "file"))
    );
    assert_eq!(
        from_all(toml, &variables, &[]),
        Ok(settings(3, true, LogFormat::Text, "error", "environment"))
    );
    assert_eq!(
        from_all(toml, &variables, arguments.as_flattened()),
        Ok(settings(4, false, LogFormat::Json, "debug", "flag"))
    );
}

#[test]
fn what_a_layer_does_not_say_is_as_before() {
    let settings = from_all("poll = '2s'", &[("PGHOST", "db")], &["--pgport", "6000"]).unwrap();
    assert_eq!(settings.poll, Duration::from_secs(2));
    assert_eq!(settings.database.host, "db");
    assert_eq!(settings.database.port, 6000);
    assert_eq!(settings.log.format, LogFormat::Text);
}

#[test]
fn the_file_is_found_by_a_variable_unless_a_flag_names_another() {
    let (named, other) = (file("poll = '5s'"), file("poll = '6s'"));
    let environment = environment(&[("CAMPAIGN_RUNNER_CONFIG", named.path().to_str().unwrap())]);
    let poll = |flags: &Flags| load(flags, &environment).unwrap().poll;
    assert_eq!(poll(&flags(&[])), Duration::from_secs(5));
    assert_eq!(
        poll(&flags(&["--config", other.path().to_str().unwrap()])),
        Duration::from_secs(6)
    );
}

#[test]
fn the_runners_own_variable_outranks_rust_log() {
    let level = |variables: &[_]| from_environment(variables).unwrap().log.level;
    let rust_log = ("RUST_LOG", "debug");
    assert_eq!(level(&[rust_log]), "debug");
    assert_eq!(
        level(&[rust_log, ("CAMPAIGN_RUNNER_LOG_LEVEL", "warn")]),
        "warn"
    );
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let settings = from_environment(&[("PGPORT", ""), ("PGUSER", ""), ("PGPASSWORD", "")]);
    assert_eq!(settings, from_environment(&[]));
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (written, duration) in [
        ("500ms", Duration::from_millis(500)),
        ("1m 30s", Duration::from_secs(90)),
    ] {
        assert_eq!(from_flags(&["--poll", written]).unwrap().poll, duration);
    }
}

#[test]
fn a_file_that_was_named_must_be_there() {
    assert_eq!(
        from_flags(&["--config", "/nowhere/runner.toml"]),
        Err(
            "the configuration file /nowhere/runner.toml cannot be read: No such file or directory (os error 2); \
             name one that is there by --config or CAMPAIGN_RUNNER_CONFIG"
                .to_owned()
        )
    );
}

#[test]
fn a_wrong_key_is_refused_with_the_nearest_right_one() {
    for (toml, error) in [
        (
            "pol = '1s'",
            "line 1: campaign-runner has no setting pol; did you mean poll?",
        ),
        (
            "[lgo]",
            "line 1: campaign-runner has no setting lgo; did you mean log?",
        ),
        (
            "[log]\nlevle = 'info'",
            "line 2: campaign-runner has no setting log.levle; did you mean log.level?",
        ),
        (
            "[databse]\n\nhost = 'db'",
            "line 3: campaign-runner has no setting databse.host; did you mean database.host?",
        ),
        (
            "database = { pasword = 'hunter2' }",
            "line 1: campaign-runner has no setting database.pasword; did you mean database.password?",
        ),
        (
            "port = 5432",
            "line 1: campaign-runner has no setting port; did you mean database.port?",
        ),
        (
            "[poll]\nevery = '1s'",
            "line 2: campaign-runner has no setting poll.every; there are poll, notify, log.format, log.level, \
             database.host, database.port, database.user, database.name, database.password, serve.listen, serve.forwarded, serve.cors_origin, serve.docs, serve.rate",
        ),
        ("log = 'json'", "line 1: log is a table; write [log]"),
        ("poll = ['1s']", "line 1: poll must be a single value"),
    ] {
        assert_eq!(from_file(toml), Err(format!("runner.toml, {error}")));
    }
}

#[test]
fn a_wrong_variable_is_refused_with_the_nearest_right_one() {
    let error = |name| from_environment(&[(name, "x")]).unwrap_err();
    assert_eq!(
        error("CAMPAIGN_RUNNER_LOGFORMAT"),
        "variable CAMPAIGN_RUNNER_LOGFORMAT: campaign-runner has no such variable; \
         did you mean CAMPAIGN_RUNNER_LOG_FORMAT?"
    );
    assert_eq!(
        error("CAMPAIGN_RUNNER_PGHOST"),
        "variable CAMPAIGN_RUNNER_PGHOST: campaign-runner has no such variable; did you mean PGHOST?"
    );
    assert!(error("CAMPAIGN_RUNNER_THREADS").contains("there are PGHOST, PGPORT, PGUSER"));
}

#[test]
fn a_wrong_value_is_refused_with_its_source() {
    let zero = r#"poll is "0s", but it must be longer than zero, as in "1s" or "500ms""#;
    for (refused, place) in [
        (from_file("\npoll = '0s'"), "runner.toml, line 2"),
        (
            from_environment(&[("CAMPAIGN_RUNNER_POLL", "0s")]),
            "variable CAMPAIGN_RUNNER_POLL",
        ),
        (from_flags(&["--poll", "0s"]), "flag --poll"),
    ] {
        assert_eq!(refused, Err(format!("{place}: {zero}")));
    }
}

#[test]
fn a_wrong_value_is_refused_with_what_would_be_right() {
    for (flag, value, error) in [
        (
            "--poll",
            "1",
            r#"poll is "1", but it must be a duration, as in "1s" or "500ms" (time unit needed, for example 1sec or 1ms)"#,
        ),
        (
            "--notify",
            "ture",
            r#"notify is "ture", but it must be true or false; did you mean "true"?"#,
        ),
        (
            "--log-format",
            "jsn",
            r#"log.format is "jsn", but it must be text or json; did you mean "json"?"#,
        ),
        (
            "--log-format",
            "logfmt",
            r#"log.format is "logfmt", but it must be text or json"#,
        ),
        (
            "--log-level",
            "info,campaign_runner=debgu",
            r#"log.level is "info,campaign_runner=debgu", but the level in "campaign_runner=debgu" is wrong: it must be off or error or warn or info or debug or trace; did you mean "debug"?"#,
        ),
        (
            "--pgport",
            "0",
            r#"database.port is "0", but it must be a port number from 1 to 65535"#,
        ),
        (
            "--pghost",
            "",
            r#"database.host is "", but it must not be empty"#,
        ),
    ] {
        let refused = from_flags(&[flag, value]);
        assert_eq!(refused, Err(format!("flag {flag}: {error}")));
    }
}

#[test]
fn values_of_the_file_are_taken_as_written() {
    for (toml, value) in [
        ("database.port = 5_432", "5_432"),
        ("database.port = 5432.0", "5432.0"),
        ("database.port = 70000", "70000"),
    ] {
        let error = from_file(toml).unwrap_err();
        assert!(error.contains(&format!("{value:?}")), "{error}");
    }
    assert!(from_file("notify = 1").is_err());
}

#[test]
fn a_level_that_tracing_would_take_for_a_target_is_refused() {
    assert!(from_flags(&["--log-level", "inof"]).is_err());
    assert!(from_flags(&["--log-level", "campaign_runner"]).is_err());
    for filter in [
        "off",
        "WARN",
        "info,campaign_runner::smtp=trace",
        "[chunk{job.no=3}]=debug",
    ] {
        assert_eq!(
            from_flags(&["--log-level", filter]).unwrap().log.level,
            filter
        );
    }
}

#[test]
fn the_password_is_a_literal_a_variable_or_a_file() {
    let secret = file("from file\n");
    let path = secret.path().display();
    for (form, expected) in [
        ("literal".to_owned(), "literal"),
        ("env:DB_PASSWORD".to_owned(), "from variable"),
        (format!("file:{path}"), "from file"),
    ] {
        let toml = format!("database.password = {form:?}");
        let settings = from_all(&toml, &[("DB_PASSWORD", "from variable")], &[]).unwrap();
        assert_eq!(password(&settings), Some(expected));
    }
}

#[test]
fn only_the_last_line_end_of_a_password_file_is_cut() {
    for (content, expected) in [("a b \n\n", "a b \n"), ("a\r\n", "a"), ("a", "a")] {
        let secret = file(content);
        let toml = format!("database.password = 'file:{}'", secret.path().display());
        assert_eq!(password(&from_file(&toml).unwrap()), Some(expected));
    }
}

#[test]
fn pgpassword_is_taken_literally_and_wins_over_the_file() {
    let toml = "database.password = 'file:/nowhere'";
    let settings = from_all(toml, &[("PGPASSWORD", "env:HOME")], &[]).unwrap();
    assert_eq!(password(&settings), Some("env:HOME"));
}

#[test]
fn a_password_that_is_not_there_is_refused() {
    for (form, error) in [
        (
            "env:NOWHERE",
            "names the variable NOWHERE, which is not set; set it",
        ),
        (
            "file:/nowhere",
            "names the file /nowhere, which cannot be read: No such file or directory (os error 2)",
        ),
        ("", "is empty"),
    ] {
        let refused = from_file(&format!("database.password = {form:?}"));
        let error = format!("runner.toml, line 1: database.password {error}");
        assert_eq!(refused, Err(error));
    }
}

#[test]
fn no_error_and_no_debug_output_shows_a_password() {
    for toml in [
        "database.password = 'hunter2",
        "database.password = ['hunter2']",
        "database.password = 'hunter2'\ndatabase.password = 'hunter2'",
        "database.pasword = 'hunter2'",
        "database.password = 'hunter2'\npoll = '0s'",
        "password = 'hunter2'",
        "hunter2 hunter2",
    ] {
        let error = from_file(toml).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let error = from_environment(&[("CAMPAIGN_RUNNER_PGPASSWORD", "hunter2")]).unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");

    let toml = "database.password = 'hunter2'";
    let settings = from_file(toml).unwrap();
    let layer = Layer::from_file(file(toml).path()).unwrap();
    let shown = format!("{settings:?} {layer:?} {:?}", settings.database.to_config());
    assert!(shown.contains("***"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_line() {
    let error = from_file("poll = '1s'\nnotify true").unwrap_err();
    assert!(
        error.starts_with("runner.toml, line 2: this is not TOML: "),
        "{error}"
    );
    let error = Layer::from_file(Path::new("/")).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let value = std::ffi::OsString::from_vec(vec![0xff]);
    let environment = Environment::from_iter([("PGUSER".into(), value)]);
    let refused = load(&flags(&[]), &environment).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "variable PGUSER: its value is not UTF-8; set another one"
    );
}

#[test]
fn tls_that_is_asked_for_and_cannot_be_had_is_refused() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let refusal = from_environment(&[("PGSSLMODE", mode)]).unwrap_err();
        assert!(refusal.contains("PGSSLMODE") && refusal.contains("TLS"));
    }
    assert!(from_environment(&[("PGSSLMODE", "prefer")]).is_ok());
}
