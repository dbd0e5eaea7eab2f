//! Opening the addresses of the settings.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::address::{Address, HOW_TO_WRITE};
use super::kept::{self, Kept, KeptSocket};
use super::{Keeping, Listener, ListeningSocket, SocketFile, Transport, UNIX};
use crate::failure::Failure;
use crate::systemd::ServiceManager;

/// Connections that may wait to be accepted; the kernel cuts it to its own limit.
const BACKLOG: i32 = 1024;

/// Opens every address of every name, or takes what was kept of it. A name such as `localhost` may stand for
/// several. Sockets of the file system get this mode. What was kept and is not asked for any more is closed.
pub(crate) fn open(
    addresses: &[String],
    mode: u32,
    mut kept: Kept,
    manager: &ServiceManager,
) -> Result<Vec<Listener>, Failure> {
    let asked: Vec<Asked<'_>> = addresses
        .iter()
        .map(|written| Asked::of(written))
        .collect::<Result<_, _>>()?;
    // First: a wildcard and one address of its port exclude each other.
    kept.close_unless(manager, |kept| asked.iter().any(|asked| asked.has(kept)));
    let mut listeners = Vec::new();
    for asked in asked {
        match asked {
            Asked::Unix(path) => listeners
                .push(listen_at(path, mode, &mut kept).map_err(|error| refused_at(path, &error))?),
            Asked::Tcp(resolved, transport) => {
                open_name(&mut listeners, resolved, transport, &mut kept)?;
            }
        }
    }
    if listeners.is_empty() {
        return Err(Failure::could_not_try("there is no address to listen on")
            .with_hint("set server.listen or give --listen"));
    }
    Ok(listeners)
}

/// What the settings ask for.
enum Asked<'a> {
    /// All addresses of a name.
    Tcp(Vec<SocketAddr>, Transport),
    Unix(&'a Path),
}

impl<'a> Asked<'a> {
    fn of(written: &'a str) -> Result<Self, Failure> {
        match Address::of(written) {
            Address::Unix(path) => Ok(Self::Unix(path)),
            Address::Tcp(place, transport) => match place.to_socket_addrs() {
                Ok(resolved) => Ok(Self::Tcp(resolved.collect(), transport)),
                Err(error) => Err(Failure::could_not_try(format!(
                    "`{written}` is no address to listen on: {error}"
                ))
                .with_hint(format!("write {HOW_TO_WRITE}"))),
            },
        }
    }

    fn has(&self, kept: &KeptSocket) -> bool {
        match self {
            Self::Tcp(addresses, _) => addresses.iter().any(|address| kept.is_tcp_at(*address)),
            Self::Unix(path) => kept.is_unix_at(path),
        }
    }
}

/// Opens the addresses of one name.
fn open_name(
    listeners: &mut Vec<Listener>,
    resolved: Vec<SocketAddr>,
    transport: Transport,
    kept: &mut Kept,
) -> Result<(), Failure> {
    let mut last_error = None;
    let before = listeners.len();
    for address in resolved {
        match listen(address, kept) {
            Ok((socket, keeping)) => listeners.push(Listener {
                socket,
                transport,
                keeping,
            }),
            // One family of a name may be missing on this machine; the other is enough.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                last_error = Some((address, error));
            }
            Err(error) => return Err(refused(address, &error)),
        }
    }
    match last_error {
        Some((address, error)) if listeners.len() == before => Err(refused(address, &error)),
        _ => Ok(()),
    }
}

