//! Opening the addresses to listen on.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// What an address looks like.
const HOW_TO_WRITE: &str = "HOST:PORT, for example 127.0.0.1:3141 or [::1]:3141";

/// Connections that may wait to be accepted; the kernel cuts it to its own limit.
const BACKLOG: i32 = 1024;

/// What is wrong with the addresses as they are written, without looking up names.
pub(crate) fn problems(addresses: &[String]) -> Vec<String> {
    if addresses.is_empty() {
        return vec![format!(
            "there is no address to listen on; write {HOW_TO_WRITE}"
        )];
    }
    addresses
        .iter()
        .filter(|written| {
            written
                .rsplit_once(':')
                .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
        })
        .map(|written| format!("`{written}` is no address to listen on; write {HOW_TO_WRITE}"))
        .collect()
}

/// Opens every address of every name. A name such as `localhost` may stand for several.
pub(crate) fn open(addresses: &[String]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    for written in addresses {
        let resolved: Vec<SocketAddr> = match written.to_socket_addrs() {
            Ok(resolved) => resolved.collect(),
            Err(error) => {
                return Err(Failure::could_not_try(format!(
                    "`{written}` is no address to listen on: {error}"
                ))
                .with_hint(format!("write {HOW_TO_WRITE}")));
            }
        };
        let mut last_error = None;
        let before = listeners.len();
        for address in resolved {
            match listen(address) {
                Ok(listener) => listeners.push(listener),
                // One family of a name may be missing on this machine; the other is enough.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    last_error = Some((address, error));
                }
                Err(error) => return Err(refused(address, &error)),
            }
        }
        if let (true, Some((address, error))) = (listeners.len() == before, last_error) {
            return Err(refused(address, &error));
        }
    }
    if listeners.is_empty() {
        return Err(Failure::could_not_try("there is no address to listen on")
            .with_hint("set server.listen or give --listen"));
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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

fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::could_not_try(format!(
            "cannot listen on {address}: the port is in use by another program"
        ))
        .with_hint("stop that program, or choose another port with --listen HOST:PORT"),
        io::ErrorKind::PermissionDenied => {
            Failure::could_not_try(format!("cannot listen on {address}: permission denied"))
                .with_hint("ports below 1024 need a privilege; choose another with --listen")
        }
        _ => Failure::could_not_try(format!("cannot listen on {address}: {error}"))
            .with_hint("choose an address of this machine with --listen HOST:PORT"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_told_with_a_way_out() {
        let first = open(&["127.0.0.1:0".to_owned()]).unwrap();
        let address = first[0].local_addr().unwrap().to_string();
        let failure = open(std::slice::from_ref(&address))
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
        let failure = open(&["3141".to_owned()]).unwrap_err().to_string();
        assert!(failure.contains("`3141` is no address"), "{failure}");
    }
}
