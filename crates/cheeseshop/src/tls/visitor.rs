//! A connection with TLS, and what its client may count as at this moment.

use std::sync::{Arc, Mutex, PoisonError};

use cheeseshop_client::Certificate;
use cheeseshop_http::{Channel, ClientCertificate, TlsFacts};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::ServerTls;

/// A connection with TLS.
#[derive(Debug)]
pub(crate) struct Visitor {
    tls: Arc<ServerTls>,
    /// The certificates that the client has shown, its own first.
    chain: Vec<CertificateDer<'static>>,
    last: Mutex<Option<Judgement>>,
}

/// What was found out, and how long that stands.
#[derive(Debug)]
struct Judgement {
    state: u64,
    until: Timestamp,
    channel: Channel,
}

impl Visitor {
    pub(super) fn new(tls: Arc<ServerTls>, chain: Vec<CertificateDer<'static>>) -> Self {
        Self {
            tls,
            chain,
            last: Mutex::new(None),
        }
    }

    /// What holds for a request that comes now.
    pub(crate) fn channel(&self) -> Channel {
        let state = self.tls.state.load();
        let now = super::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judgement) = &*last
            && judgement.state == state.number
            && now <= judgement.until
        {
            return judgement.channel.clone();
        }
        let client = match &state.clients {
            Some(clients) => clients.judge(&self.chain, now),
            None => ClientCertificate::Nobody,
        };
        if let ClientCertificate::Refused(reason) = &client {
            tracing::info!(%reason, "nothing more is answered on a connection");
        }
        let channel = Channel::Tls(Arc::new(TlsFacts {
            client,
            hsts_seconds: state.settings.hsts_seconds,
        }));
        let rules_end = state.clients.as_ref().and_then(|one| one.next_end(now));
        let end = self.first_end(now);
        *last = Some(Judgement {
            state: state.number,
            until: rules_end.map_or(end, |rules_end| end.min(rules_end)),
            channel: channel.clone(),
        });
        channel
    }

    /// When the next of the client's certificates expires.
    fn first_end(&self, now: Timestamp) -> Timestamp {
        let ends = self.chain.iter().filter_map(|der| {
            let end = Certificate::read(der).ok()?.not_after;
            (end >= now).then_some(end)
        });
        ends.min().unwrap_or(Timestamp::MAX)
    }
}
