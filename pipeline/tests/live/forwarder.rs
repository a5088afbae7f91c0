//! Something between client and server that stays where it is while the server is killed and started
//! elsewhere, and that cuts connections after as many bytes as it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running forwarder; stopped when it is dropped, with all its connections.
pub(crate) struct Forwarder {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    cuts: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    /// Forwards to `target`; of each connection the answer's bytes that `limit` gives, all without one.
    pub(crate) async fn start(
        target: SocketAddr,
        mut limit: impl FnMut() -> Option<u64> + Send + 'static,
    ) -> Forwarder {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let (target, cuts) = (Arc::new(Mutex::new(target)), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        let (towards, counted) = (Arc::clone(&target), Arc::clone(&cuts));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("it listens");
                while connections.try_join_next().is_some() {}
                let server = *towards.lock().expect("nobody panics with it");
                let (limit, counted) = (limit(), Arc::clone(&counted));
                connections.spawn(async move {
                    if forward(client, server, limit).await {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Forwarder { address, target, cuts, _tasks: tasks }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on new connections go there.
    pub(crate) fn aim(&self, target: SocketAddr) {
        *self.target.lock().expect("nobody panics with it") = target;
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Forwards one connection until either side ends it; whether it was cut here.
async fn forward(mut client: TcpStream, server: SocketAddr, limit: Option<u64>) -> bool {
    // Nobody listens while the server is away: the client sees a connection that ends.
    let Ok(mut server) = TcpStream::connect(server).await else { return false };
    // What is small goes on at once, so that a cut falls where it is meant to.
    let _ = client.set_nodelay(true);
    let (mut from_client, mut to_client) = client.split();
    let (from_server, mut to_server) = server.split();
    let limit = limit.unwrap_or(u64::MAX);
    let mut limited = from_server.take(limit);
    let answer = copy(&mut limited, &mut to_client);
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => false,
        answered = answer => answered.is_ok_and(|bytes| bytes == limit),
    }
}
