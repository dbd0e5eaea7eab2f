//! TLS in front of a server that speaks none: what a company's front server is, without its pages.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::serve::runtime;
use crate::tls::CertificateAuthority;

/// A listener on loopback that speaks TLS and passes the bytes on. It stops when it is dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    server: Arc<Mutex<Option<String>>>,
    accepting: AbortHandle,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl TlsFront {
    /// Starts with these certificates, the server's own first, and its key, all as PEM. With an authority
    /// for clients, only those get through that show a certificate of it.
    pub fn start(chain: &str, key: &str, clients: Option<&CertificateAuthority>) -> Self {
        Self::start_at("127.0.0.1:0", chain, key, clients)
    }

    /// The same at an address that this test has for itself.
    pub fn start_at(
        listen: &str,
        chain: &str,
        key: &str,
        clients: Option<&CertificateAuthority>,
    ) -> Self {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let pem = authority.pem().as_bytes();
                roots
                    .add(CertificateDer::from_pem_slice(pem).unwrap())
                    .unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let config = config.with_single_cert(chain, key).unwrap();
        let listener = std::net::TcpListener::bind(listen).expect("the address is free");
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Mutex::new(None));
        let behind = Arc::clone(&server);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), Arc::clone(&behind));
                connections.spawn(async move {
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let server: Option<String> = behind
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clone();
                    if let Some(server) = server
                        && let Ok(mut server) = TcpStream::connect(server).await
                    {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            server,
            accepting: accepting.abort_handle(),
        }
    }

    /// Passes on to this server (`127.0.0.1:1234`) from now on; before, connections are closed once TLS
    /// is spoken. The server has to know the front's URL.
    pub fn pass_to(&self, server: &str) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.to_owned());
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The URL by the name `localhost`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port())
    }
}
