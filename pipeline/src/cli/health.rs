//! `smartpulse health`: asks a running service whether it is ready, for whoever watches over it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use ureq::Agent;

use super::{HealthArgs, Shared};

/// A service that is well answers at once.
const WAIT: Duration = Duration::from_secs(5);
/// The most of an answer that is read.
const ANSWER_BYTES: u64 = 64 << 10;

/// Runs the command.
///
/// # Errors
/// The reason why the service is not ready, or that nobody answers.
pub fn run(shared: &Shared, arguments: &HealthArgs) -> anyhow::Result<()> {
    let server = match &arguments.server {
        Some(server) => server.clone(),
        None => format!("http://{}", reached_from_here(shared.load(None)?.config.listen)),
    };
    let config =
        Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(WAIT));
    let request = Agent::from(config.build()).get(format!("{server}/health/ready"));
    let mut answer = request.call().with_context(|| format!("cannot reach {server}"))?;
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
    let body: Value =
        text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    anyhow::ensure!(
        status.is_success(),
        "{server} is not ready ({status}): {}",
        body["message"].as_str().unwrap_or("it gives no reason")
    );
    shared.say(&format!("{server} is ready"));
    shared.print(&json!({ "ready": true }));
    Ok(())
}

/// Where a service that listens there is found on its own machine.
fn reached_from_here(listen: SocketAddr) -> SocketAddr {
    let own: IpAddr = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(own, listen.port())
}
