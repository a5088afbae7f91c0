//! What is no envelope becomes a dead letter, and holds nothing up.

use super::chain::{Chain, source};
use super::process::{finish, program};
use super::random::plants;
use super::rows::{insert, row};
use super::stage::{Source, await_truth, awaited};

#[test]
fn what_is_no_envelope_is_a_letter_and_what_cannot_be_read_of_a_row_is_counted() {
    let chain = Chain::new(&plants());
    chain.await_read();
    let (server, name) = chain.tables();
    let topic = |table: &str| format!("persistent://public/default/{name}.{table}");
    let send = |topic: &str, body: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let settings = smartpulse_connectors::PulsarSettings {
                url: chain.broker.url(),
                ..smartpulse_connectors::PulsarSettings::default()
            };
            let client = Box::pin(smartpulse_connectors::connect(&settings)).await.unwrap();
            let producer = client.producer().with_topic(topic).build();
            let mut producer = Box::pin(producer).await.unwrap();
            let sent = Box::pin(producer.send_non_blocking(body)).await.unwrap();
            sent.await.unwrap();
        });
    };
    send(&topic("public.t004forecast"), "no JSON");
    send(&topic("public.t004forecast"), r#"{"op":"c","source":{"connector":"mysql"}}"#);
    send(&topic("transaction"), r#"{"status":"PERHAPS"}"#);
    chain.database.sql(
        "INSERT INTO t004forecast VALUES (gen_random_uuid(), 'XX', 1, '2026-03-01', '2026-03-01 01:00', 'Desk', '2026-01-01', 1)",
    );
    chain.database.sql(&insert(&[row(2, 2, 1, 1, "2")]));
    await_truth(&chain.engine, &server, &name, &["Desk"]);
    awaited("letters", || (chain.engine.counted("deadLetters") == 3).then_some(()));
    awaited("what was refused", || (chain.engine.counted("refused") == 4).then_some(()));
    let words = chain.engine.words();
    for word in ["source.connector must be postgresql", "unit_type must be", "status must be"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(chain.engine.source()["state"], "following");
    // They are sent again by the same command as others, and are letters again.
    let Source { setting, .. } = source(&chain.database, &chain.broker.url(), "");
    let mut command = program();
    command.env("SMARTPULSE_PULSAR", setting).args(["dead-letters", "--json", "--data"]);
    let data = chain.room.path().join("data");
    let ended = finish(command.arg(data)).succeeded().json();
    let sent = ended["topics"].as_array().unwrap().iter().filter_map(|it| it["sent"].as_u64());
    assert_eq!(sent.sum::<u64>(), 3, "{ended}");
    awaited("letters again", || (chain.engine.counted("deadLetters") == 6).then_some(()));
}
