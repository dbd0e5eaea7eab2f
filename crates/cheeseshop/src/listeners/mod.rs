//! Where connections come from: TCP ports, sockets of the file system, and sockets that a service
//! manager has opened for us.
//!
//! This module says what an open one is. How addresses are written is in [`address`], opening them in
//! [`open`], taking over those of a service manager in [`inherited`], having it keep ours in [`kept`].
//! What becomes of an accepted connection is the server's.

mod address;
mod inherited;
mod kept;
mod open;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

pub(crate) use self::address::{parse_mode, problems, speak_tls, url_of};
pub(crate) use self::inherited::{Inherited, close_unserved, note_inherited, take_inherited};
pub(crate) use self::kept::hand_over;
pub(crate) use self::open::open;

/// What a written address begins with that is a path.
const UNIX: &str = "unix:";

/// Bytes that a connection may hold in the kernel beside those that are on their way. Without a bound it
/// is megabytes for each client that does not read, and slow ones seem to stand still for minutes.
const MOST_UNSENT: u32 = 128 << 10;

/// Whether connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

impl Transport {
    /// The scheme of URLs that lead there.
    const fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }
}

/// An address that takes connections.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListeningSocket,
    transport: Transport,
    keeping: Keeping,
}

/// Who else has a handle of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Keeping {
    /// Nobody: it ends with this process.
    Nobody,
    /// Nobody yet; the service manager would have it under this name.
    Offered(String),
    /// The service manager.
    Manager,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// Only a socket that ends with us takes its name along.
        file: Option<SocketFile>,
    },
}

/// A connection of either kind.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

impl ListeningSocket {
    /// Takes connections on a port.
    fn tcp(listener: TcpListener) -> Self {
        // Connections take it over.
        if let Err(error) = SockRef::from(&listener).set_tcp_notsent_lowat(MOST_UNSENT) {
            tracing::debug!(%error, "TCP_NOTSENT_LOWAT could not be set");
        }
        Self::Tcp(listener)
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix { listener, .. } => listener.as_fd(),
        }
    }
}

/// The name of a socket in the file system; it goes with the listener, unless it is left.
#[derive(Debug)]
struct SocketFile(Option<PathBuf>);

impl SocketFile {
    fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays behind is found out by the next start.
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Listener {
    #[cfg(test)]
    /// Takes connections on a port.
    pub(crate) fn tcp(listener: TcpListener, transport: Transport) -> Self {
        Self {
            socket: ListeningSocket::tcp(listener),
            transport,
            keeping: Keeping::Nobody,
        }
    }

    /// What is spoken on its connections.
    pub(crate) const fn transport(&self) -> Transport {
        self.transport
    }

    /// The next connection, and who it comes from. Whoever may open a socket of the file system
    /// is on this machine, and counts as one who comes over loopback.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; waiting for more to send with them only costs time.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                Ok((Either::Left(stream), peer))
            }
            ListeningSocket::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Ok((Either::Right(stream), peer))
            }
        }
    }

    /// Where it listens, with the port that was taken if any would do.
    pub(crate) fn place(&self) -> io::Result<Place> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                let address = listener.local_addr()?;
                Ok(Place::Tcp(address, self.transport))
            }
            ListeningSocket::Unix { path, .. } => Ok(Place::Unix(path.clone())),
        }
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(SocketAddr, Transport),
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address, transport) => {
                write!(formatter, "{}://{address}", transport.scheme())
            }
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}
