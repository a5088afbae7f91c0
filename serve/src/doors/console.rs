//! `GET /`: the console, as it was built into the program; else a page that says how to get it.

use axum::extract::Path;
use axum::http::{StatusCode, Uri};

use super::answer::Answer;
use super::refusal::Refusal;

/// The files of the console by name; empty where it was not built.
mod built {
    include!(concat!(env!("OUT_DIR"), "/console.rs"));
}

/// Everything comes from here; styles may be set by scripts that draw.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) bytes: &'static [u8],
    /// Its name changes with its content.
    pub(crate) is_named_by_content: bool,
    /// What its page may load.
    pub(crate) policy: &'static str,
}

/// `GET /`
pub(crate) async fn page() -> Answer {
    match find("index.html") {
        Some(file) => Answer::file(file),
        None => Answer::page(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned()),
    }
}

/// `GET /assets/{file}` and `GET /{file}`
pub(crate) async fn file(uri: Uri, Path(name): Path<String>) -> Result<Answer, Refusal> {
    let is_asset = uri.path().starts_with("/assets/");
    let name = if is_asset { format!("assets/{name}") } else { name };
    let nothing = || Refusal::NotFound(format!("there is nothing at {}", uri.path()));
    find(&name).map(Answer::file).ok_or_else(nothing)
}

fn find(name: &str) -> Option<File> {
    let (name, bytes) = built::FILES.iter().find(|(known, _)| *known == name)?;
    let content_type = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("json" | "webmanifest" | "map") => "application/json; charset=utf-8",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let is_named_by_content = name.starts_with("assets/");
    Some(File { content_type, bytes, is_named_by_content, policy: POLICY })
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<title>smartPulse</title>
<h1>smartPulse forecasts</h1>
<p>The forecast platform is running, built without its console: that needs Node 20 and
<code>cargo xtask run</code>. Everything else is here:</p>
<ul>
<li><a href="/api/v2.0/status">/api/v2.0/status</a>: epoch, clock, counts</li>
<li><a href="/api/v2.0/units">/api/v2.0/units</a>: the units</li>
<li>/api/v2.0/production-forecast/{provider}/{unitType}/{unitNo}/forecasts/latest: what is forecast now</li>
<li>the same with latest-by-date?date=, latest-by-production-time-offset?offset=, history, evolution?delivery=</li>
<li>/api/v2.0/totals/{company|group|region|plant_type|all}/{key}/{provider}: sums of plants</li>
<li>/api/v2.0/stream?view=latest&amp;unitType=PP&amp;unitNo=7: what changes, as it changes</li>
<li><a href="/api/v2.0/memberships">/api/v2.0/memberships</a> and <a href="/api/v2.0/locks">/api/v2.0/locks</a></li>
<li><a href="/health/ready">/health/ready</a> and <a href="/metrics">/metrics</a></li>
</ul>
</html>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_console_the_page_says_where_to_look() {
        for place in ["/api/v2.0/status", "/api/v2.0/units", "/api/v2.0/stream", "/metrics"] {
            assert!(PAGE.contains(place), "{place}");
        }
    }

    #[test]
    fn files_are_found_by_their_whole_names_only() {
        assert!(
            find("nothing.js").is_none() && find("").is_none() && find("../Cargo.toml").is_none()
        );
        for (name, bytes) in built::FILES {
            let file = find(name).unwrap();
            assert_eq!((file.bytes, file.content_type.is_empty()), (*bytes, false));
        }
    }
}
