//! HTTP/1.1 as a load generator speaks it: one connection, one request at a time, prepared bytes out, a
//! length and a body in. It does no more than it must, so that little of what is measured is its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::str;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

/// How long an answer may take before it counts as lost: longer than the server waits itself.
const ANSWER: Duration = Duration::from_secs(90);
/// What a buffer begins with: most answers fit.
const BUFFER_BYTES: usize = 64 << 10;

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// An answer, in the buffer of its line.
pub(crate) struct Answer<'l> {
    pub(crate) status: u16,
    pub(crate) head: &'l [u8],
    pub(crate) body: &'l [u8],
}

impl Line {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> Result<Line> {
        let stream = TcpStream::connect(address).with_context(|| format!("no {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let (request, buffer) = (Vec::new(), vec![0; BUFFER_BYTES]);
        Ok(Line { stream, host: address.to_string(), request, buffer })
    }

    /// Reads `path`.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer<'_>> {
        let Line { host, request, .. } = self;
        request.clear();
        write!(request, "GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")?;
        self.exchange()
    }

    /// Posts JSON to `path`.
    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer<'_>> {
        let Line { host, request, .. } = self;
        request.clear();
        write!(
            request,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        )?;
        request.extend_from_slice(body);
        self.exchange()
    }

    fn exchange(&mut self) -> Result<Answer<'_>> {
        self.stream.write_all(&self.request)?;
        let mut filled = 0;
        let (head, status, length) = loop {
            let count = self.stream.read(&mut self.buffer[filled..]).context("no answer")?;
            ensure!(count > 0, "the connection has ended");
            filled += count;
            if let Some(head) = end_of_head(&self.buffer[..filled]) {
                let (status, length) = framing(&self.buffer[..head])?;
                break (head, status, length);
            }
            ensure!(filled < self.buffer.len(), "a head of over {filled} bytes");
        };
        let whole = head + length;
        if self.buffer.len() < whole {
            self.buffer.resize(whole, 0);
        }
        while filled < whole {
            let count = self.stream.read(&mut self.buffer[filled..]).context("half an answer")?;
            ensure!(count > 0, "the connection has ended in an answer");
            filled += count;
        }
        ensure!(filled == whole, "more came than was asked for");
        let (head, body) = self.buffer[..whole].split_at(head);
        Ok(Answer { status, head, body })
    }
}

impl Answer<'_> {
    /// Itself, if it is a success; else what it says.
    pub(crate) fn success(self) -> Result<Self> {
        ensure!(
            self.status == 200,
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body[..self.body.len().min(500)])
        );
        Ok(self)
    }

    /// Whether the head holds this text; names of headers come in small letters.
    pub(crate) fn head_says(&self, text: &str) -> bool {
        find(self.head, text.as_bytes()).is_some()
    }

    /// The number that stands behind the first `name` in the body.
    pub(crate) fn number(&self, name: &str) -> Result<u64> {
        number_behind(self.body, name).with_context(|| {
            format!(
                "no {name} in {}",
                String::from_utf8_lossy(&self.body[..self.body.len().min(500)])
            )
        })
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

/// The number behind the first `"name":` of JSON without blanks.
fn number_behind(json: &[u8], name: &str) -> Option<u64> {
    let wanted = format!("\"{name}\":");
    let behind = find(json, wanted.as_bytes())? + wanted.len();
    let digits = json[behind..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&json[behind..behind + digits]).ok()?.parse().ok()
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// Status and length of the body.
fn framing(head: &[u8]) -> Result<(u16, usize)> {
    let text = str::from_utf8(head).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.with_context(|| format!("no status: {text}"))?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok((status, value.trim().parse().context("a length that is none")?));
        }
    }
    bail!("an answer without a length: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_apart() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nx-cache-level: encoded\r\n\r\n";
        assert_eq!(end_of_head(head), Some(head.len()));
        assert_eq!(framing(head).unwrap(), (200, 12));
        assert!(framing(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(framing(b"nothing\r\n\r\n").is_err());
    }

    #[test]
    fn numbers_are_found_behind_their_names() {
        let json = br#"{"additionalData":{"epoch":41,"sequence":7},"data":[{"savedCount":96}]}"#;
        assert_eq!(number_behind(json, "epoch"), Some(41));
        assert_eq!(number_behind(json, "sequence"), Some(7));
        assert_eq!(number_behind(json, "savedCount"), Some(96));
        assert_eq!(number_behind(json, "data"), None);
        assert_eq!(number_behind(json, "skipped"), None);
    }
}
