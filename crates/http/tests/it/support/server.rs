//! The whole product in a temporary directory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use cheeseshop_app::auth::AuthSettings;
use cheeseshop_app::mirror::MirrorSettings;
use cheeseshop_app::{App, Settings};
use cheeseshop_domain::{Clock, FixedClock};
use cheeseshop_http::{HttpSettings, PeerAddress, Service};
use cheeseshop_storage::{BlobConfig, BlobStore, Database, DatabaseConfig};
use cheeseshop_test_support::{Upstream, Wheel};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Answer, User};

pub(crate) const ROOT_PASSWORD: &str = "root-secret";

/// Upstreams of tests are in this very process, which a loaded machine may hold up for a while, and behind
/// no proxy. Times that a test has chosen stay.
fn patient(settings: MirrorSettings) -> MirrorSettings {
    let default = MirrorSettings::default();
    let patient = |chosen: Duration, default: Duration| {
        if chosen == default {
            Duration::from_mins(1)
        } else {
            chosen
        }
    };
    MirrorSettings {
        request_timeout: patient(settings.request_timeout, default.request_timeout),
        list_timeout: patient(settings.list_timeout, default.list_timeout),
        proxy: "none".into(),
        ..settings
    }
}

pub(crate) struct Server {
    pub(crate) clock: Arc<FixedClock>,
    service: Service,
    _directory: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default(), HttpSettings::default()).await
    }

    /// With the file of `flask` 1.0 in `alice/dev`.
    pub(crate) async fn stocked() -> Self {
        let server = Self::start().await;
        let alice = server.user_with_dev("alice").await;
        let wheel = Wheel::named("flask").build();
        alice.publish("alice/dev", &wheel).await;
        server
    }

    /// Where nobody reads anything without a login.
    pub(crate) async fn locked() -> Self {
        let mut settings = Settings::default();
        settings.auth.login_required = true;
        Self::with(settings, HttpSettings::default()).await
    }

    pub(crate) async fn with(mut settings: Settings, http: HttpSettings) -> Self {
        // The first one to install a provider wins; both are the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        settings.mirror = patient(settings.mirror);
        settings.trigger.timeout = Duration::from_mins(1);
        settings.auth = AuthSettings {
            self_registration: true,
            login_required: settings.auth.login_required,
            ..AuthSettings::for_testing()
        };
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new("2026-09-01T12:00:00Z".parse().unwrap()));
        let shared_clock: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
        let config = DatabaseConfig::sqlite(&directory.path().join("db.sqlite"));
        let database = Database::open(&config, Arc::clone(&shared_clock))
            .await
            .unwrap();
        let blobs = BlobStore::open(&BlobConfig::Local {
            path: directory.path().join("blobs"),
        })
        .await
        .unwrap();
        let app = App::open(database, blobs, shared_clock, settings)
            .await
            .unwrap();
        app.ensure_root(&ROOT_PASSWORD.to_owned().into(), None)
            .await
            .unwrap();
        Self {
            service: cheeseshop_http::service(app, http),
            clock,
            _directory: directory,
        }
    }

    pub(crate) fn service(&self) -> Service {
        self.service.clone()
    }

    /// Sends a request as if it came over loopback.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from("127.0.0.1:40000".parse().unwrap(), request)
            .await
    }

    pub(crate) async fn send_from(&self, peer: SocketAddr, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(PeerAddress(peer));
        let response = self.service.clone().oneshot(request).await.unwrap();
        Answer::read(response).await
    }

    pub(crate) fn anonymous(&self) -> User<'_> {
        User::anonymous(self)
    }

    pub(crate) fn root(&self) -> User<'_> {
        User::with_password(self, "root", ROOT_PASSWORD)
    }

    /// Creates the user and hands them over.
    pub(crate) async fn user(&self, name: &str) -> User<'_> {
        let password = format!("{name}-secret");
        let answer = self
            .root()
            .json("PUT", &format!("/{name}"), &json!({"password": password}))
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        User::with_password(self, name, &password)
    }

    /// Creates `user/index` as its owner; the user must exist.
    pub(crate) async fn index(&self, owner: &User<'_>, index: &str, config: Value) {
        let path = format!("/{}/{index}", owner.name());
        let answer = owner.json("PUT", &path, &config).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Creates the user with an index `dev`.
    pub(crate) async fn user_with_dev(&self, name: &str) -> User<'_> {
        let user = self.user(name).await;
        self.index(&user, "dev", json!({})).await;
        user
    }

    /// Creates `base`, and `dev` with it as its base.
    pub(crate) async fn base_and_dev(&self, owner: &User<'_>) {
        self.index(owner, "base", json!({})).await;
        let bases = [format!("{}/base", owner.name())];
        self.index(owner, "dev", json!({"bases": bases})).await;
    }

    /// Creates `closed`, which only its owner reads.
    pub(crate) async fn closed_index(&self, owner: &User<'_>) {
        let config = json!({"acl_read": [owner.name()]});
        self.index(owner, "closed", config).await;
    }

    /// Creates `closed`, which only its owner reads, and `dev` with it as its base.
    pub(crate) async fn closed_and_dev(&self, owner: &User<'_>) {
        self.closed_index(owner).await;
        let bases = [format!("{}/closed", owner.name())];
        self.index(owner, "dev", json!({"bases": bases})).await;
    }

    /// Creates `root/mirror`, which follows `upstream`.
    pub(crate) async fn mirror(&self, upstream: &Upstream) {
        let config = json!({"type": "mirror", "mirror_url": upstream.url()});
        self.index(&self.root(), "mirror", config).await;
    }
}
