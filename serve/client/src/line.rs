//! One connection, driven by whoever uses it: no task stands behind it.
//!
//! The protocol is hyper's. Its connection is a future that has to be polled for anything to move; here
//! it is polled whenever an answer or a part of one is waited for, in the same task.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};

use crate::base::Base;
use crate::error::{Error, Lost};
use crate::options::Options;

/// What a request sends.
pub(crate) type Sent = Full<Bytes>;

/// A connection to the service.
pub(crate) struct Line {
    sender: SendRequest<Sent>,
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Sent>>>,
    has_ended: bool,
}

impl Line {
    /// Connects. `read_bytes` is the whole of the read buffer, which the head of an answer must fit; without
    /// it the buffer grows with what comes.
    pub(crate) async fn open(
        base: &Base,
        options: &Options,
        read_bytes: Option<usize>,
    ) -> Result<Line, Error> {
        let connecting = tokio::time::timeout(options.connect_wait, connect(base, options));
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let socket = connecting
            .await
            .map_err(late)
            .and_then(|socket| socket)
            .map_err(Error::NotConnected)?;
        let handshake =
            http1::Builder::new().read_buf_exact_size(read_bytes).handshake(TokioIo::new(socket));
        let (sender, connection) = handshake.await.map_err(lost)?;
        Ok(Line { sender, connection: Box::pin(connection), has_ended: false })
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Sent>,
    ) -> Result<Response<Incoming>, Error> {
        let mut answer = pin!(self.sender.send_request(request));
        let answer = poll_fn(|context| {
            drive(&mut self.connection, &mut self.has_ended, context);
            answer.as_mut().poll(context)
        });
        answer.await.map_err(lost)
    }

    /// The next part of a body; none at its end.
    pub(crate) fn poll_part(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        drive(&mut self.connection, &mut self.has_ended, context);
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(lost(error)))),
                Some(Ok(frame)) => {
                    // Trailers say nothing here.
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    /// Whether it takes another request: the last answer is through, and the server has not ended it.
    pub(crate) async fn is_free(&mut self) -> bool {
        // A connection that waits for the next request is pending; only what has come is looked at.
        poll_fn(|context| {
            drive(&mut self.connection, &mut self.has_ended, context);
            Poll::Ready(())
        })
        .await;
        !self.has_ended && self.sender.is_ready()
    }
}

/// What a broken connection is to the caller.
fn lost(error: hyper::Error) -> Error {
    Error::Lost(Lost::Broke(error))
}

/// Lets the connection do what it can now. What goes wrong with it is told to who waits for the answer.
fn drive(
    connection: &mut Pin<Box<Connection<TokioIo<TcpStream>, Sent>>>,
    has_ended: &mut bool,
    context: &mut Context<'_>,
) {
    if !*has_ended {
        *has_ended = connection.as_mut().poll(context).is_ready();
    }
}

async fn connect(base: &Base, options: &Options) -> io::Result<TcpStream> {
    if let Some(address) = options.through {
        return connect_to(address, options).await;
    }
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host((base.host.as_str(), base.port)).await? {
        match connect_to(address, options).await {
            Ok(socket) => return Ok(socket),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn connect_to(address: SocketAddr, options: &Options) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
