//! From an accepted connection to one on which requests can be sent.
//!
//! All of it happens in the task of the connection, within a time limit, so that nobody who dawdles
//! holds up anybody else; the place among `server.max_connections` is taken meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

use super::{ServerTls, Visitor, clients, metrics};
use crate::listeners::Stream;
use crate::server::{Flow, Watched};

/// A connection on which TLS is spoken.
pub(crate) type TlsStream = tokio_rustls::server::TlsStream<Watched>;

/// The first byte of all that TLS sends before it is encrypted: the type of a handshake record.
const HANDSHAKE_RECORD: u8 = 22;

/// More of a request in the clear is not read before its connection is closed.
const MOST_OF_A_PLAIN_REQUEST: u64 = 1 << 20;

/// How long a stop waits for the first byte of a connection that was there before.
const LATE_START: Duration = Duration::from_secs(1);

/// How long a stop waits for a handshake that has begun; the request has a moment of its own.
const LATE_END: Duration = Duration::from_secs(3);

/// What somebody is told who speaks HTTP without TLS.
const PLAIN_ANSWER: &str = "HTTP/1.1 400 Bad Request: this port speaks TLS, use https in the URL\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 64\r\n\
    Cache-Control: no-store\r\n\
    Connection: close\r\n\
    \r\n\
    This port speaks TLS: begin the URL with https://, not http://.\n";

impl ServerTls {
    /// Does the handshake; `None`: there is nobody to be served, and the log and metrics know why.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        stream: Stream,
        peer: SocketAddr,
        stop: &CancellationToken,
        flow: Arc<Flow>,
    ) -> Option<(TlsStream, Visitor)> {
        let limit = self.state.load().settings.handshake_timeout();
        match tokio::time::timeout(limit, self.attempt(stream, peer, stop, flow)).await {
            Ok(Ok(stream)) => {
                metrics::handshake("ok");
                let chain = stream.get_ref().1.peer_certificates();
                let chain =
                    chain.map(|chain| chain.iter().cloned().map(CertificateDer::into_owned));
                let chain = chain.map(Iterator::collect).unwrap_or_default();
                Some((stream, Visitor::new(Arc::clone(self), chain)))
            }
            Ok(Err(result)) => {
                metrics::handshake(result);
                None
            }
            Err(_) => {
                metrics::handshake("timeout");
                tracing::debug!(%peer, "a client has not finished the TLS handshake in time");
                None
            }
        }
    }

    /// An error is the word by which the metrics know it.
    async fn attempt(
        &self,
        mut stream: Stream,
        peer: SocketAddr,
        stop: &CancellationToken,
        flow: Arc<Flow>,
    ) -> Result<TlsStream, &'static str> {
        if let Either::Left(tcp) = &mut stream {
            let first = tokio::select! {
                // Whoever was let in before the stop may begin a moment later.
                () = a_moment_after(stop, LATE_START) => return Err("closed"),
                first = first_byte(tcp) => first,
            };
            match first {
                Ok(Some(HANDSHAKE_RECORD)) => {}
                Ok(Some(letter)) if letter.is_ascii_uppercase() => {
                    tracing::debug!(%peer, "a client speaks HTTP without TLS to a TLS port");
                    answer_in_plain(tcp).await;
                    return Err("plain_http");
                }
                // Rustls has an answer to nonsense.
                Ok(Some(_)) => {}
                // Those who only look whether somebody listens, for example.
                Ok(None) | Err(_) => return Err("closed"),
            }
        }
        let stream = Watched::new(stream, flow);
        let accepting = self.state.load().acceptor().accept(stream);
        let accepted = tokio::select! {
            // Nobody is held up for long by those who do not go on.
            () = a_moment_after(stop, LATE_END) => return Err("closed"),
            accepted = accepting => accepted,
        };
        accepted.map_err(|error| {
            if let Some(error) = of_certificate(&error) {
                let reason = clients::why_not(error);
                tracing::info!(%peer, "a client was not let in: its certificate {reason}");
                "client_certificate"
            } else {
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                "failed"
            }
        })
    }
}

async fn a_moment_after(stop: &CancellationToken, moment: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(moment).await;
}

async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let length = stream.peek(&mut byte).await?;
    Ok((length > 0).then_some(byte[0]))
}

/// Says what is wrong, and listens to the rest: an answer is lost when a connection is closed with
/// something unread.
async fn answer_in_plain(stream: &mut TcpStream) {
    if stream.write_all(PLAIN_ANSWER.as_bytes()).await.is_err() || stream.shutdown().await.is_err()
    {
        return;
    }
    let mut rest = stream.take(MOST_OF_A_PLAIN_REQUEST);
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
}

/// What was wrong with a client's certificate, if that was it.
fn of_certificate(error: &io::Error) -> Option<&rustls::Error> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(
        error,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
    )
    .then_some(error)
}

#[cfg(test)]
mod tests {
    use super::PLAIN_ANSWER;

    #[test]
    fn the_plain_answer_is_as_long_as_it_says() {
        let (head, body) = PLAIN_ANSWER.split_once("\r\n\r\n").unwrap();
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length), "{length}");
    }
}
