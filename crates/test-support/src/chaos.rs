//! A TCP relay that misbehaves on demand, in front of any server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::serve::runtime;

/// What a relay does with connections; a change concerns open ones as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Everything passes.
    Pass,
    /// Nothing passes in either direction, and nothing is closed: a network that swallows
    /// packets, a server that hangs.
    Stall,
    /// Connections are closed at once.
    Cut,
    /// Every connection is closed when the server has sent so many bytes on it.
    CutAfter(usize),
}

/// A relay to one server. Cheap to clone; it stops when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct ChaosRelay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    mode: watch::Sender<Relay>,
    connections: Arc<AtomicUsize>,
    once: Arc<Mutex<Option<Relay>>>,
    accepting: AbortHandle,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ChaosRelay {
    /// Starts a relay to a server (`127.0.0.1:1234`) that lets everything pass.
    #[expect(clippy::unused_async, reason = "like the other servers")]
    pub async fn to(server: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has ports left");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mode = watch::Sender::new(Relay::Pass);
        let connections = Arc::new(AtomicUsize::new(0));
        let once = Arc::new(Mutex::new(None));
        let (server, modes, count) = (server.to_owned(), mode.clone(), Arc::clone(&connections));
        let first = Arc::clone(&once);
        let accepting = runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut tasks = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let own = first.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mode = match own {
                    Some(own) => watch::Sender::new(own).subscribe(),
                    None => modes.subscribe(),
                };
                let server = server.clone();
                tasks.spawn(async move { relay(client, &server, mode).await });
                while tasks.try_join_next().is_some() {}
            }
        });
        Self(Arc::new(Inner {
            address,
            mode,
            connections,
            once,
            accepting: accepting.abort_handle(),
        }))
    }

    /// Where to connect instead of to the server.
    pub fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// Changes what happens to all connections, open ones included.
    pub fn set(&self, mode: Relay) {
        self.0.mode.send_replace(mode);
    }

    /// Does this to the next connection alone, for its whole life.
    pub fn set_once(&self, mode: Relay) {
        *self.0.once.lock().unwrap_or_else(PoisonError::into_inner) = Some(mode);
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: &str, mode: watch::Receiver<Relay>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The first end ends both: half-closed connections do not occur with HTTP clients.
    tokio::select! {
        () = pump(from_client, to_server, mode.clone(), Direction::Up) => {}
        () = pump(from_server, to_client, mode, Direction::Down) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Relay>,
    direction: Direction,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut passed = 0;
    loop {
        let now = *mode.borrow_and_update();
        let mut room = buffer.len();
        match now {
            Relay::Cut => return,
            Relay::Stall => {
                if mode.changed().await.is_err() {
                    // The mode was for this connection alone: it stalls for ever.
                    std::future::pending::<()>().await;
                }
                continue;
            }
            Relay::CutAfter(limit) if direction == Direction::Down => {
                if passed >= limit {
                    return;
                }
                room = room.min(limit - passed);
            }
            Relay::CutAfter(_) | Relay::Pass => {}
        }
        let read = tokio::select! {
            read = from.read(&mut buffer[..room]) => read,
            changed = mode.changed() => {
                if changed.is_ok() {
                    continue;
                }
                from.read(&mut buffer[..room]).await
            }
        };
        match read {
            Ok(read) if read > 0 => {
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
                passed += read;
            }
            _ => return,
        }
    }
}
