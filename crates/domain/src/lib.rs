//! Cheeseshop's nouns and rules.
//!
//! Everything here is data and functions of data: no files, no network, no clock, no environment, no
//! asynchronous code. Users, indexes and what they hold; who may do what ([`permission`]); which indexes
//! and files answer for a project ([`resolution`]); the documents of devpi's JSON API ([`api`]), which
//! server and client share. What the Python packaging standards say lives in `cheeseshop-packaging`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod acl;
pub mod api;
mod clock;
mod directory;
mod documentation;
mod empty;
mod error_chain;
mod event;
mod file;
mod file_path;
mod id;
mod index;
pub mod mirror;
mod name;
pub mod permission;
mod project;
mod release;
pub mod resolution;
mod secret_url;
mod test_result;
pub mod token;
mod user;

pub use acl::{Acl, Principal};
pub use clock::{Clock, FixedClock};
pub use directory::Directory;
pub use documentation::Documentation;
pub use empty::is_empty;
pub use error_chain::error_chain;
pub use event::{Event, EventKind, RecordedEvent, UnknownEventKind};
pub use file::{File, LogAction, LogEntry};
pub use file_path::{FileArea, FilePath, FilePathError, external_dirname};
pub use id::{FileId, IndexId, ProjectId, ReleaseId, Serial, TestResultId, UserId};
pub use index::{
    AdoptedConfig, BaseExists, ConfigError, ConfigErrors, Constraints, HostedConfig, Index,
    IndexConfig, IndexKind, Inheritance, MirrorConfig, TriggerUrl, Whitelist,
};
pub use mirror::MirrorListing;
pub use name::{IndexName, NameError, UserName};
pub use permission::{
    Action, Caller, HeldToken, Identity, PermissionPolicy, Reason, TokenAct, Verdict,
};
pub use project::Project;
pub use release::Release;
pub use secret_url::{SecretUrl, SecretUrlError, UrlCredentials};
pub use test_result::{
    TestCommand, TestEnvironment, TestOutcome, TestPhase, TestReport, TestReportError, TestResult,
};
pub use user::{NewPassword, NewUser, User, UserConfigError, UserPatch, UserProfile};

/// A JSON object that keeps the order of its keys.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
