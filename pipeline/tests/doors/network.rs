//! A service that other machines reach: nothing but its health is told without the token, and who has the
//! token has everything a caller on the same machine has.

use std::process::Command;

use super::client::{forecasts, hour, hourly};
use super::process::{Server, finish, program};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn who_comes_from_afar_needs_the_token() {
    let room = tempfile::tempdir().unwrap();
    let (data, secret) = (room.path().join("data"), room.path().join("token"));
    std::fs::write(&secret, format!("{TOKEN}\n")).unwrap();
    let mut bare = program();
    bare.args(["serve", "--data"]).arg(&data).env("SMARTPULSE_LISTEN", "0.0.0.0:0");
    let ended = finish(&mut bare);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.words.contains("auth.token_file gives at least 32 characters"), "{ended:?}");
    assert!(!data.exists(), "a refused configuration changes nothing");

    let server = Server::start_with(&data, |command| {
        command.env("SMARTPULSE_AUTH__TOKEN_FILE", &secret);
        command.env("SMARTPULSE_LISTEN", "0.0.0.0:0");
    });
    let client = server.client();
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
    for path in ["/", "/metrics", "/api/v2.0/status", "/api/v2.0/stream?view=latest"] {
        assert_eq!(client.get(path).status, 401, "{path}");
    }
    let bearer = format!("Bearer {TOKEN}");
    let known = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let unit = br#"{"name": "Far away"}"#;
    assert_eq!(client.send("PUT", "/api/v2.0/units/PP/1", &known[1..], unit).status, 401);
    assert_eq!(client.send("PUT", "/api/v2.0/units/PP/1", &known, unit).status, 200);
    let body = hourly([(hour(1), 7.into())]).to_string();
    let saved = client.send("POST", &forecasts("P", 1), &known, body.as_bytes());
    assert_eq!(saved.status, 200, "{saved:?}");

    let url = format!("http://127.0.0.1:{}", server.address().port());
    let health = finish(program().args(["health", "--server", &url, "--json"])).succeeded();
    assert_eq!(health.json()["ready"], true);
    let export = |configure: &dyn Fn(&mut Command)| {
        let mut command = program();
        command.args(["export", "latest", "--json", "--server", &url, "--out"]);
        configure(command.arg(room.path().join("out")));
        finish(&mut command)
    };
    export(&|_| {}).failed_saying(&["UNAUTHORIZED"]);
    let exported = export(&|command| {
        command.env("SMARTPULSE_AUTH__TOKEN_FILE", &secret);
    });
    assert_eq!(exported.succeeded().json()["rows"], 1);
    server.stop().succeeded();
    let nobody = finish(program().args(["health", "--server", &url]));
    nobody.failed_saying(&["cannot reach", &url]);
}
