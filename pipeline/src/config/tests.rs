//! Rules of the configuration.

use super::*;

#[test]
fn flags_outweigh_the_file_and_secrets_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smartpulse.toml");
    std::fs::write(&file, "workers = 3\nmax_values = 7\n[auth]\ntoken = \"hush\"\n").unwrap();
    let flags = BTreeMap::from([("workers", json!(2))]);
    let loaded = load(Some(&file), &flags).unwrap();
    assert_eq!((loaded.config.workers, loaded.config.max_values), (2, 7));
    let table = loaded.table();
    let row = |name: &str| table.iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(row("workers")["source"], "flag");
    assert!(row("max_values")["source"].as_str().unwrap().starts_with("file "));
    assert_eq!(row("gate_minutes")["source"], "default");
    assert_eq!(row("auth.token")["value"], "********");
    assert!(!serde_json::to_string(&table).unwrap().contains("hush"));
}

#[test]
fn every_setting_is_in_the_table() {
    let values = serde_json::to_value(Config::default()).unwrap();
    let mut names = Vec::new();
    for (name, value) in values.as_object().unwrap() {
        match value.as_object() {
            Some(inner) => names.extend(inner.keys().map(|key| format!("{name}.{key}"))),
            None => names.push(name.clone()),
        }
    }
    names.sort();
    let mut documented: Vec<String> =
        SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    documented.sort();
    assert_eq!(names, documented);
}

#[test]
fn an_address_that_others_reach_needs_a_token_that_none_guesses() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    let token = "0123456789abcdef0123456789abcdef";
    let listening = |auth: Value| {
        load(None, &BTreeMap::from([("listen", json!("0.0.0.0:80")), ("auth", auth)]))
            .map(|loaded| loaded.config.auth.token)
            .map_err(|problem| problem.to_string())
    };
    std::fs::write(&secret, format!("{token}\n")).unwrap();
    assert_eq!(listening(json!({"token": token})), Ok(Some(token.to_owned())));
    assert_eq!(listening(json!({"token_file": secret})), Ok(Some(token.to_owned())));
    let flags = BTreeMap::from([("auth", json!({"token_file": secret}))]);
    let table = load(None, &flags).unwrap().table();
    let row = table.iter().find(|row| row["name"] == "auth.token").unwrap();
    assert_eq!(row["source"], format!("file {}", secret.display()));
    assert_eq!(row["value"], "********");
    let refused = |auth: Value| listening(auth).unwrap_err();
    assert!(refused(json!({"token": "short"})).contains("at least 32 characters"));
    assert!(refused(json!({"token": "0123456789abcdef 0123456789abcdef"})).contains("auth.token"));
    assert!(refused(json!({"token": token, "token_file": secret})).contains("auth.token_file"));
    std::fs::write(&secret, "\n").unwrap();
    assert!(refused(json!({"token_file": secret})).contains("auth.token must be"));
    let nowhere = folder.path().join("nowhere");
    assert!(refused(json!({"token_file": nowhere})).contains("nowhere cannot be read"));
}

#[test]
fn bad_values_name_the_setting_and_the_rule() {
    let refused = |name: &'static str, value: Value| {
        load(None, &BTreeMap::from([(name, value)])).err().unwrap().to_string()
    };
    assert!(
        refused("allowed_periods", json!([7])).contains("allowed_periods must be divisors of 1440")
    );
    assert!(refused("listen", json!("0.0.0.0:80")).contains("listen must be a loopback address"));
    assert!(refused("listen", json!("[::]:80")).contains("listen must be a loopback address"));
    assert!(refused("workers", json!("many")).contains("workers"));
    assert!(refused("wrokers", json!(1)).contains("wrokers"));
}
