//! A view of a running service: its export door makes the files, here they are put where they belong.

use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum as _;
use serde_json::Value;
use smartpulse_connectors::PartialFolder;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::ExportArgs;
use super::export::Shown;
use super::progress::Progress;
use crate::export::parcel;

/// How long the service may take to be reached: it is on this machine.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to write the files; a little longer than it allows itself.
const ANSWER: Duration = Duration::from_secs(3_660);
/// The most of a refusal that is read.
const REFUSAL_BYTES: u64 = 64 << 10;

/// Writes the view that `server` shows to whoever has `token`; a former export stays until the new one is whole.
pub(super) fn fetch(
    server: &str,
    token: Option<String>,
    arguments: &ExportArgs,
    progress: &Progress,
) -> anyhow::Result<Shown> {
    let view = arguments.view.to_possible_value().context("every view has a word")?;
    let view = view.get_name();
    progress.say("exporting");
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER));
    let agent = Agent::from(config.build());
    let request = agent.get(format!("{server}/api/v2.0/export/{view}"));
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let request = words(arguments)
        .into_iter()
        .fold(request, |request, (word, value)| request.query(word, value));
    let mut response = request.call().with_context(|| format!("cannot reach {server}"))?;
    if !response.status().is_success() {
        return Err(refusal(server, &mut response));
    }
    let header = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let epoch = header("x-smartpulse-epoch").and_then(|text| text.parse().ok());
    let epoch = epoch.with_context(|| format!("{server} names no epoch: it is no SmartPulse"))?;
    let valid_at = header("x-smartpulse-valid-at");
    let valid_at = valid_at.with_context(|| format!("{server} names no reference instant"))?;
    let known_at = header("x-smartpulse-known-at");
    let folder = PartialFolder::create(&arguments.out, view)?;
    let rows = parcel::unpack(&mut response.into_body().into_reader(), folder.path())
        .with_context(|| format!("the export of {server} did not arrive"))?;
    folder.publish()?;
    Ok(Shown { rows, epoch, valid_at, known_at })
}

/// The words of the door that say what the flags say.
fn words(arguments: &ExportArgs) -> Vec<(&'static str, String)> {
    let instants = [
        ("valid_at", arguments.valid_at),
        ("known_at", arguments.known_at),
        ("from", arguments.from),
        ("to", arguments.to),
    ];
    let given = instants.map(|(word, instant)| (word, instant.map(|instant| instant.to_string())));
    let others = [
        ("period", arguments.period.map(|period| period.minutes().to_string())),
        ("provider", arguments.provider.clone()),
        ("completeness", Some(arguments.completeness.to_string())),
        ("at_epoch", arguments.epoch.map(|epoch| epoch.to_string())),
    ];
    let all = given.into_iter().chain(others);
    all.filter_map(|(word, value)| Some((word, value?))).collect()
}

/// What the service said instead: code, message, and the rules that were broken.
fn refusal(server: &str, response: &mut Response<Body>) -> anyhow::Error {
    let status = response.status();
    let text = response.body_mut().with_config().limit(REFUSAL_BYTES).read_to_string();
    let said: Value =
        text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let (Some(message), Some(code)) =
        (said["message"].as_str(), said["additionalData"]["code"].as_str())
    else {
        return anyhow::anyhow!("{server} answers {status}: it has no export door");
    };
    let fields = said["additionalData"]["fields"].as_object().into_iter().flatten();
    let rules = fields.flat_map(|(field, rules)| {
        let rules = rules.as_array().into_iter().flatten().filter_map(Value::as_str);
        rules.map(move |rule| format!("; {field} {rule}"))
    });
    anyhow::anyhow!("{code}: {message}{}", rules.collect::<String>())
}
