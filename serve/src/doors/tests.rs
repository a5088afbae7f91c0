//! The doors from end to end: requests against a small engine in memory.

mod bodies;
mod callers;
mod codings;
mod engine;
mod exports;
mod reading;
mod rulings;
mod saving;
mod statements;
mod streams;
mod times;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use engine::Stage;

/// What came back.
#[derive(Debug)]
struct Heard {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Status and code of a refusal.
    fn code(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["statusCode"], self.status.as_u16());
        assert_eq!(json["isError"], true);
        assert_eq!(json["traceId"], self.header("x-trace-id").unwrap());
        assert!(json["additionalData"]["epoch"].is_u64());
        (self.status.as_u16(), json["additionalData"]["code"].as_str().unwrap_or("").to_owned())
    }

    /// Paths of the fields a refusal names.
    fn fields(&self) -> Vec<String> {
        let json = self.json();
        json["additionalData"]["fields"].as_object().unwrap().keys().cloned().collect()
    }
}

impl Stage {
    /// Sends a request as a loopback client would.
    async fn send(&self, mut request: Request<Body>) -> Heard {
        let headers = request.headers_mut();
        headers.entry("host").or_insert("127.0.0.1:8080".parse().unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Heard { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Heard {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Heard {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn write(&self, method: &str, path: &str, body: impl Into<Body>) -> Heard {
        self.write_with(method, path, &[], body).await
    }

    async fn write_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Heard {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Saves as provider `P` for plant 1.
    async fn save(&self, body: impl Into<Body>) -> Heard {
        self.write("POST", &forecasts(""), body).await
    }
}

/// The save door of plant 1 and provider `P`, with what follows.
fn forecasts(rest: &str) -> String {
    format!("/api/v2.0/production-forecast/P/PP/1/forecasts{rest}")
}

/// The body of a save of one entry at 60 minutes in MW.
fn hourly(predictions: &str) -> String {
    format!(r#"{{"unitForecastList":[{{"period":60,"predictions":[{predictions}]}}]}}"#)
}
