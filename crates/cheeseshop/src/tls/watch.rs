//! Certificates that are replaced, and telling in time that they will expire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cheeseshop_http::RevocationsNote;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::files::Looks;
use super::identity::Identity;
use super::revocations::Revocations;
use super::{ServerTls, metrics};

/// How often the log says the same again.
const INTERVAL: Duration = Duration::from_hours(24);

/// Files that are being written are read when they have not changed for so long.
const REST: Duration = Duration::from_secs(1);

/// How often that is waited for.
const RESTS: u32 = 10;

/// What the log was told, and when.
#[derive(Debug, Default)]
struct Said(Option<(Vec<String>, Instant)>);

/// Looks at the certificates, and whether their files have been replaced, now and again until `stop`.
pub(crate) async fn watch(tls: Arc<ServerTls>, note: RevocationsNote, stop: CancellationToken) {
    metrics::describe();
    metrics::taken_over(tls.last().at);
    let mut said = Said::default();
    loop {
        look(&tls, &note, super::now(), &mut said);
        let interval = tls.state.load().settings.watch_interval();
        tokio::select! {
            () = stop.cancelled() => return,
            // Somebody has reloaded; perhaps the interval is another.
            () = tls.changed.notified() => continue,
            () = tokio::time::sleep(interval.unwrap_or(INTERVAL)) => {}
        }
        let Some(interval) = interval else { continue };
        let refreshing = refresh(Arc::clone(&tls), interval.min(REST));
        tokio::select! {
            () = stop.cancelled() => return,
            () = refreshing => {}
        }
    }
}

/// Reads files that have changed, once nobody writes them any more. A disk of another machine may take
/// its time, so that is done aside.
async fn refresh(tls: Arc<ServerTls>, rest: Duration) {
    let seen = Arc::clone(&tls);
    let aside = move || seen.is_worth_a_try();
    if !tokio::task::spawn_blocking(aside).await.unwrap_or_default() {
        return;
    }
    let mut before = None;
    for _ in 0..=RESTS {
        let settings = tls.state.load().settings.clone();
        let looks = tokio::task::spawn_blocking(move || Looks::at(&settings)).await;
        let looks = looks.ok();
        if looks.is_some() && looks == before {
            break;
        }
        before = looks;
        tokio::time::sleep(rest).await;
    }
    let reading = tokio::task::spawn_blocking(move || tls.refresh());
    if let Err(error) = reading.await {
        tracing::error!(%error, "the files of [tls] could not be read");
    }
}

/// Tells the metrics, the status and, when there is not much time left, the log.
fn look(tls: &ServerTls, note: &RevocationsNote, now: Timestamp, said: &mut Said) {
    let state = tls.state.load();
    if let Some(end) = state.identities.iter().map(Identity::not_after).min() {
        metrics::first_end(end);
    }
    let lists = state
        .clients
        .as_ref()
        .and_then(|one| one.revocations.as_ref());
    let end = lists.and_then(Revocations::first_end);
    note.set(end.map(|end| u64::try_from(end.as_second()).unwrap_or_default()));
    if let Some(end) = end {
        metrics::lists_end(end);
    }
    for warning in said.news(state.ends_in_sight(now)) {
        tracing::warn!("{warning}");
    }
}

impl Said {
    /// What of this was not said lately.
    fn news(&mut self, warnings: Vec<String>) -> Vec<String> {
        if let Some((before, at)) = &self.0
            && at.elapsed() < INTERVAL
        {
            let is_new = |warning: &&String| !before.contains(warning);
            let news = warnings.iter().filter(is_new).cloned().collect();
            let at = *at;
            self.0 = Some((warnings, at));
            return news;
        }
        self.0 = Some((warnings.clone(), Instant::now()));
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_a_thing_once_until_it_changes() {
        let mut said = Said::default();
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(said.news(list(&["13 days"])), ["13 days"]);
        assert!(said.news(list(&["13 days"])).is_empty());
        assert_eq!(said.news(list(&["12 days", "list"])), ["12 days", "list"]);
        assert!(said.news(list(&["12 days", "list"])).is_empty());
        assert!(said.news(list(&[])).is_empty());
        assert_eq!(said.news(list(&["list"])), ["list"]);
    }
}
