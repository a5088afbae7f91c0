//! Connections: how many there may be, how much each may hold, and how long one may take nothing off its
//! socket. A caller that stops reading holds a place and buffers of the system; here it loses them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::doors::Front;

/// Most bytes of a request's head, and of an answer that wait to be written: two deltas.
const BUFFER_BYTES: usize = 64 << 10;
/// How long the head of a request may take to arrive.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Requests under way on one HTTP/2 connection.
const STREAMS_A_CONNECTION: u32 = 64;
/// Pause after the system had no file descriptor to give.
const NO_DESCRIPTOR: Duration = Duration::from_millis(50);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionBounds {
    /// Connections open at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a caller may take nothing off its socket while there is something for it.
    pub stall: Duration,
}

/// Serves `doors` to whoever connects, until `closing` becomes true; then what is under way may end.
pub async fn serve(
    listener: TcpListener,
    doors: Front,
    bounds: ConnectionBounds,
    mut closing: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT);
    builder.http1().max_buf_size(BUFFER_BYTES);
    builder.http2().timer(TokioTimer::new()).max_send_buf_size(BUFFER_BYTES);
    builder.http2().max_concurrent_streams(STREAMS_A_CONNECTION);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else { continue };
        let service = TowerToHyperService::new(doors.clone());
        let io = TokioIo::new(Guarded { stream, stall: bounds.stall, stalled: None });
        let connection = builder.serve_connection(io, service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // A caller that went away, or was cut off, needs no word of it.
            let _ = connection.await;
            drop(place);
        });
    }
    graceful.shutdown().await;
}

type Accepted = (TcpStream, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers and deltas go out whole; waiting for more of them only delays them.
            let _ = stream.set_nodelay(true);
            // What the system holds back of an answer is bounded; the caller's window is not.
            let _ = socket2::SockRef::from(&stream).set_send_buffer_size(4 * BUFFER_BYTES);
            Some((stream, place))
        }
        Err(problem) => {
            tracing::warn!(%problem, "a connection was not accepted");
            tokio::time::sleep(NO_DESCRIPTOR).await;
            None
        }
    }
}

/// A connection that fails when it has waited for too long to write.
struct Guarded {
    stream: TcpStream,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    /// Passes on what writing gave, unless it has been waiting for too long.
    fn guard<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let waiting = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller takes nothing")))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.guard(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.guard(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
