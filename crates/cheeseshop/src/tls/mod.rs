//! TLS that ends in the server itself.
//!
//! Everything that `[tls]` says is one [`State`], which is made as a whole or not at all, and swapped
//! while the server runs ([`ServerTls::reload`]): handshakes take the one that is in force when they
//! begin, connections that are there stay. That happens when somebody asks for it, and when the files
//! on the disk have become others ([`watch`]). What a client's certificate means is judged anew when the
//! state has changed or the certificate has expired, so that neither a long connection nor a resumed
//! session outlives what it was allowed by ([`visitor`]).

mod clients;
mod files;
mod handshake;
mod identity;
mod metrics;
mod names;
mod revocations;
mod settings;
mod trouble;
mod visitor;
mod watch;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use cheeseshop_domain::Clock as _;
use cheeseshop_http::PlainPolicy;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

use self::clients::Clients;
use self::files::Looks;
use self::identity::Identity;
use self::names::ByName;
use self::settings::MinimumVersion;
use self::trouble::Trouble;
use crate::clock::SystemClock;
use crate::failure::Failure;

pub(crate) use self::handshake::TlsStream;
pub(crate) use self::settings::TlsSettings;
pub(crate) use self::visitor::Visitor;
pub(crate) use self::watch::watch;

/// What a running server knows of TLS.
#[derive(Debug)]
pub(crate) struct ServerTls {
    state: ArcSwap<State>,
    /// Numbers the states.
    reloads: AtomicU64,
    last: Mutex<Attempt>,
    /// Wakes whoever waits by the settings of the state before.
    changed: Notify,
}

/// The last time that the files were read.
#[derive(Debug)]
struct Attempt {
    looks: Looks,
    /// What was wrong with them.
    trouble: Option<String>,
    at: Timestamp,
}

/// All that `[tls]` says, with what is in its files.
#[derive(Debug)]
struct State {
    number: u64,
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    clients: Option<Clients>,
    identities: Vec<Identity>,
}

impl ServerTls {
    /// Reads the files. Certificates that are not valid at this time are told and used all the same: the
    /// clock may be wrong, and the other addresses are needed in any case.
    ///
    /// # Errors
    /// What is wrong with the files, and what to do.
    pub(crate) fn open(settings: &TlsSettings) -> Result<Arc<Self>, Failure> {
        let looks = Looks::at(settings);
        let state = State::read(settings, 0).map_err(|troubles| trouble::failure(&troubles))?;
        state.log();
        for trouble in state.outdated() {
            tracing::error!("{}", trouble::failure(&[trouble]).titled("TLS"));
        }
        Ok(Arc::new(Self {
            state: ArcSwap::from_pointee(state),
            reloads: AtomicU64::new(0),
            last: Mutex::new(Attempt {
                looks,
                trouble: None,
                at: now(),
            }),
            changed: Notify::new(),
        }))
    }

    /// Reads everything anew and takes it for all handshakes from now on. No connection is dropped.
    ///
    /// # Errors
    /// What is wrong with the files; nothing has changed then.
    pub(crate) fn reload(&self, settings: &TlsSettings) -> Result<(), Failure> {
        if !settings.is_on() {
            return Err(
                Failure::could_not_try("there is no `tls.certificate` any more")
                    .with_hint("a server stops speaking TLS when it is restarted"),
            );
        }
        self.take(settings)
    }

    /// Whether the files are others than those that were read last, or could not be taken then: a
    /// clock, a permission or the rest of a file may have come right since.
    fn is_worth_a_try(&self) -> bool {
        let looks = Looks::at(&self.state.load().settings);
        let last = self.last();
        last.trouble.is_some() || last.looks != looks
    }

    /// Reads the files again if that is worth a try. What is wrong with them is told once, and again
    /// when they have changed and it still is.
    fn refresh(&self) {
        let settings = self.state.load().settings.clone();
        if !self.is_worth_a_try() {
            return;
        }
        let (looks, told) = {
            let last = self.last();
            (last.looks.clone(), last.trouble.clone())
        };
        match self.take(&settings) {
            Ok(()) => tracing::info!("the files of [tls] have changed; they are in force now"),
            Err(failure) => {
                let trouble = failure.to_string();
                if self.last().looks != looks || told.as_ref() != Some(&trouble) {
                    tracing::error!(
                        problem = trouble.replace('\n', "; "),
                        "the files of [tls] have changed and cannot be used; those from before stay \
                         in force"
                    );
                }
            }
        }
    }

