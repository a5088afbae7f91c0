//! A server with hand-written answers: each request is kept and answered by what the test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smartpulse_client::{BackOff, Client, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /path`.
    pub(crate) line: String,
    /// By names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The number of its connection, from 0.
    pub(crate) connection: usize,
}

/// What is done with it.
pub(crate) enum Reply {
    /// These bytes, and the next request may come.
    Say(Vec<u8>),
    /// These bytes, then the connection is closed.
    SayAndCut(Vec<u8>),
    /// These bytes, then nothing, until the client goes.
    SayAndHold(Vec<u8>),
}

/// A running server; stopped when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts one that answers request number `n`, from 0, as `answer(n, request)` says.
    pub(crate) async fn start(
        answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::on(listener, answer)
    }

    /// The same on a socket that listens.
    pub(crate) fn on(
        listener: TcpListener,
        answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Request>>>::default();
        let mut tasks = JoinSet::new();
        let (requests, answer) = (Arc::clone(&seen), Arc::new(answer));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (seen, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                connections.spawn(async move { serve(socket, connection, &seen, &*answer).await });
            }
        });
        Server { address, seen, _tasks: tasks }
    }

    /// A client that does not wait long.
    pub(crate) fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    /// The same, told more.
    pub(crate) fn client_with(&self, tell: impl FnOnce(&mut Options)) -> Client {
        client(self.address, tell)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// A client of `address` that does not wait long.
pub(crate) fn client(address: SocketAddr, tell: impl FnOnce(&mut Options)) -> Client {
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(5));
    let mut options =
        Options { back_off: BackOff { first, longest, tries: 5 }, ..Options::default() };
    tell(&mut options);
    Client::with_options(&format!("http://{address}"), options).unwrap()
}

async fn serve(
    mut socket: TcpStream,
    connection: usize,
    seen: &Mutex<Vec<Request>>,
    answer: &(impl Fn(usize, &Request) -> Reply + Send + Sync),
) {
    let mut bytes = Vec::new();
    while let Some(request) = read(&mut socket, &mut bytes, connection).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let (say, is_cut, is_held) = match answer(number, &request) {
            Reply::Say(say) => (say, false, false),
            Reply::SayAndCut(say) => (say, true, false),
            Reply::SayAndHold(say) => (say, false, true),
        };
        // The client may have gone.
        let _ = socket.write_all(&say).await;
        if is_cut {
            return;
        }
        if is_held {
            let _ = socket.read_to_end(&mut bytes).await;
        }
    }
}

/// The next request; none when the client has gone.
async fn read(socket: &mut TcpStream, bytes: &mut Vec<u8>, connection: usize) -> Option<Request> {
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break String::from_utf8(bytes.drain(..at + 4).collect()).unwrap();
        }
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_lowercase(), value.to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(header).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < length {
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = bytes.drain(..length).collect();
    Some(Request { line, headers, body, connection })
}

/// An answer with a body of known length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// An answer of the usual envelope.
pub(crate) fn envelope(status: &str, headers: &str, additional: &str, data: &str) -> Vec<u8> {
    let body = format!(r#"{{"message":"it says","additionalData":{additional},"data":{data}}}"#);
    answer(status, headers, body.as_bytes())
}
