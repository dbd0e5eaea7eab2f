//! The connection to the store, with our own patience instead of the library's.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use secrecy::ExposeSecret;

use super::super::config::certificates;
use super::super::{BlobError, S3BlobConfig};

/// Blocks: reads files that the configuration names.
pub(super) fn connect(config: &S3BlobConfig) -> Result<Arc<dyn ObjectStore>, BlobError> {
    let refused = |error: object_store::Error| BlobError::Config(error.to_string());
    let mut client = ClientOptions::new()
        .with_allow_http(config.allow_http)
        // The library's limit for a whole request would end every big download.
        .with_timeout_disabled()
        .with_connect_timeout(seconds(config.connect_timeout_seconds))
        .with_read_timeout(seconds(config.read_timeout_seconds));
    if let Some(path) = &config.ca_file {
        for certificate in certificates(path)? {
            client = client.with_root_certificate(certificate);
        }
    }
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(config.virtual_hosted)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_client_options(client)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: usize::try_from(config.retries).unwrap_or(usize::MAX),
            retry_timeout: config.patience(),
        });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some((access_key, secret_key)) = config.credentials()? {
        builder = builder
            .with_access_key_id(access_key)
            .with_secret_access_key(secret_key.expose_secret());
    }
    Ok(Arc::new(builder.build().map_err(refused)?))
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(u64::from(number))
}
