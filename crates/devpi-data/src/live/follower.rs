//! Following: ask, keep, take in, and again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cheeseshop_app::App;
use cheeseshop_app::import::{Differing, ImportOptions, Importer, Outcome, Progress, Report};
use cheeseshop_domain::Clock;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::apply::Applier;
use super::fetch::LogReader;
use super::primary::{Names, Primary, identify};
use super::state::LiveState;
use super::store::{Store, Which};
use super::token::Tokens;
use super::{FollowError, SecretCost};

/// How long the server may keep silent within an answer. Its own waiting lasts a second.
const SILENCE: Duration = Duration::from_mins(1);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Pauses after the server could not be asked: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How long what failed waits for another try.
const FAILED_WAIT: Duration = Duration::from_secs(10);

/// How often in a row the server may be unreachable before [`Until::InSync`] gives up.
const TRIES: u32 = 8;

/// Whom to follow, and how.
pub struct FollowOptions {
    /// Where the devpi-server is. No credentials in it.
    pub url: Url,
    /// The bytes of its secret file.
    pub secret: SecretSlice<u8>,
    /// What a key of that secret costs.
    pub cost: SecretCost,
    /// The file with what is known of the server.
    pub state: PathBuf,
    /// Certificates to trust and proxies are those of this client; it follows no redirects.
    pub client: Option<reqwest::Client>,
    /// How contents are taken in; what differs always gives way to the server's.
    pub import: ImportOptions,
    /// Proofs of identity carry the time.
    pub clock: Arc<dyn Clock>,
}

/// When to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When told to.
    Stopped,
    /// Once everything was taken in up to the server's last commit.
    InSync,
}

/// How it ended; what failed is told by [`Follower::failures`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As told, somewhere on the way.
    Stopped,
    /// In sync at this moment, but for what failed time and again.
    InSync,
}

/// Where following stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowNow {
    /// Commits of the server that are known here.
    pub known: u64,
    /// Commits that the server has.
    pub there: u64,
    /// Users, indexes and projects that are known to have changed and not yet taken in.
    pub pending: u64,
    /// Those that were tried and failed for reasons on the way; they are tried again.
    pub failed: u64,
    /// Those of them that failed so often that nobody should wait for them.
    pub given_up: u64,
    /// Why the server could not be asked just now.
    pub trouble: Option<String>,
}

impl FollowNow {
    /// Whether this installation holds what the server held a moment ago.
    pub fn is_in_sync(&self) -> bool {
        self.failed == 0 && self.is_as_near_as_possible()
    }

    fn is_as_near_as_possible(&self) -> bool {
        // Even an empty server has a commit; without any, nothing is known yet.
        self.known > 0
            && self.known == self.there
            && self.pending == 0
            && self.failed == self.given_up
            && self.trouble.is_none()
    }
}

/// Somebody to be told how it goes: where it stands, and what was taken in since the last call.
pub type Watcher<'a> = &'a (dyn Fn(&FollowNow, Outcome) + Send + Sync);

/// A connection to a devpi-server that answers and believes us.
pub struct Follower {
    primary: Primary,
    store: Store,
    next: u64,
    import: ImportOptions,
}

