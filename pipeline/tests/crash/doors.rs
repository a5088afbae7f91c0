//! A caller of the doors: HTTP/1.1 over one connection, which knows whether an answer came.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take: generous, only to end a trial that hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) epoch: u64,
    pub(crate) body: Value,
}

/// A connection to the doors.
#[derive(Debug)]
pub(crate) struct Doors {
    address: SocketAddr,
    connection: BufReader<TcpStream>,
}

impl Doors {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there any more.
    pub(crate) fn at(address: SocketAddr) -> io::Result<Doors> {
        let connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_nodelay(true)?;
        Ok(Doors { address, connection: BufReader::new(connection) })
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.ask("GET", path, None, "")
    }

    /// Asks for a change. An error means that nobody knows whether it was made.
    pub(crate) fn ask(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        if let Some(key) = key {
            request.push_str(&format!("Idempotency-Key: {key}\r\n"));
        }
        if !body.is_empty() {
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.connection.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let head = self.line()?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status =
            status.ok_or_else(|| io::Error::other(format!("`{head}` is no status line")))?;
        let (mut epoch, mut length) = (0, 0);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let number = || value.trim().parse().map_err(io::Error::other);
            match name.to_ascii_lowercase().as_str() {
                "x-smartpulse-epoch" => epoch = number()?,
                "content-length" => length = number()?,
                _ => {}
            }
        }
        let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.connection.read_exact(&mut body)?;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        Ok(Answer { status, epoch, body })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
