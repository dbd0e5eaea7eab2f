//! Proxies and certificate authorities.

use cheeseshop_app::Error;
use cheeseshop_app::mirror::MirrorSettings;
use cheeseshop_test_support::{CertificateAuthority, ForwardProxy, Upstream, Wheel};
use serde_json::json;

use super::support::{Bench, collect, settings};

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    let proxy = ForwardProxy::start().await;
    proxy.require_basic("me", "pw");
    let upstream = Upstream::start().await;
    upstream.set_links(cheeseshop_test_support::Links::Relative);
    let wheel = Wheel::named("flask").build();
    upstream.publish(&wheel);
    proxy.map_host("pypi.test", &upstream.address());
    let url = proxy.url().replacen("://", "://me:pw@", 1);
    let bench = Bench::with(MirrorSettings {
        proxy: url.as_str().into(),
        ..settings()
    })
    .await;
    let index = bench
        .mirror("pypi", "http://pypi.test/simple/", json!({}))
        .await;
    let entry = bench.entry(&index, "flask", &wheel.name).await;
    let handle = bench.open_file(&index, &entry).await.unwrap();
    assert_eq!(collect(handle.read_all()).await.unwrap(), wheel.bytes);
    assert_eq!(proxy.count("GET"), 2);
}

#[tokio::test]
async fn a_custom_authority_is_trusted_when_told() {
    let authority = CertificateAuthority::new();
    let upstream = Upstream::builder().tls(&authority).start().await;
    upstream.publish(&Wheel::named("flask").build());
    let folder = tempfile::tempdir().unwrap();
    let trusting = Bench::with(MirrorSettings {
        ca_bundle: Some(authority.write_pem(folder.path())),
        ..settings()
    })
    .await;
    let index = trusting.pypi(&upstream).await;
    assert_eq!(
        trusting
            .listed(&index, "flask")
            .await
            .listing
            .page
            .files
            .len(),
        1
    );

    let stranger = Bench::new().await;
    let index = stranger.pypi(&upstream).await;
    assert!(matches!(
        stranger.listing(&index, "flask").await,
        Err(Error::UpstreamFailed { timeout: false, .. })
    ));
}

#[tokio::test]
async fn tls_through_a_proxy_is_a_tunnel() {
    let authority = CertificateAuthority::new();
    let upstream = Upstream::builder().tls(&authority).start().await;
    upstream.publish(&Wheel::named("flask").build());
    let proxy = ForwardProxy::start().await;
    proxy.map_host("pypi.test", &upstream.address());
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::with(MirrorSettings {
        ca_bundle: Some(authority.write_pem(folder.path())),
        proxy: proxy.url().as_str().into(),
        ..settings()
    })
    .await;
    let index = bench
        .mirror("pypi", "https://pypi.test/simple/", json!({}))
        .await;
    assert_eq!(
        bench.listed(&index, "flask").await.listing.page.files.len(),
        1
    );
    assert_eq!(proxy.connects(), 1);
}
