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

/// What has servers of any number of homes share a bucket and a PostgreSQL database.
pub(crate) fn in_bucket_and_database(home: &Home, bucket: &S3Bucket, url: &str) -> Vec<String> {
    let mut arguments = in_bucket(home, bucket);
    arguments.push(format!("--database-url={url}"));
    arguments
}
