//! One request, before it is sent: what does not change while it is tried again.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde::Serialize;
use uuid::Uuid;

use crate::error::Error;

/// A request to a path of the service.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    /// JSON.
    pub(crate) body: Option<Bytes>,
    pub(crate) is_gzip: bool,
    /// The tag of the copy that is held.
    pub(crate) none_match: Option<String>,
}

impl Call {
    /// A read of `path`, which begins with a slash and may have a query.
    pub fn get(path: impl Into<String>) -> Call {
        let (method, path) = (Method::GET, path.into());
        Call { method, path, key: None, body: None, is_gzip: false, none_match: None }
    }

    /// A change, with a fresh idempotency key: `POST`, `PUT` or `DELETE`.
    pub fn change(method: Method, path: impl Into<String>) -> Call {
        Call { method, key: Some(fresh_key()), ..Call::get(path) }
    }

    /// The same with this idempotency key, or with none: then nothing that was sent is sent again.
    pub fn with_key(self, key: Option<String>) -> Call {
        Call { key, ..self }
    }

    /// The same with a JSON body.
    pub fn with_json(self, body: &impl Serialize) -> Result<Call, Error> {
        let body = serde_json::to_vec(body).map_err(Error::unreadable)?;
        Ok(Call { body: Some(body.into()), is_gzip: false, ..self })
    }

    /// The same with a JSON body, compressed.
    pub fn with_gzip_json(self, body: &impl Serialize) -> Result<Call, Error> {
        let body = serde_json::to_vec(body).map_err(Error::unreadable)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).map_err(Error::unreadable)?;
        let body = encoder.finish().map_err(Error::unreadable)?;
        Ok(Call { body: Some(body.into()), is_gzip: true, ..self })
    }

    /// Whether it may be sent again when nobody knows what became of it.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.method.is_safe() || self.key.is_some()
    }
}

/// A key that no other request has.
fn fresh_key() -> String {
    Uuid::now_v7().to_string()
}
