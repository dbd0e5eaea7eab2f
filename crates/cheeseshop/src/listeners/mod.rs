//! Where connections come from: TCP ports, sockets of the file system, and sockets that a service
//! manager has opened for us.
//!
//! This module says what an open one is. How addresses are written is in [`address`], opening them in
//! [`open`], taking over those of a service manager in [`inherited`]. What becomes of an accepted
//! connection is the server's.

mod address;
mod inherited;
mod open;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

pub(crate) use self::address::{parse_mode, problems, speak_tls, url_of};
pub(crate) use self::inherited::{note_inherited, take_inherited};
pub(crate) use self::open::open;

/// What a written address begins with that is a path.
const UNIX: &str = "unix:";

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
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        path: PathBuf,
        /// Only a socket of our own takes its name along when it goes.
        _file: Option<SocketFile>,
    },
}

/// A connection of either kind.
pub(crate) type Stream = Either<TcpStream, UnixStream>;

/// The name of a socket in the file system; it goes with the listener.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // One that stays behind is found out by the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    pub(crate) const fn tcp(listener: TcpListener, transport: Transport) -> Self {
        Self {
            socket: ListeningSocket::Tcp(listener),
            transport,
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
