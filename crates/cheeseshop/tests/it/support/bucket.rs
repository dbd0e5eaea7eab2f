//! Blobs in a bucket.

use cheeseshop_test_support::S3Bucket;

use super::Home;

/// Settings by which blobs are kept in a bucket.
pub(crate) fn in_bucket(home: &Home, bucket: &S3Bucket) -> Vec<String> {
    let secret = home.write("s3-secret", &bucket.secret_key);
    vec![
        "--set=blobs.kind=s3".to_owned(),
        "--set=blobs.allow_http=true".to_owned(),
        format!("--set=blobs.endpoint={}", bucket.endpoint),
        format!("--set=blobs.bucket={}", bucket.bucket),
        format!("--set=blobs.access_key={}", bucket.access_key),
        format!("--set=blobs.secret_key_file={}", secret.display()),
    ]
}
