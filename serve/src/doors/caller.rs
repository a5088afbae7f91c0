//! Who calls, and whether from here: loopback names only, and an identity that no header but a verified
//! token can change. A service that is open to the network asks every caller for the token instead.

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};
use smartpulse_operators::change::Checks;

use super::refusal::Refusal;
use super::rules::DoorRules;

/// A verified caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// `local`, `token`, or `probe`: somebody on the network who asks whether the service lives.
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
        if rules.is_on_network {
            let host = named_host(headers, uri)?;
            refuse_foreign_origin(headers, |origin| {
                origin.as_str().eq_ignore_ascii_case(host.as_str())
            })?;
        } else {
            let port = loopback_port(headers, uri)?;
            refuse_foreign_origin(headers, |origin| {
                is_loopback(origin) && origin.port_u16() == port
            })?;
        }
        match headers.get(AUTHORIZATION) {
            None if !rules.is_on_network => Ok(Caller::with_roles("local", &rules.local_roles)),
            None if PROBES.contains(&uri.path()) => Ok(Caller::with_roles("probe", &[])),
            None => Err(Refusal::Unauthorized),
            Some(authorization) => match (given_token(authorization), &rules.token) {
                (Some(given), Some(token)) if same(&given, token) => {
                    Ok(Caller::with_roles("token", &rules.token_roles))
                }
                _ => Err(Refusal::Unauthorized),
            },
        }
    }

    fn with_roles(identity: &'static str, roles: &[String]) -> Caller {
        Caller { identity, past_role: roles.iter().any(|role| role == DoorRules::PAST_ROLE) }
    }

    /// The rules a change of this caller is held to.
    pub(crate) fn checks(&self) -> Checks {
        live_checks(self.past_role)
    }
}

/// The rules a live change is held to, of somebody who has the role that lifts gate closure or not.
pub(crate) fn live_checks(past_role: bool) -> Checks {
    Checks { gates: true, limits: true, locks: true, past_role }
}

/// What whoever runs the service asks without a token, on the network too: the answers hold no data.
const PROBES: [&str; 2] = ["/health/live", "/health/ready"];

/// The token of a request: borne as such, or as the password by which a browser asks its user for it.
fn given_token(authorization: &HeaderValue) -> Option<String> {
    let (scheme, given) = authorization.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(given.trim().to_owned());
    }
    let credentials = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(given.trim()));
    let credentials = String::from_utf8(credentials?.ok()?).ok()?;
    credentials.split_once(':').map(|(_, password)| password.to_owned())
}

/// Compares digests, so that the time taken says nothing of where two texts differ.
fn same(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(token.iter()).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

/// The port of the one name the request came under; a page elsewhere that rebinds its name to this machine
/// has another.
fn loopback_port(headers: &HeaderMap, uri: &Uri) -> Result<Option<u16>, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    if let (Some(host), None) = (hosts.next(), hosts.next())
        && let Some(port) = host.to_str().ok().and_then(plain_port)
    {
        return Ok(Some(port));
    }
    let host = named_host(headers, uri)?;
    if is_loopback(&host) {
        return Ok(host.port_u16());
    }
    Err(Refusal::Foreign(format!("{} is no loopback name", host.host())))
}

/// The one name the request came under.
fn named_host(headers: &HeaderMap, uri: &Uri) -> Result<Authority, Refusal> {
    let mut hosts = headers.get_all(HOST).iter().map(|value| value.to_str().ok());
    let named = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => {
            return Err(Refusal::BadHeader("there is more than one Host".to_owned()));
        }
        (Some(host), None) => host.and_then(|host| host.trim().parse::<Authority>().ok()),
        (None, _) => uri.authority().cloned(),
    };
    named.ok_or_else(|| Refusal::BadHeader("the Host is missing or no name".to_owned()))
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

fn refuse_foreign_origin(
    headers: &HeaderMap,
    is_own: impl Fn(&Authority) -> bool,
) -> Result<(), Refusal> {
    for origin in headers.get_all(ORIGIN) {
        let own = origin.to_str().ok().and_then(|text| {
            let authority =
                text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
            Some(is_own(&authority.parse::<Authority>().ok()?))
        });
        if own != Some(true) {
            return Err(Refusal::Foreign("the Origin is another site".to_owned()));
        }
    }
    Ok(())
}