    fn take(&self, settings: &TlsSettings) -> Result<(), Failure> {
        // One after the other, or an older state could replace a newer one.
        let mut last = self.last();
        let looks = Looks::at(settings);
        let number = self.reloads.fetch_add(1, Ordering::Relaxed) + 1;
        let state = State::read_current(settings, number);
        let at = now();
        let result = match state {
            Ok(state) => {
                state.log();
                self.state.store(Arc::new(state));
                metrics::taken_over(at);
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        metrics::reloaded(result.is_ok());
        let trouble = result.as_ref().err().map(ToString::to_string);
        if self.state.load().settings == *settings {
            *last = Attempt { looks, trouble, at };
        }
        drop(last);
        self.changed.notify_one();
        result
    }

    fn last(&self) -> MutexGuard<'_, Attempt> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether a server could start with these settings; gives what may not please clients.
    ///
    /// # Errors
    /// What is wrong with the files, and what to do.
    pub(crate) fn check(settings: &TlsSettings) -> Result<Vec<String>, Failure> {
        let state = State::read_current(settings, 0)?;
        let warnings = state.identities.iter().flat_map(|one| one.warnings.clone());
        let mut warnings: Vec<String> = warnings.collect();
        warnings.extend(state.ends_in_sight(now()));
        Ok(warnings)
    }

    /// What plain addresses do beside those with TLS.
    pub(crate) fn plain_policy(&self) -> PlainPolicy {
        self.state.load().settings.plain_http.into()
    }

    /// A host name by which clients can reach the server and believe it.
    pub(crate) fn host_name(&self) -> Option<String> {
        let state = self.state.load();
        let names = state.identities.first()?.names();
        let is_one_host = |name: &&String| !name.contains('*');
        names.iter().find(is_one_host).cloned()
    }
}

impl State {
    fn read(settings: &TlsSettings, number: u64) -> Result<Self, Vec<Trouble>> {
        let provider = provider();
        let identities = identity::read_all(settings, &provider);
        let clients = Clients::open(settings, &provider);
        let (identities, clients) = match (identities, clients) {
            (Ok(identities), Ok(clients)) => (identities, clients),
            (Err(mut troubles), Err(trouble)) => {
                troubles.push(trouble);
                return Err(troubles);
            }
            (Err(troubles), Ok(_)) => return Err(troubles),
            (Ok(_), Err(trouble)) => return Err(vec![trouble]),
        };
        Ok(Self {
            number,
            config: Arc::new(config(settings, provider, &identities, clients.as_ref())),
            settings: settings.clone(),
            clients,
            identities,
        })
    }

    /// As [`State::read`], and all certificates have to be valid now.
    fn read_current(settings: &TlsSettings, number: u64) -> Result<Self, Failure> {
        let state = Self::read(settings, number).map_err(|troubles| trouble::failure(&troubles))?;
        let outdated = state.outdated();
        if outdated.is_empty() {
            Ok(state)
        } else {
            Err(trouble::failure(&outdated))
        }
    }

    fn outdated(&self) -> Vec<Trouble> {
        let now = now();
        let identities = self.identities.iter();
        identities.filter_map(|one| one.outdated(now)).collect()
    }

    fn ends_in_sight(&self, now: Timestamp) -> Vec<String> {
        let own = self.identities.iter();
        let own = own.filter_map(|one| one.end_in_sight(now));
        let clients = self.clients.iter().flat_map(|one| one.ends_in_sight(now));
        own.chain(clients).collect()
    }

    fn log(&self) {
        for identity in &self.identities {
            identity.log();
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// A configuration of its own for every state, and so with a memory of sessions of its own: what was
/// agreed under other rules is not resumed.
fn config(
    settings: &TlsSettings,
    provider: Arc<CryptoProvider>,
    identities: &[Identity],
    clients: Option<&Clients>,
) -> ServerConfig {
    let versions: &[&SupportedProtocolVersion] = match settings.minimum_version {
        MinimumVersion::Tls12 => &[&TLS13, &TLS12],
        MinimumVersion::Tls13 => &[&TLS13],
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("the provider has cipher suites for both versions");
    let config = match clients {
        Some(clients) => config.with_client_cert_verifier(Arc::clone(&clients.verifier)),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(Arc::new(ByName::new(identities)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
