//! Bodies: read whole, decoded while they arrive, never past the bound.

use std::io::{self, Write};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Method};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use sha2::{Digest, Sha256};
use zstd::stream::write::Decoder as ZstdDecoder;

use super::desk::Desk;
use super::exchange::Call;
use super::refusal::Refusal;
use crate::command::Idempotency;

/// Greatest zstd window: what RFC 8878 asks a decoder to support, so that a frame's header cannot make us
/// reserve more.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Longest idempotency key.
const KEY_CHARS: usize = 255;

/// A request that carries a body, decoded.
#[derive(Debug)]
pub(crate) struct Posted {
    /// The decoded body; may be empty on DELETE.
    pub(crate) body: Vec<u8>,
    /// What makes a repetition give the first answer.
    pub(crate) idempotency: Option<Idempotency>,
    /// Who sent it.
    pub(crate) call: Call,
}

impl FromRequest<Arc<Desk>> for Posted {
    type Rejection = Refusal;

    async fn from_request(request: Request, desk: &Arc<Desk>) -> Result<Posted, Refusal> {
        let (parts, body) = request.into_parts();
        let Some(call) = parts.extensions.get::<Call>().cloned() else {
            return Err(Refusal::Unauthorized);
        };
        let rules = &desk.doors.rules;
        let key = idempotency_key(&parts.headers)?;
        if parts.method != Method::DELETE {
            require_json(&parts.headers)?;
        }
        let decoder = Decoder::new(&parts.headers, rules.body_bytes)?;
        let body = tokio::time::timeout(rules.body_wait, decoder.read(body))
            .await
            .map_err(|_| Refusal::Broken("it took too long".to_owned()))??;
        if parts.method == Method::DELETE && !body.is_empty() {
            require_json(&parts.headers)?;
        }
        let scope = |key: &str| {
            let mut hash = Sha256::new();
            for part in [call.caller.identity, parts.uri.path(), key] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
            hash.finalize().into()
        };
        let idempotency =
            key.map(|key| Idempotency { scope: scope(key), body: Sha256::digest(&body).into() });
        Ok(Posted { body, idempotency, call })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    value
        .to_str()
        .ok()
        .filter(visible)
        .filter(|text| (1..=KEY_CHARS).contains(&text.len()))
        .map(Some)
        .ok_or_else(|| {
            Refusal::BadHeader("an Idempotency-Key is 1 to 255 visible ASCII characters".to_owned())
        })
}

/// A page elsewhere can send forms and plain text without asking, but not JSON.
fn require_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if !is_json {
        return Err(Refusal::MediaType("the Content-Type must be application/json".to_owned()));
    }
    let charset = parts.find_map(|part| Some(part.strip_prefix("charset=")?.to_owned()));
    if charset.is_some_and(|charset| charset.trim_matches('"') != "utf-8") {
        return Err(Refusal::MediaType("the charset must be utf-8".to_owned()));
    }
    Ok(())
}

/// Decodes a body as its parts arrive.
enum Decoder {
    Plain(Bounded),
    Gzip(MultiGzDecoder<Bounded>),
    Zstd(ZstdDecoder<'static, Bounded>),
}

/// A buffer that refuses to grow past its bound.
struct Bounded {
    bytes: Vec<u8>,
    bound: usize,
    overflowed: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.bound - self.bytes.len() {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let needed = self.bytes.len() + part.len();
        if needed > self.bytes.capacity() {
            // Fourfold: what is copied while it grows stays small beside it; room not written to costs
            // nothing.
            let room = needed.saturating_mul(4).min(self.bound);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder {
    fn new(headers: &HeaderMap, bound: usize) -> Result<Decoder, Refusal> {
        let buffer = Bounded { bytes: Vec::new(), bound, overflowed: false };
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        let coding = codings.next().map_or(Some("identity"), |value| value.to_str().ok());
        let coding = coding.filter(|_| codings.next().is_none()).map(str::to_ascii_lowercase);
        match coding.as_deref().map(str::trim) {
            Some("identity" | "") => Ok(Decoder::Plain(buffer)),
            Some("gzip" | "x-gzip") => Ok(Decoder::Gzip(MultiGzDecoder::new(buffer))),
            Some("zstd") => {
                let mut decoder = ZstdDecoder::new(buffer).map_err(|error| broken(&error))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| broken(&error))?;
                Ok(Decoder::Zstd(decoder))
            }
            _ => Err(Refusal::MediaType("the Content-Encoding must be gzip or zstd".to_owned())),
        }
    }

    async fn read(mut self, mut body: Body) -> Result<Vec<u8>, Refusal> {
        let mut raw = 0;
        let bound = self.buffer().bound;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::Broken(error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            raw += data.len();
            if raw > bound {
                return Err(Refusal::BodyTooLarge { bound });
            }
            let taken = match &mut self {
                Decoder::Plain(buffer) => buffer.write_all(&data),
                Decoder::Gzip(decoder) => decoder.write_all(&data),
                Decoder::Zstd(decoder) => decoder.write_all(&data),
            };
            self.check(taken)?;
        }
        let ended = match &mut self {
            _ if raw == 0 => Ok(()),
            Decoder::Plain(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zstd(decoder) => decoder.do_finish(),
        };
        self.check(ended)?;
        Ok(std::mem::take(&mut self.buffer().bytes))
    }

    fn check(&mut self, result: io::Result<()>) -> Result<(), Refusal> {
        let buffer = self.buffer();
        match result {
            Err(_) if buffer.overflowed => Err(Refusal::BodyTooLarge { bound: buffer.bound }),
            Err(error) => Err(broken(&error)),
            Ok(()) => Ok(()),
        }
    }

    fn buffer(&mut self) -> &mut Bounded {
        match self {
            Decoder::Plain(buffer) => buffer,
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

fn broken(error: &io::Error) -> Refusal {
    Refusal::Broken(format!("its coding is damaged: {error}"))
}