impl Follower {
    /// Opens our file and makes sure of the server: it is the one from before, it is a primary,
    /// and our secret is its.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn connect(options: FollowOptions) -> Result<Self, FollowError> {
        let url = base(options.url)?;
        let client = match options.client {
            Some(client) => client,
            None => client(&url)?,
        };
        let uuid = identify(&client, &url).await?;
        let (store, about) = Store::open(&options.state, new_uuid()?).await?;
        match about.primary {
            None => store.remember_primary(uuid.clone()).await?,
            Some(known) if known == uuid => {}
            Some(known) => {
                return Err(FollowError::AnotherServer {
                    url: url.to_string(),
                    found: uuid,
                    known,
                    state: store.path().to_owned(),
                });
            }
        }
        let (secret, cost) = (options.secret, options.cost);
        let tokens =
            tokio::task::spawn_blocking(move || Tokens::derive(secret.expose_secret(), cost))
                .await
                .map_err(|error| FollowError::Key(error.to_string()))??;
        let names = Names {
            replica: about.replica,
            primary: uuid,
        };
        let primary = Primary::new(client, url, tokens, names, options.clock);
        let head = primary.head().await?;
        if about.next > head + 1 {
            return Err(FollowError::SetBack {
                url: primary.url().to_string(),
                head,
                serial: about.next - 1,
                state: store.path().to_owned(),
            });
        }
        // The answer is of no interest, only that there is one.
        drop(primary.log(about.next).await?);
        let mut import = options.import;
        import.differing = Differing::Follow;
        Ok(Self {
            primary,
            store,
            next: about.next,
            import,
        })
    }

    /// Follows until told to stop, or until in sync. `report` only has what came since the
    /// watcher was last told.
    ///
    /// # Errors
    /// [`FollowError`]. An unreachable server is waited for, except that [`Until::InSync`] gives
    /// up after some minutes.
    pub fn run<'a>(
        &'a mut self,
        app: &'a App,
        until: Until,
        stop: &'a CancellationToken,
        watcher: Watcher<'a>,
    ) -> BoxFuture<'a, Result<Ended, FollowError>> {
        Box::pin(self.go_on(app, until, stop, watcher))
    }

    async fn go_on(
        &mut self,
        app: &App,
        until: Until,
        stop: &CancellationToken,
        watcher: Watcher<'_>,
    ) -> Result<Ended, FollowError> {
        let report = Report::new();
        let importer = Importer::new(
            app.clone(),
            self.import.clone(),
            report.clone(),
            Progress::new(),
        );
        let state = LiveState::new(self.store.clone(), self.primary.clone());
        let mut applier = Applier::new(self.store.clone(), state, importer, report.clone());
        let mut now = FollowNow {
            known: self.next,
            there: self.next,
            ..FollowNow::default()
        };
        let mut failures = 0;
        let mut retry_at = Instant::now();
        loop {
            // What came is taken in, in between more is asked for.
            let asked = tokio::select! {
                asked = self.fetch(stop, &mut now, &report, watcher) => asked,
                () = stop.cancelled() => Ok(()),
            };
            match asked {
                Ok(()) => {
                    failures = 0;
                    now.trouble = None;
                }
                Err(error) if error.is_transient() => {
                    failures += 1;
                    if until == Until::InSync && failures >= TRIES {
                        return Err(error);
                    }
                    now.trouble = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            while !stop.is_cancelled() && applier.step(Which::New, stop).await? {
                self.tell(&mut now, &report, watcher).await?;
            }
            if Instant::now() >= retry_at {
                if !stop.is_cancelled() {
                    applier.step(Which::Failed, stop).await?;
                }
                retry_at = Instant::now() + FAILED_WAIT;
            }
            self.tell(&mut now, &report, watcher).await?;
            if stop.is_cancelled() {
                return Ok(Ended::Stopped);
            }
            if until == Until::InSync && now.is_as_near_as_possible() {
                return Ok(Ended::InSync);
            }
            if now.trouble.is_some() {
                pause(failures, stop).await;
            }
        }
    }

    /// What could not be taken in so far, and why; the first of many.
    ///
    /// # Errors
    /// [`FollowError::Store`].
    pub async fn failures(&self, limit: usize) -> Result<Vec<(String, String)>, FollowError> {
        self.store.failures(limit).await
    }

    /// Asks until all is here that the server had when it was asked first. What comes meanwhile
    /// has to wait: a busy server always has more.
    async fn fetch(
        &mut self,
        stop: &CancellationToken,
        now: &mut FollowNow,
        report: &Report,
        watcher: Watcher<'_>,
    ) -> Result<(), FollowError> {
        let mut goal = None;
        while !stop.is_cancelled() && goal.is_none_or(|goal| self.next < goal) {
            let Some(mut reader) = LogReader::open(&self.primary, self.next).await? else {
                now.there = self.next;
                break;
            };
            now.there = reader.head() + 1;
            goal.get_or_insert(now.there);
            while let Some(next) = reader.keep_some(&self.store).await? {
                self.next = next;
                now.known = next;
                // An answer also has what comes while it is sent.
                now.there = now.there.max(next);
                self.tell(now, report, watcher).await?;
                if stop.is_cancelled() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn tell(
        &self,
        now: &mut FollowNow,
        report: &Report,
        watcher: Watcher<'_>,
    ) -> Result<(), FollowError> {
        let counts = self.store.count_pending().await?;
        (now.pending, now.failed, now.given_up) = (counts.new, counts.failed, counts.given_up);
        watcher(now, report.take());
        Ok(())
    }
}

async fn pause(failures: u32, stop: &CancellationToken) {
    let (first, longest) = PAUSES;
    let pause = first.saturating_mul(1 << failures.min(10)).min(longest);
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = stop.cancelled() => {}
    }
}

/// The server's address with a slash at its end.
fn base(mut url: Url) -> Result<Url, FollowError> {
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(FollowError::Url(
            "the devpi-server's address must start with http:// or https://",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FollowError::Url(
            "the devpi-server's address must not hold a user: we prove ourselves by the secret \
             file, in the very header that a password would need",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn client(url: &Url) -> Result<reqwest::Client, FollowError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_zstd()
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| super::primary::unreachable(url, &error))
}

fn new_uuid() -> Result<String, FollowError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| FollowError::Key(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}
