//! `cheeseshop import --follow URL`: takes in what a running devpi-server holds, and stays beside
//! it until the moment of the switch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cheeseshop_app::import::{ImportOptions, Outcome};
use cheeseshop_app::outbound;
use cheeseshop_devpi_data::live::{Ended, FollowNow, FollowOptions, Follower, SecretCost, Until};
use secrecy::SecretSlice;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::moving::printable;
use crate::cli::{FollowArgs, ImportArgs, SettingArgs};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::failure::Failure;
use crate::lifecycle::StopSignals;
use crate::node::Node;
use crate::{logging, output};

/// What is known of the followed server, in the data directory.
const STATE: &str = "devpi-follow.sqlite";

/// How often it is told how far behind we are, while that changes.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Failures that are told one by one.
const SHOWN_FAILURES: usize = 20;

/// Follows until told to stop, or until in sync.
pub(crate) async fn run(
    settings: &SettingArgs,
    arguments: &ImportArgs,
    url: &Url,
) -> Result<(), Failure> {
    let config = Config::load(settings, &[])?;
    logging::start(&config.log)?;
    let follow = &arguments.follow;
    let secret = read_secret(follow)?;
    let client = outbound::client(&config.app.mirror)
        .map_err(|error| Failure::caused_by("no request can be made", &error))?;
    let mut signals = StopSignals::listen()?;
    let node = Node::open_exclusively(&config, "cheeseshop import --follow").await?;
    let options = FollowOptions {
        url: url.clone(),
        secret,
        cost: cost(follow),
        state: node.directory.path().join(STATE),
        client: Some(client),
        import: ImportOptions {
            skipped_index_types: arguments.skip_index_type.clone(),
            skipped_indexes: arguments.skip_index.clone(),
            ..ImportOptions::default()
        },
        clock: Arc::new(SystemClock),
    };
    output::talk(&format!("following {url}"));
    let until = if follow.until_in_sync {
        Until::InSync
    } else {
        Until::Stopped
    };
    let stop = CancellationToken::new();
    let followed = async {
        let mut follower = tokio::select! {
            follower = Follower::connect(options) => follower?,
            signal = signals.next() => return Ok(Followed::interrupted(signal)),
        };
        let teller = Teller::new(url.clone());
        let watcher = |now: &FollowNow, outcome: Outcome| teller.tell(now, &outcome);
        let mut running = follower.run(&node.app, until, &stop, &watcher);
        let ended = tokio::select! {
            ended = &mut running => ended?,
            signal = signals.next() => {
                output::talk(&format!("{signal}: ending what is under way"));
                stop.cancel();
                (&mut running).await?
            }
        };
        drop(running);
        Ok(Followed {
            ended,
            last: teller.last(),
            failures: follower.failures(SHOWN_FAILURES).await?,
        })
    };
    let result = Box::pin(followed).await;
    // After the import: if that brought a root there is nothing to make, nor a password to tell.
    let announced = match &result {
        Ok(_) => node.announce_first_start().await,
        Err(_) => Ok(false),
    };
    node.close().await;
    let followed = result.map_err(|error: cheeseshop_devpi_data::live::FollowError| {
        Failure::caused_by("following ended", &error)
            .with_hint("what was taken in is kept; the same command goes on from there")
    })?;
    announced?;
    followed.conclude(url)
}

/// How it ended.
struct Followed {
    ended: Ended,
    last: FollowNow,
    failures: Vec<(String, String)>,
}

impl Followed {
    fn interrupted(signal: &str) -> Self {
        output::talk(signal);
        Self {
            ended: Ended::Stopped,
            last: FollowNow::default(),
            failures: Vec::new(),
        }
    }

    fn conclude(self, url: &Url) -> Result<(), Failure> {
        match self.ended {
            Ended::Stopped if !self.last.is_in_sync() => {
                output::talk(&format!(
                    "stopped before the end ({}); the same command goes on from there",
                    distance(&self.last)
                ));
            }
            Ended::Stopped | Ended::InSync if self.failures.is_empty() => {
                output::data(&in_sync(url, &self.last));
            }
            Ended::Stopped | Ended::InSync => {}
        }
        for (item, reason) in &self.failures {
            output::talk(&told("could not be taken in", item, reason));
        }
        if self.ended == Ended::InSync && !self.failures.is_empty() {
            return Err(Failure::answer_is_no(format!(
                "not everything of {url} could be taken in"
            ))
            .with_hint("the same command tries them again"));
        }
        Ok(())
    }
}

/// Tells how it goes, when there is news and not too often.
struct Teller {
    url: Url,
    told: Mutex<(Option<Instant>, FollowNow)>,
}

impl Teller {
    fn new(url: Url) -> Self {
        Self {
            url,
            told: Mutex::new((None, FollowNow::default())),
        }
    }

    fn last(&self) -> FollowNow {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.1.clone()
    }

    fn tell(&self, now: &FollowNow, outcome: &Outcome) {
        for note in &outcome.changed {
            output::talk(&told("changed", &note.item, &note.reason));
        }
        for note in &outcome.skipped {
            output::talk(&told("skipped", &note.item, &note.reason));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, last) = &mut *told;
        if now == last {
            return;
        }
        // Arriving and losing the server are news at any time.
        let is_turn = now.is_in_sync() != last.is_in_sync() || now.trouble != last.trouble;
        let is_early = when.is_some_and(|when| when.elapsed() < TELL_EVERY);
        *last = now.clone();
        if is_early && !is_turn {
            return;
        }
        *when = Some(Instant::now());
        if let Some(trouble) = &now.trouble {
            output::talk(&format!("{}; trying again", printable(trouble)));
        } else if now.is_in_sync() {
            output::talk(&in_sync(&self.url, now));
        } else {
            output::talk(&format!("behind {}: {}", self.url, distance(now)));
        }
    }
}

/// What became of an item. Its name and the reason may be the words of the other server.
fn told(what: &str, item: &str, reason: &str) -> String {
    format!("{what}: {}: {}", printable(item), printable(reason))
}

fn in_sync(url: &Url, now: &FollowNow) -> String {
    let commit = now.known.saturating_sub(1);
    format!("in sync with {url} at its commit {commit}")
}

fn distance(now: &FollowNow) -> String {
    let commits = now.there.saturating_sub(now.known);
    let pending = now.pending;
    let again = match now.failed {
        0 => String::new(),
        failed => format!(", {failed} to try again"),
    };
    format!("{commits} commits to read, {pending} changes to take in{again}")
}

fn read_secret(follow: &FollowArgs) -> Result<SecretSlice<u8>, Failure> {
    let Some(path) = &follow.secret_file else {
        return Err(Failure::could_not_try(
            "--follow needs --secret-file, the file that the devpi-server was started with as \
             --secretfile",
        ));
    };
    std::fs::read(path).map(SecretSlice::from).map_err(|error| {
        Failure::could_not_try(format!("{} cannot be read: {error}", path.display()))
    })
}

fn cost(follow: &FollowArgs) -> SecretCost {
    let usual = SecretCost::default();
    SecretCost {
        memory: follow.argon2_memory_cost.unwrap_or(usual.memory),
        time: follow.argon2_time_cost.unwrap_or(usual.time),
        parallelism: follow.argon2_parallelism.unwrap_or(usual.parallelism),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_other_server_do_not_move_the_cursor() {
        assert_eq!(
            told("skipped", "bob/dev/a\u{1b}[2J", "it is\r\nno file"),
            "skipped: bob/dev/a\u{fffd}[2J: it is\u{fffd}\u{fffd}no file"
        );
    }
}
