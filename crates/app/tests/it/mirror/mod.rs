//! Mirrors against a fake upstream.

mod core_metadata;
mod credentials;
mod downloads;
mod files;
mod listings;
mod outbound;
mod overtaken;
mod project_list;
mod support;
mod trouble;
