//! Blobs: one story told to a directory and to a bucket, then what only one of them has.

mod local;
mod s3;
mod story;
mod support;
mod take;
