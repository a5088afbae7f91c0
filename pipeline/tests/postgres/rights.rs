//! Who may read: a user with a password over a connection that is known by its certificate, with no more rights than it
//! takes.

use std::fs;

use serde_json::Value;
use smartpulse_connectors::POSTGRES_LEGACY_SCHEMA;
use smartpulse_services::Postgres;

use super::random::{Desk, PROVIDERS, plants};
use super::stage::{Engine, await_truth};

#[test]
fn a_user_with_few_rights_reads_over_a_connection_that_is_known() {
    let server = Postgres::start().unwrap();
    server.sql(POSTGRES_LEGACY_SCHEMA).unwrap();
    server.sql(&plants()).unwrap();
    let room = tempfile::tempdir().unwrap();
    let ca_file = server.speak_tls().unwrap();
    // Only that user, only with its password, only over TLS.
    let rules = server.sql("SHOW hba_file").unwrap();
    let before = fs::read_to_string(&rules).unwrap();
    let reader = "hostssl all,replication reader 127.0.0.1/32 scram-sha-256\nhost all,replication reader 127.0.0.1/32 reject\n";
    fs::write(&rules, format!("{reader}{before}")).unwrap();
    server
        .sql(
            "SET password_encryption = 'scram-sha-256'; CREATE ROLE reader LOGIN REPLICATION PASSWORD 'hush, hush'; \
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; SELECT pg_reload_conf();",
        )
        .unwrap();
    let password = room.path().join("password");
    fs::write(&password, "hush, hush\n").unwrap();
    let setting = |more: &str| {
        format!(
            "[{{url=\"postgres://reader@127.0.0.1:{}/postgres\", slot=\"engine\", timeout_ms=3000, \
             password_file={:?}{more}}}]",
            server.port(),
            password.display().to_string()
        )
    };
    let known = format!(", tls=\"verify-full\", ca_file={:?}", ca_file.display().to_string());
    let await_reason = |engine: &Engine, words: &str| {
        let mut source = Value::Null;
        for _ in 0..400 {
            source = engine.source();
            if source["reason"].as_str().unwrap_or_default().to_lowercase().contains(words) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("no {words:?}: {source}");
    };
    let mut engine = Engine::start(&room.path().join("data"), &setting(""));
    await_reason(&engine, "reject");
    engine.stop();
    engine.set(&setting(", tls=\"verify-full\""));
    engine.start_again();
    await_reason(&engine, "certificate");
    engine.stop();
    engine.set(&setting(&known));
    engine.start_again();
    // The publication is an owner's to make; how is said.
    await_reason(&engine, "let an owner of the tables run: create publication");
    let reason = engine.source()["reason"].as_str().unwrap().to_owned();
    let statement = &reason[reason.find("CREATE PUBLICATION").unwrap()..];
    server.sql(statement).unwrap();
    engine.await_following();
    server.sql(&Desk::new(1, 0).transactions(20)).unwrap();
    await_truth(&engine, &server, "postgres", &PROVIDERS);
    assert!(!engine.words().contains("hush"), "a password is in the log");
    engine.stop();
    // Encrypted, whoever the server is.
    engine.set(&setting(", tls=\"require\""));
    engine.start_again();
    engine.await_following();
}
