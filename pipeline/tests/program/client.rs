//! A small HTTP client, and the few requests that many tests make.

use std::net::SocketAddr;

use serde_json::{Value, json};
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

/// A client; each request has a connection of its own.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    agent: Agent,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// The path of the forecasts of plant `unit_no` by `provider`.
pub(crate) fn forecasts(provider: &str, unit_no: u32) -> String {
    format!("/api/v2.0/production-forecast/{provider}/PP/{unit_no}/forecasts")
}

/// The body of a save of one hourly curve.
pub(crate) fn hourly(predictions: impl IntoIterator<Item = (String, Value)>) -> Value {
    let slot = |(start, value): (String, Value)| json!({ "ds": start, "v": value });
    let predictions: Vec<Value> = predictions.into_iter().map(slot).collect();
    json!({ "unitForecastList": [{ "period": 60, "predictions": predictions }] })
}

/// The start of an hour of a day far ahead, whose gate is open.
pub(crate) fn hour(hour: u32) -> String {
    format!("2099-06-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24)
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        // A server that refuses a request before its body has arrived closes the connection, so none is
        // kept for the next.
        let config =
            Agent::config_builder().max_idle_connections(0).max_idle_connections_per_host(0);
        let config = config.http_status_as_error(false).proxy(None).build();
        Client { base: format!("http://{address}"), agent: config.into() }
    }

    /// `GET`
    pub(crate) fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// `POST` of JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], body.to_string().as_bytes())
    }

    /// `PUT` of JSON.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], body.to_string().as_bytes())
    }

    /// Any method and body; JSON unless a header says otherwise.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let is_typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !is_typed {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(self.agent.run(request.body(body).expect("a request")))
    }

    /// Makes the plant `unit_no` known.
    pub(crate) fn make_plant(&self, unit_no: u32) {
        let name = json!({ "name": format!("plant {unit_no}") });
        self.put(&format!("/api/v2.0/units/PP/{unit_no}"), &name).expect_status(200);
    }

    /// Saves `value` MW for the hour `slot` of plant `unit_no`.
    pub(crate) fn save(&self, unit_no: u32, slot: u32, value: u32) -> Answer {
        let body = hourly([(hour(slot), json!(value))]);
        self.post(&forecasts("UserForecast", unit_no), &body)
    }

    /// The same where no answer may come.
    pub(crate) fn attempt_save(&self, unit_no: u32, slot: u32, value: u32) -> Option<u16> {
        let body = hourly([(hour(slot), json!(value))]).to_string();
        let path = format!("{}{}", self.base, forecasts("UserForecast", unit_no));
        let request = self.agent.post(path).header("content-type", "application/json");
        request.send(body.as_bytes()).ok().map(|response| response.status().as_u16())
    }

    /// The latest values of plant `unit_no` in the days of [`hour`]: slot start and MW.
    pub(crate) fn latest(&self, unit_no: u32) -> Vec<(String, Value)> {
        self.latest_with(unit_no, "")
    }

    /// The same with more query words, such as `&min_epoch=7`.
    pub(crate) fn latest_with(&self, unit_no: u32, words: &str) -> Vec<(String, Value)> {
        let path = forecasts("UserForecast", unit_no);
        let range = "from=2099-06-01T00:00:00Z&to=2099-07-01T00:00:00Z&no-details=true";
        let read = self.get(&format!("{path}/latest?{range}{words}")).expect_status(200).json();
        let Some(rows) = read["data"][0]["predictions"].as_array() else { return Vec::new() };
        let pair =
            |row: &Value| (row["ds"].as_str().unwrap_or_default().to_owned(), row["v"].clone());
        rows.iter().map(pair).collect()
    }
}

impl Answer {
    /// Itself, with the status expected.
    pub(crate) fn expect_status(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> String {
        self.json()["additionalData"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The epoch that a change names.
    pub(crate) fn epoch(&self) -> u64 {
        self.json()["additionalData"]["epoch"].as_u64().expect("a change names its epoch")
    }

    /// A header, empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

fn answer(response: Result<Response<Body>, ureq::Error>) -> Answer {
    let mut response = response.expect("the server answers");
    let body = response.body_mut().with_config().limit(1 << 30).read_to_vec();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: body.expect("the answer is whole"),
    }
}
