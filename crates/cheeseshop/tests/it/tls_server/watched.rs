//! The files of certificates change on the disk, and nobody tells the server.

use std::os::unix::fs::symlink;
use std::time::Instant;

use reqwest::tls::TlsInfo;

use super::{NAMES, Stand, private};
use crate::support::{BETWEEN_LOOKS, DEADLINE, Server};

/// As short as it can be set.
const INTERVAL: &str = "--set=tls.watch_interval=1s";

const REFUSED: &str = "have changed and cannot be used";

/// A stand whose files are behind a link to a folder, as Kubernetes puts secrets into a container.
struct Secret {
    stand: Stand,
    versions: usize,
}

impl Secret {
    fn new() -> Self {
        let mut secret = Self {
            stand: Stand::new(),
            versions: 0,
        };
        let (certificate, key) = secret.stand.authority.issue(NAMES);
        secret.swap(&certificate, &key);
        for name in ["server.crt", "server.key"] {
            let path = secret.stand.home.path().join(name);
            std::fs::remove_file(&path).unwrap();
            symlink(format!("..data/{name}"), path).unwrap();
        }
        secret
    }

    /// Puts a folder with these files in place of the one before, at one go.
    fn swap(&mut self, certificate: &str, key: &str) {
        self.versions += 1;
        let home = &self.stand.home;
        let folder = format!("version-{}", self.versions);
        std::fs::create_dir(home.path().join(&folder)).unwrap();
        home.write(&format!("{folder}/server.crt"), certificate);
        private(home.write(&format!("{folder}/server.key"), key));
        symlink(&folder, home.path().join("..new")).unwrap();
        let (new, data) = (home.path().join("..new"), home.path().join("..data"));
        std::fs::rename(new, data).unwrap();
    }

    fn swap_good(&mut self) {
        let (certificate, key) = self.stand.authority.issue(NAMES);
        self.swap(&certificate, &key);
    }

    /// The certificate that somebody is shown who comes now.
    async fn shown(&self, server: &Server) -> Vec<u8> {
        let client = self.stand.trusting().tls_info(true).build().unwrap();
        let answer = client.get(server.at("+health/live")).send().await.unwrap();
        let info = answer.extensions().get::<TlsInfo>().unwrap();
        info.peer_certificate().unwrap().to_vec()
    }

    async fn until_another_is_shown(&self, server: &Server, before: &[u8]) {
        let deadline = Instant::now() + DEADLINE;
        while self.shown(server).await == before {
            assert!(Instant::now() < deadline, "{}", server.log());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// A metric without labels, or with these.
    async fn metric(&self, server: &Server, name: &str) -> f64 {
        let answer = self.stand.client().get(server.at("metrics")).send().await;
        let text = answer.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| {
            let (found, value) = line.rsplit_once(' ')?;
            (found == name).then(|| value.parse().unwrap())
        });
        line.unwrap_or_default()
    }

    async fn until_metric(&self, server: &Server, name: &str, least: f64) {
        let deadline = Instant::now() + DEADLINE;
        while self.metric(server, name).await < least {
            assert!(Instant::now() < deadline, "{name}: {}", server.log());
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_swapped_are_in_force_without_a_signal() {
    let mut secret = Secret::new();
    let server = secret.stand.serve_tls(&[INTERVAL]);
    let begun = secret
        .metric(
            &server,
            "cheeseshop_tls_last_reload_success_timestamp_seconds",
        )
        .await;
    assert!(begun > 0.0);
    for _ in 0..2 {
        let before = secret.shown(&server).await;
        secret.swap_good();
        secret.until_another_is_shown(&server, &before).await;
    }
    let log = server.stop();
    assert!(log.contains("have changed; they are in force now"), "{log}");
    assert!(!log.contains(REFUSED), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_pair_keeps_the_old_one_is_told_once_and_comes_right() {
    let mut secret = Secret::new();
    let server = secret.stand.serve_tls(&[INTERVAL]);
    let successful = "cheeseshop_tls_last_reload_successful";
    let failed = "cheeseshop_tls_reloads_total{result=\"failed\"}";
    let before = secret.shown(&server).await;
    secret.until_metric(&server, successful, 1.0).await;
    let (certificate, _) = secret.stand.authority.issue(NAMES);
    let (_, key) = secret.stand.authority.issue(NAMES);
    secret.swap(&certificate, &key);
    // It is tried again at each look.
    secret.until_metric(&server, failed, 3.0).await;
    assert!(secret.metric(&server, successful).await < 1.0);
    assert_eq!(secret.shown(&server).await, before);
    assert_eq!(server.log().matches(REFUSED).count(), 1, "{}", server.log());
    assert!(server.log().contains("does not belong to the certificate"));
    // Half a file is another change with another trouble.
    let (certificate, key) = secret.stand.authority.issue(NAMES);
    secret.swap(&certificate[..certificate.len() / 2], &key);
    server.wait_for_log("is damaged PEM").await;
    assert_eq!(secret.shown(&server).await, before);
    assert_eq!(server.log().matches(REFUSED).count(), 2, "{}", server.log());
    secret.swap_good();
    secret.until_another_is_shown(&server, &before).await;
    secret.until_metric(&server, successful, 1.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_to_be_asked_is_not_overtaken() {
    let mut secret = Secret::new();
    let server = secret.stand.serve_tls(&["--set=tls.watch_interval=0"]);
    let before = secret.shown(&server).await;
    secret.swap_good();
    assert_eq!(secret.shown(&server).await, before);
    server.signal("HUP");
    secret.until_another_is_shown(&server, &before).await;
    let ok = "cheeseshop_tls_reloads_total{result=\"ok\"}";
    secret.until_metric(&server, ok, 1.0).await;
    assert!(!server.log().contains("they are in force now"));
}
