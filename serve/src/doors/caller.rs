//! Who calls, and whether from here: loopback names only, and an identity that no header but a verified
//! token can change.

use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use sha2::{Digest, Sha256};
use smartpulse_operators::change::Checks;

use super::refusal::Refusal;
use super::rules::DoorRules;

/// A verified caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `local` or `token`.
    pub(crate) identity: &'static str,
    /// Whether it may write slots whose gate has closed.
    past_role: bool,
}

impl Caller {
    /// The caller of a request with these headers.
    pub(crate) fn admit(
        headers: &HeaderMap,
        uri: &Uri,
        rules: &DoorRules,
    ) -> Result<Caller, Refusal> {
        let port = loopback_port(headers, uri)?;
        refuse_foreign_origin(headers, port)?;
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            return Ok(Caller::with_roles("local", &rules.local_roles));
        };
        let given = authorization.to_str().ok().and_then(|text| text.split_once(' '));
        let bearer = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match (bearer, &rules.token) {
            (Some((_, given)), Some(token)) if same(given.trim(), token) => {
                Ok(Caller::with_roles("token", &rules.token_roles))
            }
            _ => Err(Refusal::Unauthorized),
        }
    }

    fn with_roles(identity: &'static str, roles: &[String]) -> Caller {
        Caller { identity, past_role: roles.iter().any(|role| role == DoorRules::PAST_ROLE) }
    }

    /// The rules a change of this caller is held to.
    pub(crate) fn checks(&self) -> Checks {
        Checks { gates: true, limits: true, locks: true, past_role: self.past_role }
    }
}

/// Compares digests, so that the time taken says nothing of where two texts differ.
fn same(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(token.iter()).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

/// The port of the one name the request came under; a page elsewhere that rebinds its name to this machine
/// has another.
fn loopback_port(headers: &HeaderMap, uri: &Uri) -> Result<Option<u16>, Refusal> {
    let mut hosts = headers.get_all(HOST).iter().map(|value| value.to_str().ok());
    let named = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => {
            return Err(Refusal::BadHeader("there is more than one Host".to_owned()));
        }
        (Some(host), None) => match host.and_then(plain_port) {
            Some(port) => return Ok(Some(port)),
            None => host.and_then(|host| host.trim().parse::<Authority>().ok()),
        },
        (None, _) => uri.authority().cloned(),
    };
    let host =
        named.ok_or_else(|| Refusal::BadHeader("the Host is missing or no name".to_owned()))?;
    if is_loopback(&host) {
        return Ok(host.port_u16());
    }
    Err(Refusal::Foreign(format!("{} is no loopback name", host.host())))
}

/// The names this machine has for itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The port of a loopback name as nearly every request writes it; none where it has to be looked at closely.
fn plain_port(host: &str) -> Option<u16> {
    let (name, port) = host.rsplit_once(':')?;
    let is_plain = LOOPBACK.contains(&name) && port.bytes().all(|digit| digit.is_ascii_digit());
    is_plain.then(|| port.parse().ok()).flatten()
}

fn is_loopback(authority: &Authority) -> bool {
    let plain = !authority.as_str().contains('@');
    plain && LOOPBACK.iter().any(|name| authority.host().eq_ignore_ascii_case(name))
}

fn refuse_foreign_origin(headers: &HeaderMap, port: Option<u16>) -> Result<(), Refusal> {
    for origin in headers.get_all(ORIGIN) {
        let own = origin.to_str().ok().and_then(|text| {
            let authority =
                text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
            let authority = authority.parse::<Authority>().ok()?;
            Some(is_loopback(&authority) && authority.port_u16() == port)
        });
        if own != Some(true) {
            return Err(Refusal::Foreign("the Origin is another site".to_owned()));
        }
    }
    Ok(())
}
