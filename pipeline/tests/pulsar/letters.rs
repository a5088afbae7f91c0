//! Messages that cannot be used: each becomes a dead letter that says why, none holds up what is behind it, and one
//! command sends them again.

use serde_json::Value;

use super::post::{Manner, Post, Sent};
use super::process::{finish, program};
use super::stage::{Engine, awaited, own_topic, reading, shared_broker};

fn body(text: &str) -> Sent {
    Sent { key: Some("PP:1".to_owned()), body: text.as_bytes().to_vec(), ..Sent::default() }
}

/// Messages that cannot be used, with the code and the field of each.
fn useless() -> Vec<(Sent, &'static str, &'static str)> {
    let hour = r#"{"ds":"2099-06-01T00:00:00Z","v":1}"#;
    let list = |predictions: &str| {
        body(&format!(r#"{{"unitForecastList":[{{"period":60,"predictions":[{predictions}]}}]}}"#))
    };
    let keyless = Sent { key: None, ..list(hour) };
    let arrow = "application/vnd.apache.arrow.stream";
    vec![
        (body("no JSON"), "UNREADABLE_BODY", ""),
        (body(""), "UNREADABLE_BODY", ""),
        (body(r#"{"unitForecastList":[]}"#), "VALIDATION_ERROR", "unitForecastList"),
        (
            body(r#"{"unitForecastList":[{"period":7,"predictions":[]}]}"#),
            "PERIOD_NOT_ALLOWED",
            "unitForecastList[0].period",
        ),
        (
            list(r#"{"ds":"2099-06-01T00:00:00Z","v":"x"}"#),
            "VALIDATION_ERROR",
            "unitForecastList[0].predictions[0].v",
        ),
        (list(r#"{"ds":"2099-06-01T00:17:00Z","v":1}"#), "UNALIGNED_DELIVERY", ""),
        (list(r#"{"ds":"2099-06-01T00:00:00Z","v":1e99}"#), "VALUE_OUT_OF_RANGE", ""),
        (
            body(r#"{"unitForecastList":[{"period":60,"predictions":[]}]}"#),
            "NO_PREDICTIONS",
            "predictions",
        ),
        (keyless.clone(), "VALIDATION_ERROR", "unitType"),
        (keyless.clone().with("unitType", "PP"), "VALIDATION_ERROR", "unitNo"),
        (keyless.with("unitType", "XX").with("unitNo", "1"), "VALIDATION_ERROR", "unitType"),
        (list(hour).with("provider", " "), "VALIDATION_ERROR", "provider"),
        (list(hour).with("kind", "guess"), "VALIDATION_ERROR", "kind"),
        (
            list(hour).with("shouldSkipExistingCheck", "perhaps"),
            "VALIDATION_ERROR",
            "shouldSkipExistingCheck",
        ),
        (list(hour).with("content-type", "text/csv"), "VALIDATION_ERROR", "content-type"),
        (list(hour).with("content-type", arrow), "UNREADABLE_BODY", ""),
        (Sent::save(99, 1, 1.0, "u").with("own", "kept"), "UNKNOWN_UNIT", ""),
        (Sent { key: Some("PP:0".to_owned()), ..list(hour) }, "VALIDATION_ERROR", "unitNo"),
    ]
}

#[test]
fn what_cannot_be_used_is_a_letter_that_says_why_and_holds_nothing_up() {
    let broker = shared_broker();
    let topic = own_topic();
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
    engine.make_plants(1..=1);
    let post = Post::new(&broker.url());
    let letters = format!("{topic}-dlq");
    post.keep(std::slice::from_ref(&letters));
    let useless = useless();
    // Among good ones, alone and in the same entry.
    for batch in [None, Some(5)] {
        let mut messages = Vec::new();
        for (number, (message, ..)) in useless.iter().enumerate() {
            messages.push(message.clone());
            messages.push(Sent::save(1, 3, number as f64, &format!("{batch:?}/{number:03}")));
        }
        post.send(&topic, &Manner { compression: None, batch }, &messages);
    }
    let all = 2 * useless.len() as u64;
    awaited("all letters", || (engine.counted("deadLetters") >= all).then_some(()));
    let found = post.all(&letters);
    assert_eq!(found.len() as u64, all);
    for (letter, (sent, code, field)) in found.iter().zip(useless.iter().chain(&useless)) {
        assert_eq!(letter.property("smartpulse-reason"), *code, "{letter:?}");
        assert_eq!(letter.property("smartpulse-field"), *field, "{letter:?}");
        assert_eq!((&letter.body, &letter.key), (&sent.body, &sent.key));
        for (name, value) in &sent.properties {
            assert_eq!(letter.property(name), value);
        }
        assert!(!letter.property("smartpulse-message").is_empty());
        assert_eq!(letter.property("smartpulse-topic"), topic);
        assert_eq!(letter.property("smartpulse-position").split(':').count(), 3);
        assert_eq!(letter.property("smartpulse-attempt"), "1");
    }
    assert_eq!(engine.notes(1).len() as u64, all, "every good message was taken in");
    awaited("an empty backlog", || (engine.source()["counts"]["backlog"] == 0).then_some(()));
}

/// A message of which a part was refused is a letter too, and is sent again only where that is asked for.
#[test]
fn letters_are_sent_again_by_one_command_once_they_can_be_used() {
    let broker = shared_broker();
    let topic = own_topic();
    let room = tempfile::tempdir().unwrap();
    let engine = Engine::start(&room.path().join("data"), &reading(&broker.url(), &topic));
    engine.make_plants(1..=1);
    let post = Post::new(&broker.url());
    let letters = format!("{topic}-dlq");
    post.keep(std::slice::from_ref(&letters));
    let partly = Sent {
        key: Some("PP:1".to_owned()),
        body: br#"{"unitForecastList":[{"period":60,"predictions":[{"ds":"2099-06-01T00:00:00Z","v":1},{"ds":"2099-06-01T01:00:00Z","v":9999999}]}],"note":"partly"}"#.to_vec(),
        ..Sent::default()
    };
    let unknown: Vec<Sent> =
        (0..5).map(|number| Sent::save(7, number, number as f64, &number.to_string())).collect();
    post.send(&topic, &Manner::plain(), &[&[partly][..], &unknown].concat());
    awaited("all letters", || (engine.counted("deadLetters") == 6).then_some(()));
    let found = post.all(&letters);
    let parts: Vec<&str> =
        found.iter().map(|letter| letter.property("smartpulse-partly")).collect();
    assert_eq!(parts, ["true", "", "", "", "", ""]);
    let slots: Value = serde_json::from_str(found[0].property("smartpulse-slots")).unwrap();
    assert_eq!(slots[0]["code"], "VALUE_OUT_OF_RANGE");
    assert_eq!(slots[0]["ds"], "2099-06-01T01:00:00Z");
    assert_eq!(engine.notes(1), ["partly"]);

    let send_again = |arguments: &[&str]| {
        let (data, setting) = engine.setting();
        let mut command = program();
        command.env("SMARTPULSE_PULSAR", setting).args(["dead-letters", "--json", "--data"]);
        let ended = finish(command.arg(data).args(arguments)).succeeded().json();
        let told = &ended["topics"][0];
        (told["sent"].as_u64().unwrap(), told["left"].as_u64().unwrap())
    };
    // Too early: they come back, as their second attempt.
    assert_eq!(send_again(&["--limit", "2"]), (2, 1));
    awaited("two more letters", || (engine.counted("deadLetters") == 8).then_some(()));
    let again = post.all(&letters);
    assert_eq!(again[7].property("smartpulse-attempt"), "2");
    assert_eq!(again[7].property("smartpulse-reason"), "UNKNOWN_UNIT");
    engine.make_plants(7..=7);
    assert_eq!(send_again(&["--topic", &topic]), (5, 1));
    awaited("what was sent again", || (engine.notes(7).len() == 5).then_some(()));
    let mut notes = engine.notes(7);
    notes.sort();
    assert_eq!(notes, ["0", "1", "2", "3", "4"]);
    assert_eq!(send_again(&[]), (0, 1), "nothing is sent twice");
    assert_eq!(send_again(&["--partly"]), (1, 0));
    awaited("the letter of the part", || (engine.counted("deadLetters") == 9).then_some(()));
}