fn listen(address: SocketAddr, kept: &mut Kept) -> io::Result<(ListeningSocket, Keeping)> {
    if let Some(socket) = kept.take_tcp(address) {
        return Ok((socket, Keeping::Manager));
    }
    let offered = kept::name_of_address(address).map_or(Keeping::Nobody, Keeping::Offered);
    Ok((ListeningSocket::tcp(bind(address)?), offered))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:3141` next to `0.0.0.0:3141` is allowed; each speaks for its own family.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn listen_at(path: &Path, mode: u32, kept: &mut Kept) -> io::Result<Listener> {
    if let Some(socket) = kept.take_unix(path) {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        return Ok(Listener {
            socket,
            transport: Transport::Plain,
            keeping: Keeping::Manager,
        });
    }
    let is_socket = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket {
        match std::os::unix::net::UnixStream::connect(path) {
            // Whoever made it was killed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    // Before it has a name: Linux gives the file the mode of the socket, less the umask, so that
    // it is open to others at no moment.
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(mode & 0o700))?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile(Some(path.to_path_buf()));
    socket.listen(BACKLOG)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    let listener = UnixListener::from_std(socket.into())?;
    Ok(Listener {
        socket: ListeningSocket::Unix {
            listener,
            path: path.to_path_buf(),
            file: Some(file),
        },
        transport: Transport::Plain,
        keeping: kept::name_of_path(path).map_or(Keeping::Nobody, Keeping::Offered),
    })
}

fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::could_not_try(format!(
            "cannot listen on {address}: the port is in use by another program"
        ))
        .with_hint("stop that program, or choose another port with --listen HOST:PORT"),
        io::ErrorKind::PermissionDenied => {
            Failure::could_not_try(format!("cannot listen on {address}: permission denied"))
                .with_hint(
                    "ports below 1024 need a privilege: in a unit of systemd \
                     AmbientCapabilities=CAP_NET_BIND_SERVICE and the same in \
                     CapabilityBoundingSet=; or choose another port with --listen",
                )
        }
        _ => Failure::could_not_try(format!("cannot listen on {address}: {error}"))
            .with_hint("choose an address of this machine with --listen HOST:PORT"),
    }
}

fn refused_at(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::could_not_try(format!(
            "cannot listen on {UNIX}{path}: it is in use by another program, or a file"
        ))
        .with_hint("stop that program, remove the file, or choose another path"),
        _ => Failure::could_not_try(format!("cannot listen on {UNIX}{path}: {error}"))
            .with_hint("its directory must exist and be yours to write to"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    /// Opens them where nothing is kept.
    fn open(addresses: &[String], mode: u32) -> Result<Vec<Listener>, Failure> {
        super::open(addresses, mode, Kept::default(), &ServiceManager::at(None))
    }

    #[tokio::test]
    async fn a_taken_port_is_told_with_a_way_out() {
        let first = open(&["127.0.0.1:0".to_owned()], 0o600).unwrap();
        let Place::Tcp(address, _) = first[0].place().unwrap() else {
            panic!("{first:?}");
        };
        let address = address.to_string();
        let failure = open(std::slice::from_ref(&address), 0o600)
            .unwrap_err()
            .to_string();
        assert_eq!(
            failure,
            format!(
                "error: cannot listen on {address}: the port is in use by another program\n\
                 hint: stop that program, or choose another port with --listen HOST:PORT"
            )
        );
    }

    #[tokio::test]
    async fn what_is_no_address_is_told() {
        let failure = open(&["3141".to_owned()], 0o600).unwrap_err().to_string();
        assert!(failure.contains("`3141` is no address"), "{failure}");
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_goes_with_its_listener_and_is_taken_over_when_left_behind() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let address = [format!("unix:{}", path.display())];
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        for wanted in [0o600, 0o666] {
            let open = open(&address, wanted).unwrap();
            assert_eq!(mode(), wanted);
            assert_eq!(open[0].place().unwrap().to_string(), address[0]);
            drop(open);
            assert!(!path.exists());
        }
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as after a kill");
        let first = open(&address, 0o600).unwrap();
        let failure = open(&address, 0o600).unwrap_err().to_string();
        assert!(failure.contains("in use by another program"), "{failure}");
        drop(first);
        std::fs::write(&path, "precious").unwrap();
        let failure = open(&address, 0o600).unwrap_err().to_string();
        assert!(failure.contains("or a file"), "{failure}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
